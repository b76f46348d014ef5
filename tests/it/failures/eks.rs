//! Calls to EKS that are throttled or fail, or whose responses are lost.

use std::time::Duration;

use rerole_sim::{Fault, Options, Service, Throttle};

use crate::guarantees::{Before, check};
use crate::harness::{Harness, INDEX, NEW, OLD, in_virtual_time, is_update, rotation_event};

/// With and without an error code in the response.
#[test]
fn throttles_delay_a_rotation_and_fail_nothing() {
    for bare_throttle in [false, true] {
        in_virtual_time(async {
            let throttle = Some(Throttle {
                rate_per_sec: 5.0,
                burst: 10.0,
            });
            let harness = Harness::new(Options {
                throttle,
                bare_throttle,
                ..Options::default()
            });
            harness.fleet(100);
            let before = Before::of(&harness);
            let summary = harness.finish(&rotation_event()).await;
            assert_eq!(summary["status"], "Succeeded", "{summary:#}");
            assert_eq!(summary["counts"]["updated"], 100);
            let calls = harness.aws.calls();
            assert!(
                calls.iter().any(|record| record.status == Some(429)),
                "no call was throttled"
            );
            check(&harness, &before);
        });
    }
}

/// Whatever happens to one call, the update takes effect once, and the row says so.
#[test]
fn a_rotation_survives_each_fault_of_a_single_call() {
    for operation in [
        "DescribePodIdentityAssociation",
        "UpdatePodIdentityAssociation",
    ] {
        for fault in [
            Fault::LoseRequest,
            Fault::LoseResponse,
            Fault::Delay(Duration::from_secs(20)),
            Fault::DelayResponse(Duration::from_secs(20)),
            Fault::Throttle,
            Fault::BareThrottle,
            Fault::ServerError(500),
            Fault::ServerError(503),
            Fault::FreezeBefore,
            Fault::FreezeAfter,
        ] {
            in_virtual_time(async {
                let harness = Harness::new(Options::default());
                let arn = harness.associate("api", OLD);
                let before = Before::of(&harness);
                let mut calls = 0;
                harness.inject(fault.clone(), move |call| {
                    calls += u32::from(call.operation == operation);
                    call.operation == operation && calls == 1
                });
                let summary = harness.finish(&rotation_event()).await;
                let case = format!("{operation} {fault:?}");
                assert_eq!(summary["counts"]["updated"], 1, "{case}: {summary:#}");
                assert_eq!(harness.role_of(&arn).as_deref(), Some(NEW));
                assert_eq!(
                    harness.effective_update_count(),
                    1,
                    "{case}: the association was not moved once"
                );
                check(&harness, &before);
            });
        }
    }
}

/// The next Describe shows that the update took effect.
#[tokio::test(start_paused = true)]
async fn an_update_whose_responses_are_all_lost_is_inferred() {
    let harness = Harness::new(Options::default());
    let arn = harness.associate("api", OLD);
    harness.inject(Fault::LoseResponse, is_update);
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 1);
    let row = harness.row("r-1", &arn);
    assert_eq!(row["inferred"], true);
    let token = harness.updates()[0].call.token.clone();
    assert_eq!(row["clientRequestToken"].as_str(), token.as_deref());
}

/// The row stays pending and the invocation fails, while the other associations move.
#[tokio::test(start_paused = true)]
async fn an_error_that_outlasts_its_retries_is_left_to_the_next_delivery() {
    let harness = Harness::calm(20);
    let failing = harness.associate("api", OLD);
    let before = Before::of(&harness);
    harness.inject(Fault::ServerError(503), |call| {
        call.subject.starts_with("edge/")
    });
    let error = harness
        .deliver(&rotation_event())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("1 of 21 associations are pending"),
        "{error}"
    );
    assert!(error.contains("in cluster edge in us-east-1"), "{error}");
    assert_eq!(harness.row("r-1", &failing)["outcome"], "Pending");
    assert_eq!(harness.count("r-1", "Updated"), 20);
    check(&harness, &before);

    harness.aws.clear_hook();
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "Succeeded");
    assert_eq!(summary["counts"]["updated"], 21);
    check(&harness, &before);
}

/// A region out of reach takes a few minutes of a slice and not all of it.
#[tokio::test(start_paused = true)]
async fn a_region_out_of_reach_does_not_block_the_others() {
    let harness = Harness::new(Options::default());
    let fleet = harness.fleet(60);
    let before = Before::of(&harness);
    // This region comes first in the order of the rows.
    harness.inject(Fault::ServerError(503), |call| {
        call.service == Service::Eks && call.region == "eu-west-1"
    });
    let rotating = fleet.rotating.iter();
    let unreachable = rotating.filter(|arn| arn.contains(":eu-west-1:")).count();
    assert!(
        (10..50).contains(&unreachable),
        "each region has some of the associations"
    );
    let error = harness
        .deliver(&rotation_event())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("{unreachable} of 60 associations are pending")),
        "{error}"
    );
    assert_eq!(harness.count("r-1", "Updated"), 60 - unreachable);
    harness.aws.clear_hook();
    assert_eq!(
        harness.finish(&rotation_event()).await["counts"]["updated"],
        60
    );
    check(&harness, &before);
}

/// A wrong endpoint responds with such a 404. It must not make associations look deleted.
#[tokio::test(start_paused = true)]
async fn a_404_without_an_eks_error_code_marks_no_association_deleted() {
    let harness = Harness::calm(3);
    let not_found = Fault::Error {
        status: 404,
        code: String::new(),
        message: "<html>not here</html>".to_owned(),
    };
    harness.inject(not_found, |call| call.service == Service::Eks);
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["deleted"], 0, "{summary:#}");
    assert_eq!(summary["status"], "CompletedWithFailures");
    let items = harness.aws.items(INDEX);
    assert_eq!(
        items.iter().filter(|item| item["roleArn"] == OLD).count(),
        3
    );
}
