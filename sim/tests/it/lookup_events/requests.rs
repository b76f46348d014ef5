//! What a lookup may ask for, its pages, and events that arrive late, twice, never or redacted.

use std::time::Duration;

use aws_sdk_cloudtrail::primitives::DateTime;
use rerole_sim::{EventDelivery, Options, PodFleet};
use tokio::time::sleep;

use crate::harness::{NEW, OLD, REGION, at_home, cloudtrail, code_of, in_virtual_time};
use crate::lookup_events::{HOUR, lookup, of_role, record, with_pods};

fn delivered(event_delivery: EventDelivery) -> Options {
    Options {
        event_delivery,
        ..Options::default()
    }
}

#[test]
fn events_arrive_late_twice_or_never() {
    in_virtual_time(async {
        let minutes = Duration::from_mins(5)..=Duration::from_mins(5);
        let late = with_pods(delivered(EventDelivery {
            delay: minutes,
            ..EventDelivery::default()
        }));
        let seen = lookup(&late.aws, of_role(OLD)).await;
        late.aws.restart_pods_of(&late.arn);
        sleep(Duration::from_mins(5)).await;
        assert_eq!(lookup(&late.aws, of_role(OLD)).await, seen);
        sleep(Duration::from_mins(1)).await;
        assert_eq!(lookup(&late.aws, of_role(OLD)).await.len(), seen.len() + 1);

        let twice = with_pods(delivered(EventDelivery {
            duplicated_share: 1.0,
            ..EventDelivery::default()
        }));
        let events = lookup(&twice.aws, of_role(OLD)).await;
        assert_eq!(events[0], events[1]);
        let never = with_pods(delivered(EventDelivery {
            lost_share: 1.0,
            ..EventDelivery::default()
        }));
        assert_eq!(lookup(&never.aws, of_role(OLD)).await, []);
    });
}

#[test]
fn values_can_be_hidden() {
    in_virtual_time(async {
        let hidden = with_pods(delivered(EventDelivery {
            redacted: vec!["/requestParameters/roleArn".to_owned()],
            narrow_spaces: true,
            ..EventDelivery::default()
        }));
        let event = record(&lookup(&hidden.aws, of_role(OLD)).await[0]);
        let role = &event["requestParameters"]["roleArn"];
        assert_eq!(role, "HIDDEN_DUE_TO_SECURITY_REASONS");
        let expiration = event["responseElements"]["credentials"]["expiration"].as_str();
        assert!(expiration.unwrap().contains('\u{202f}'), "{expiration:?}");
    });
}

#[test]
fn ten_thousand_events_have_pages() {
    in_virtual_time(async {
        let aws = at_home();
        for number in 0..5_000 {
            let (cluster, account) = (format!("prod-{}", number / 1_000), format!("sa-{number}"));
            aws.eks(|eks| eks.associate(REGION, &cluster, "ns", &account, OLD));
        }
        aws.run_pods(PodFleet::default());
        sleep(6 * HOUR).await;
        let start = DateTime::from(aws.now() - 6 * HOUR);
        let client = cloudtrail(&aws);
        let lookup = || client.lookup_events().start_time(start);
        let first = lookup()
            .lookup_attributes(of_role(OLD))
            .send()
            .await
            .unwrap();
        let (mut token, mut ids) = (first.next_token, Vec::new());
        while let Some(next) = token {
            sleep(Duration::from_millis(500)).await;
            let page = lookup().next_token(next).send().await.unwrap();
            assert!(page.events().len() <= 50);
            ids.extend(
                page.events()
                    .iter()
                    .map(|it| it.event_id().unwrap().to_owned()),
            );
            token = page.next_token;
        }
        assert!(ids.len() > 9_000, "{}", ids.len());
        let listed = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), listed);
    });
}

#[test]
fn two_lookups_a_second_are_admitted() {
    in_virtual_time(async {
        let client = cloudtrail(&at_home());
        for expected in ["", "", "ThrottlingException"] {
            assert_eq!(code_of(client.lookup_events().send().await), expected);
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(code_of(client.lookup_events().send().await), "");
    });
}

#[test]
fn invalid_lookups_have_codes_of_their_own() {
    in_virtual_time(async {
        let aws = at_home();
        let client = cloudtrail(&aws);
        let lookup = || client.lookup_events();
        let (now, earlier) = (DateTime::from(aws.now()), DateTime::from(aws.now() - HOUR));
        let both = [of_role(OLD), of_role(NEW)];
        let rows = [
            (lookup().max_results(51), "InvalidMaxResultsException"),
            (lookup().next_token("x"), "InvalidNextTokenException"),
            (
                lookup().start_time(now).end_time(earlier),
                "InvalidTimeRangeException",
            ),
            (
                lookup().set_lookup_attributes(Some(both.to_vec())),
                "InvalidLookupAttributesException",
            ),
        ];
        for (lookup, expected) in rows {
            sleep(Duration::from_secs(1)).await;
            assert_eq!(code_of(lookup.send().await), expected);
        }
    });
}
