//! Lookups in the simulated AWS, in virtual time.

use std::time::SystemTime;

use rerole_sim::{Call, CredentialCaller, CredentialEvent, Fault, Options, SimulatedAws};
use serde_json::json;

use super::*;
use crate::drain::event::Caller;

const OLD: &str = "arn:aws:iam::111122223333:role/platform/app-2025";
const NEW: &str = "arn:aws:iam::111122223333:role/platform/app-2026";
const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

fn start() -> (SimulatedAws, Stack) {
    let aws = SimulatedAws::new(Options::default());
    let stack = Stack::simulated(&aws, &[]);
    (aws, stack)
}

/// So many calls for credentials of the role, a second apart, the last one an hour ago.
fn put(aws: &SimulatedAws, role: &str, number: u64) {
    for second in 0..number {
        let caller = CredentialCaller::User("arn:aws:iam::111122223333:user/jane".to_owned());
        aws.put_credential_event(&CredentialEvent {
            at: hour_ago(aws) - Duration::from_secs(second),
            role_arn: role.to_owned(),
            ..CredentialEvent::by(caller)
        });
    }
}

fn hour_ago(aws: &SimulatedAws) -> SystemTime {
    aws.now() - Duration::from_hours(1)
}

async fn read(stack: &Stack) -> Sightings {
    let now = stack.aws.now();
    let window = Window {
        from: now - Duration::from_hours(7),
        to: now,
    };
    let roles = [OLD, NEW].map(str::to_owned);
    look_up(stack, (&roles, &REGIONS.map(str::to_owned)), window).await
}

fn refuse(code: &str) -> Fault {
    Fault::Error {
        status: 400,
        code: code.to_owned(),
        message: "no".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn each_page_of_each_role_and_region_is_read_without_a_throttle() {
    let (aws, stack) = start();
    put(&aws.in_region("eu-west-1"), OLD, 120);
    put(&aws.in_region("us-east-1"), NEW, 60);
    put(
        &aws.in_region("us-east-1"),
        "arn:aws:iam::111122223333:role/other",
        5,
    );
    // A region that nothing asks about.
    put(&aws.in_region("eu-north-1"), OLD, 5);
    let found = read(&stack).await;
    let of = |role: &str| found.uses.iter().filter(|it| it.role_arn == role).count();
    assert_eq!((of(OLD), of(NEW), found.uses.len()), (120, 60, 180));
    assert!(
        found
            .uses
            .iter()
            .all(|it| matches!(it.caller, Caller::Other(_)))
    );
    let regions = found.regions.iter();
    let regions: Vec<_> = regions
        .map(|it| (it.region.as_str(), it.events, &it.gap))
        .collect();
    assert_eq!(
        regions,
        [("eu-west-1", 120, &None), ("us-east-1", 60, &None)]
    );
    // Three pages and an empty one, and an empty one and two pages.
    assert_eq!(aws.calls().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_is_denied_is_a_gap_and_the_others_count() {
    let (aws, stack) = start();
    put(&aws.in_region("us-east-1"), OLD, 1);
    aws.on_call(|call: &Call| match call.region.as_str() {
        "eu-west-1" => refuse("AccessDeniedException"),
        _ => Fault::None,
    });
    let found = read(&stack).await;
    assert_eq!(found.uses.len(), 1);
    let gaps: Vec<_> = found.regions.iter().map(|it| it.gap.as_deref()).collect();
    assert!(
        gaps[0].is_some_and(|it| it.contains("cloudtrail:LookupEvents")),
        "{gaps:?}"
    );
    assert_eq!(gaps[1], None);
}

#[tokio::test(start_paused = true)]
async fn throttles_are_outlasted_for_some_minutes() {
    for (throttles, is_read) in [(7, true), (8, false)] {
        let (aws, stack) = start();
        put(&aws.in_region("us-east-1"), OLD, 1);
        let mut left = throttles;
        aws.on_call(move |call: &Call| {
            if call.region != "us-east-1" || left == 0 {
                return Fault::None;
            }
            left -= 1;
            refuse("ThrottlingException")
        });
        let found = read(&stack).await;
        assert_eq!(found.uses.len(), usize::from(is_read), "{throttles}");
        assert_eq!(found.regions[1].gap.is_none(), is_read, "{throttles}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_counted() {
    let (aws, stack) = start();
    let time = stack.aws.now() - Duration::from_hours(1);
    let aws = aws.in_region("us-east-1");
    for (id, name) in [("1", json!(null)), ("2", json!("UpdateAssumeRolePolicy"))] {
        aws.put_event_record(json!({
            "eventTime": time.to_string(),
            "eventID": id,
            "eventName": name,
            "resources": [{ "type": "AWS::IAM::Role", "ARN": OLD }],
        }));
    }
    let found = read(&stack).await;
    assert_eq!((found.unreadable, found.uses.len()), (1, 0));
    assert_eq!(found.regions[1].events, 2);
}
