//! Reads from CloudTrail who has received credentials of roles. Regions are read side by side, and
//! each at the pace that CloudTrail admits. A region that cannot be read is a gap, and no failure:
//! what the others show still counts.

use std::time::Duration;

use aws_config::Region;
use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::config::retry::RetryConfig;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{Event, LookupAttribute, LookupAttributeKey};
use futures_util::future::join_all;
use indicatif::ProgressBar;
use rerole::aws::call_error::call_error;
use rerole::aws::page::{Page, PageLimit, paginate};
use rerole_core::call::{CallError, ErrorClass, Operation};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use crate::drain::event::{self, Found, Record};
use crate::drain::evidence::{RegionRead, Sightings, Window};
use crate::stack::Stack;
use crate::terminal::progress_bar;

/// CloudTrail admits two lookups a second in each region, of all callers of the account together.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>
const PACE: Duration = Duration::from_millis(500);
/// Other callers can take all of the pace for some time.
const TRIES_MAX: u32 = 8;
/// The pause after the first try that failed. It doubles with each other one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// With 50 records on a page, what 12,500 pods receive of one role in the time that matters, and
/// nine minutes at this pace.
const PAGES: PageLimit = PageLimit {
    list: "the role's events",
    pages_max: 1_000,
};
/// The most that CloudTrail allows.
const PAGE_LEN: i32 = 50;

/// Reads what these regions show of these roles in this time.
pub async fn look_up(
    stack: &Stack,
    (roles, regions): (&[String], &[String]),
    window: Window,
) -> Sightings {
    let bar = progress_bar(0, "  asking CloudTrail: {pos} calls, {elapsed}");
    let lookups = regions.iter().map(|region| {
        let lookup = Lookup::new(stack, region, (window, bar.clone()));
        lookup.read(roles)
    });
    let mut sightings = Sightings::default();
    for found in join_all(lookups).await {
        sightings.uses.extend(found.uses);
        sightings.unreadable += found.unreadable;
        sightings.regions.extend(found.regions);
    }
    bar.finish_and_clear();
    sightings
}

/// The lookups in one region.
#[derive(Debug)]
struct Lookup<'a> {
    client: Client,
    region: &'a str,
    window: Window,
    pace: Interval,
    bar: ProgressBar,
}

impl<'a> Lookup<'a> {
    fn new(stack: &Stack, region: &'a str, (window, bar): (Window, ProgressBar)) -> Self {
        let config = aws_sdk_cloudtrail::config::Builder::from(&stack.sdk);
        let config = config
            .region(Region::new(region.to_owned()))
            // The SDK's own retries would not keep the pace.
            .retry_config(RetryConfig::disabled());
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            client: Client::from_conf(config.build()),
            region,
            window,
            pace,
            bar,
        }
    }

    async fn read(mut self, roles: &[String]) -> Sightings {
        let mut found = Sightings::default();
        let mut events = 0;
        let mut gap = None;
        for role in roles {
            if let Err(error) = self.read_role(role, (&mut found, &mut events)).await {
                gap = Some(reason(&error));
                break;
            }
        }
        found.regions.push(RegionRead {
            region: self.region.to_owned(),
            events,
            gap,
        });
        found
    }

    async fn read_role(
        &mut self,
        role: &str,
        (found, events): (&mut Sightings, &mut u64),
    ) -> Result<(), CallError> {
        let mut pages = paginate(PAGES, async |token| self.page(role, token).await);
        while let Some(page) = pages.next::<_, CallError>().await? {
            for event in page {
                *events += 1;
                let record = event.cloud_trail_event.as_deref().unwrap_or_default();
                match event::read(Found { record, role }) {
                    Record::Use(mut it) => {
                        it.event_id = event.event_id.or(it.event_id);
                        found.uses.push(*it);
                    }
                    Record::NoUse => {}
                    Record::Unreadable(_) => found.unreadable += 1,
                }
            }
        }
        Ok(())
    }

    /// Reads a page, with tries at the pace.
    async fn page(
        &mut self,
        role: &str,
        token: Option<String>,
    ) -> Result<Page<Event, String>, CallError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES_MAX {
            match self.call(role, token.clone()).await {
                Err(error) if may_pass(&error) => {
                    sleep(pause).await;
                    pause *= 2;
                }
                read => return read,
            }
        }
        self.call(role, token).await
    }

    async fn call(
        &mut self,
        role: &str,
        token: Option<String>,
    ) -> Result<Page<Event, String>, CallError> {
        let operation = Operation::on("look up the events of", &role);
        let by_role = LookupAttribute::builder()
            .attribute_key(LookupAttributeKey::ResourceName)
            .attribute_value(role)
            .build()
            .map_err(|error| CallError::malformed_response(operation, error.to_string()))?;
        self.pace.tick().await;
        self.bar.inc(1);
        let found = self
            .client
            .lookup_events()
            .lookup_attributes(by_role)
            .start_time(DateTime::from_millis(self.window.from.as_millis()))
            .end_time(DateTime::from_millis(self.window.to.as_millis()))
            .max_results(PAGE_LEN)
            .set_next_token(token)
            .send()
            .await;
        let found = found.map_err(|error| call_error(operation, &error))?;
        Ok(Page {
            items: found.events.unwrap_or_default(),
            next: found.next_token,
        })
    }
}

fn may_pass(error: &CallError) -> bool {
    matches!(error.class, ErrorClass::Throttled | ErrorClass::Transient)
}

/// Why a region was not read.
fn reason(error: &CallError) -> String {
    match error.class {
        ErrorClass::Denied => {
            format!("{error}; you need cloudtrail:LookupEvents, and the region must be enabled")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
