//! The event history of CloudTrail, as `LookupEvents` shows it: events about the credentials of
//! roles, newest first.
//!
//! Pods do not run. Their events follow from the history of the associations, each time anew, so a
//! seed gives the same ones whenever they are asked for. Events about EKS are in `cloudtrail`, and
//! are not in this history; which events a trail logs is in `trails`, and does not matter here.

mod credentials;
mod entry;
mod lookup;
mod pods;

use std::time::SystemTime;

use serde_json::Value;

use crate::arn::Scope;
use crate::eks::EksState;
pub use crate::event_history::credentials::{CredentialCaller, CredentialEvent};
use crate::event_history::entry::entry;
use crate::event_history::lookup::{Lookup, Snapshots};
pub(crate) use crate::event_history::lookup::{is_lookup, subject};
pub use crate::event_history::pods::PodFleet;
use crate::event_history::pods::{Fetch, Pods};
use crate::options::{Buckets, EventDelivery, Options, Throttle};
use crate::protocol::{ApiError, ApiRequest};
use crate::rng::{draw, stream_of};
use crate::throttle::TokenBuckets;

/// The quota of `LookupEvents`.
const THROTTLE: Throttle = Throttle {
    rate_per_sec: 2.0,
    burst: 2.0,
};
/// How events arrive is drawn from another stream than what they contain.
const DELIVERY_STREAM: u64 = 0xDE1;

/// The events of all accounts and regions.
pub(crate) struct EventHistory {
    seed: u64,
    delivery: EventDelivery,
    pods: Pods,
    records: Vec<Stored>,
    buckets: TokenBuckets,
    snapshots: Snapshots<Found>,
}

/// A record that a test has put.
struct Stored {
    account: String,
    region: String,
    record: Value,
}

/// An event that a lookup has found. Its record is made when a page shows it.
#[derive(Clone)]
enum Found {
    Fetch(Box<Fetch>),
    /// The position among the records.
    Record(usize),
}

impl EventHistory {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            seed: options.seed,
            delivery: options.event_delivery.clone(),
            pods: Pods::new(options.seed),
            records: Vec::new(),
            buckets: TokenBuckets::new(Some(THROTTLE), Buckets::PerRegion),
            snapshots: Snapshots::default(),
        }
    }

    pub(crate) fn run_pods(&mut self, now: SystemTime, fleet: PodFleet) {
        self.pods.run(now, fleet);
    }

    pub(crate) fn pods_per_association(&self) -> usize {
        self.pods.per_association()
    }

    pub(crate) fn restart(&mut self, now: SystemTime, association_arn: &str, pod: usize) {
        self.pods.restart(now, association_arn, pod);
    }

    pub(crate) fn put(&mut self, scope: Scope<'_>, event: &CredentialEvent) {
        // Two events that are equal are two events.
        let key = format!("{}#{event:?}", self.records.len());
        let record = event.record(scope, &mut stream_of(self.seed, &key));
        self.put_record(scope, record);
    }

    pub(crate) fn put_record(&mut self, scope: Scope<'_>, record: Value) {
        self.records.push(Stored {
            account: scope.account.to_owned(),
            region: scope.region.to_owned(),
            record,
        });
    }

    /// Responds to `LookupEvents`.
    pub(crate) fn lookup(
        &mut self,
        now: SystemTime,
        request: &ApiRequest,
        eks: &EksState,
    ) -> Result<Value, ApiError> {
        if !self
            .buckets
            .try_acquire(request.scope(), "LookupEvents", now)
        {
            return Err(ApiError::new("ThrottlingException", "Rate exceeded"));
        }
        let limit = lookup::limit(request)?;
        let (snapshot, from) = if let Some(token) = request.text("NextToken") {
            self.snapshots.resume(token)?
        } else {
            let lookup = Lookup::parse(now, request)?;
            let found = self.find(now, request.scope(), &lookup, eks);
            (self.snapshots.keep(found), 0)
        };
        let (page, next) = self.snapshots.page(snapshot, from, limit);
        let entries = page.iter().map(|found| self.entry(request.scope(), found));
        Ok(lookup::response(entries.collect(), next))
    }

    /// The visible events that the lookup asks for, newest first.
    fn find(
        &self,
        now: SystemTime,
        scope: Scope<'_>,
        lookup: &Lookup,
        eks: &EksState,
    ) -> Vec<Found> {
        let mut found: Vec<(SystemTime, String, Found)> = Vec::new();
        let mut add = |at: SystemTime, id: String, event: Found| {
            for _ in 0..self.arrivals(now, at, &id) {
                found.push((at, id.clone(), event.clone()));
            }
        };
        let until = lookup.until.min(now);
        for fetch in self.pods.fetches(eks, scope, lookup.from..=until) {
            let is_about_role = lookup.is_about_role(&fetch.association.role_arn);
            if is_about_role == Some(false) {
                continue;
            }
            let (at, id) = (fetch.at, fetch.id(self.seed));
            let event = Found::Fetch(Box::new(fetch));
            if is_about_role == Some(true) || lookup.accepts(&self.entry(scope, &event)) {
                add(at, id, event);
            }
        }
        for (position, stored) in self.records.iter().enumerate() {
            let is_here = stored.account == scope.account && stored.region == scope.region;
            let Some((at, id)) = entry::time_and_id(&stored.record).filter(|_| is_here) else {
                continue;
            };
            let event = Found::Record(position);
            let is_timely = lookup.from <= at && at <= until;
            if is_timely && lookup.accepts(&self.entry(scope, &event)) {
                add(at, id, event);
            }
        }
        found.sort_by(|(at, id, _), (other_at, other_id, _)| {
            other_at.cmp(at).then_with(|| id.cmp(other_id))
        });
        found.into_iter().map(|(_, _, event)| event).collect()
    }

    /// How many times the event of this time and ID is listed at `now`.
    fn arrivals(&self, now: SystemTime, at: SystemTime, id: &str) -> usize {
        let EventDelivery {
            delay,
            lost_share,
            duplicated_share,
            ..
        } = &self.delivery;
        let mut stream = stream_of(self.seed ^ DELIVERY_STREAM, id);
        let delay = draw(&mut stream, delay);
        let (loss, duplication) = (stream.f64(), stream.f64());
        if now < at + delay || loss < *lost_share {
            0
        } else if duplication < *duplicated_share {
            2
        } else {
            1
        }
    }

    fn entry(&self, scope: Scope<'_>, found: &Found) -> Value {
        match found {
            Found::Fetch(fetch) => entry(&fetch.record(scope, self.seed), &self.delivery),
            Found::Record(position) => entry(&self.records[*position].record, &self.delivery),
        }
    }
}
