//! Lookups in the simulated AWS, in virtual time.

use std::time::SystemTime;

use rerole_sim::{
    Call, CredentialCaller, CredentialEvent, EventDelivery, Fault, Options, PodFleet, SimulatedAws,
};
use serde_json::json;
use tokio::time::advance;

use super::*;
use crate::drain::event::Caller;
use crate::drain::evidence::{Evidence, Known};

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

/// What CloudTrail shows after seven hours of so many associations on the role in this region, each
/// with a pod.
async fn of_pods((region, role): (&str, &str), number: usize, delivery: EventDelivery) -> Evidence {
    let aws = SimulatedAws::new(Options {
        event_delivery: delivery,
        keep_log: false,
        ..Options::default()
    });
    aws.eks(|eks| {
        for number in 0..number {
            eks.associate(region, "prod", "pay", &format!("s{number}"), role);
        }
    });
    aws.run_pods(PodFleet::default());
    advance(Duration::from_hours(7)).await;
    let stack = Stack::simulated(&aws, &[]);
    let now = stack.aws.now();
    let window = Window {
        from: now - Duration::from_mins(375),
        to: now,
    };
    let found = look_up(&stack, (&[role.to_owned()], &[region.to_owned()]), window).await;
    assert_eq!(found.regions[0].gap, None);
    let known = Known {
        role_arn: role.to_owned(),
        ..Known::default()
    };
    Evidence::of(&found, &known, window)
}

/// Each pod renews its credentials about every three hours, so some 10,000 records are read.
#[tokio::test(start_paused = true)]
async fn each_of_five_thousand_pods_is_found() {
    let evidence = of_pods(("us-east-1", OLD), 5_000, EventDelivery::default()).await;
    assert_eq!((evidence.pods_seen, evidence.unreadable), (5_000, 0));
    assert!(evidence.regions[0].events > 9_000, "{:?}", evidence.regions);
    assert!(evidence.holders.iter().all(|it| it.pod.is_some()));
}

#[tokio::test(start_paused = true)]
async fn pods_are_found_in_each_partition() {
    for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")] {
        let role = format!("arn:{partition}:iam::111122223333:role/platform/app-2025");
        let evidence = of_pods((region, &role), 3, EventDelivery::default()).await;
        assert_eq!(
            (evidence.pods_seen, evidence.unreadable),
            (3, 0),
            "{region}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_are_doubled_late_or_redacted_make_no_other_pods() {
    let hidden = ["/requestParameters/roleArn", "/requestParameters/tags"];
    let delivery = |doubled, hidden: &[&str]| EventDelivery {
        duplicated_share: doubled,
        delay: Duration::ZERO..=Duration::from_mins(15),
        redacted: hidden.iter().map(|it| (*it).to_owned()).collect(),
        narrow_spaces: true,
        ..EventDelivery::default()
    };
    let place = ("eu-west-1", OLD);
    let plain = of_pods(place, 40, delivery(0.0, &[])).await;
    assert_eq!(plain.pods_seen, 40);
    let doubled = of_pods(place, 40, delivery(0.5, &hidden[..1])).await;
    assert!(doubled.regions[0].events > plain.regions[0].events);
    assert_eq!((doubled.pods_seen, doubled.unreadable), (40, 0));
    // Nothing tells which records are of one pod, so each counts as a session that holds them.
    let nameless = of_pods(place, 40, delivery(0.0, &hidden)).await;
    assert!(nameless.pods_seen >= 40, "{}", nameless.pods_seen);
    assert!(nameless.holders.iter().all(|it| it.pod.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_records_are_lost_is_not_seen() {
    let lossy = |lost_share| EventDelivery {
        lost_share,
        ..EventDelivery::default()
    };
    let some = of_pods(("eu-west-1", OLD), 40, lossy(0.5)).await;
    assert!((1..40).contains(&some.pods_seen), "{}", some.pods_seen);
    let none = of_pods(("eu-west-1", OLD), 40, lossy(1.0)).await;
    assert_eq!((none.pods_seen, none.unreadable), (0, 0));
}
