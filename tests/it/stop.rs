//! Rotations that stop early: too many failures, a new role that cannot be used, or a response that
//! contradicts the request.

use std::time::Duration;

use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_sim::{Fault, Options, RoleState};
use serde_json::json;

use crate::guarantees::{Before, check};
use crate::harness::{Harness, NEW, OLD, error, event, in_virtual_time, is_update, rotation_event};
use crate::pace::throttle_updates;

/// Fails the first `failures` updates with an error that is not retryable.
fn fail_updates(harness: &Harness, failures: u32) {
    let not_valid = error((400, "InvalidRequestException"), "not valid");
    let mut updates = 0;
    harness.inject(not_valid, move |call| {
        updates += u32::from(is_update(call));
        is_update(call) && updates <= failures
    });
}

#[test]
fn one_failure_more_than_max_errors_stops_the_rotation() {
    // `maxErrors`, associations, updates that would fail, the status, and how many failed.
    for (max_errors, total, failures, status, failed) in [
        ("0", 20, 1, "Failed", 1),
        ("2", 20, 2, "CompletedWithFailures", 2),
        ("2", 20, 20, "Failed", 3),
        ("10%", 20, 2, "CompletedWithFailures", 2),
        ("10%", 20, 20, "Failed", 3),
        ("0%", 20, 20, "Failed", 1),
        ("100%", 20, 20, "CompletedWithFailures", 20),
    ] {
        in_virtual_time(async {
            let harness = Harness::calm_region(total);
            let before = Before::of(&harness);
            fail_updates(&harness, failures);
            let summary = harness
                .finish(&event(&json!({ "maxErrors": max_errors })))
                .await;
            let case = format!("{max_errors} of {total} with {failures} failures: {summary:#}");
            assert_eq!(summary["status"], status, "{case}");
            assert_eq!(summary["counts"]["failed"], failed, "{case}");
            let settled = [
                &summary["counts"]["failed"],
                &summary["counts"]["updated"],
                &summary["counts"]["notAttempted"],
            ];
            assert_eq!(
                settled
                    .iter()
                    .map(|count| count.as_u64().unwrap())
                    .sum::<u64>(),
                total as u64,
                "{case}"
            );
            assert_eq!(
                summary["counts"]["notAttempted"] == 0,
                status != "Failed",
                "{case}"
            );
            assert_eq!(summary["oldRoleInUseUntil"], json!(null), "{case}");
            check(&harness, &before);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_row_keeps_the_error_and_the_request() {
    let harness = Harness::new(Options::default());
    let arn = harness.associate("api", OLD);
    fail_updates(&harness, 1);
    harness.finish(&rotation_event()).await;
    let row = harness.row("r-1", &arn);
    assert_eq!(
        (&row["errorCode"], &row["errorMessage"]),
        (&json!("InvalidRequestException"), &json!("not valid"))
    );
    assert_eq!(row["observedRoleArn"], OLD);
    assert!(
        row["requestId"].is_string() && row["clientRequestToken"].is_string(),
        "{row:#}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_denied_cluster_fails_and_the_others_move() {
    let harness = Harness::calm(10);
    let denied = harness.associate("api", OLD);
    harness.aws.eks(|eks| eks.deny("edge"));
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "CompletedWithFailures");
    assert_eq!(summary["counts"]["updated"], 10);
    assert_eq!(
        harness.row("r-1", &denied)["errorCode"],
        "AccessDeniedException"
    );
}

/// One association of each region is tried meanwhile, and each time one of another cluster.
#[tokio::test(start_paused = true)]
async fn a_new_role_that_becomes_usable_is_waited_for() {
    for replay_refusals in [false, true] {
        let harness = Harness::new(Options {
            replay_refusals,
            ..Options::default()
        });
        harness.fleet(12);
        let before = Before::of(&harness);
        let ready_at = harness.aws.now() + Duration::from_mins(1);
        harness
            .aws
            .eks(|eks| eks.set_role_state(NEW, RoleState::MissingUntil(ready_at)));
        let summary = harness.finish(&rotation_event()).await;
        assert_eq!(
            summary["status"], "Succeeded",
            "replay_refusals: {replay_refusals}"
        );
        let failed_updates: Vec<_> = harness
            .updates()
            .into_iter()
            .filter(|update| update.status == Some(400))
            .collect();
        assert!(failed_updates.len() > 2);
        for (position, update) in failed_updates.iter().enumerate() {
            let at_once = failed_updates[..position].iter().filter(|earlier| {
                earlier.call.region == update.call.region
                    && earlier.received_at.is_none_or(|at| at > update.sent_at)
            });
            assert_eq!(at_once.count(), 0, "two probes of one region at once");
        }
        check(&harness, &before);
    }
}

/// The rotation waits for two minutes, and tries only one association.
#[test]
fn a_new_role_that_stays_unusable_stops_the_rotation() {
    for (state, message) in [
        (
            RoleState::Missing,
            "Role provided in the request does not exist",
        ),
        (
            RoleState::BadTrust,
            "Trust policy of the role provided is invalid",
        ),
    ] {
        in_virtual_time(async {
            let harness = Harness::calm_region(12);
            let before = Before::of(&harness);
            harness.aws.eks(|eks| eks.set_role_state(NEW, state));
            let started_at = harness.aws.now();
            let summary = harness.finish(&rotation_event()).await;
            let took = harness.aws.now().duration_since(started_at).unwrap();

            assert_eq!(summary["status"], "Failed");
            let reason = summary["reason"].as_str().unwrap();
            assert!(
                reason.contains("the new role cannot be used") && reason.contains(message),
                "{reason}"
            );
            assert_eq!(summary["counts"]["failed"], 1);
            assert_eq!(summary["counts"]["notAttempted"], 11);
            assert!(
                (Duration::from_mins(2)..Duration::from_mins(3)).contains(&took),
                "{took:?}"
            );
            assert_eq!(harness.aws.eks(|eks| eks.association_count_on(OLD)), 12);
            check(&harness, &before);
        });
    }
}

/// The others have been described, and wait for their permits.
#[tokio::test(start_paused = true)]
async fn an_association_that_waits_for_its_permit_is_not_updated_after_a_stop() {
    let harness = Harness::with_settings(Options::default(), &[("RATE_SHARE", "100")]);
    harness.fleet(60);
    let mut admitted = 0;
    let refusal = error((400, "InvalidRequestException"), "refused");
    let mut throttle = throttle_updates(Duration::from_millis(500));
    harness.aws.on_call(move |call| {
        let fault = throttle(call);
        admitted += u32::from(is_update(call) && fault == Fault::None);
        if is_update(call) && fault == Fault::None && admitted > 20 {
            refusal.clone()
        } else {
            fault
        }
    });
    let summary = harness.finish(&event(&json!({ "maxErrors": "0" }))).await;
    assert_eq!(summary["status"], "Failed", "{summary:#}");
    let updates = harness.updates();
    let refused = updates.iter().filter(|call| call.status == Some(400));
    assert_eq!(refused.count(), 1, "an update was sent after the stop");
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_the_new_role_is_counted_over_all_slices() {
    let harness = Harness::calm(6);
    harness
        .aws
        .eks(|eks| eks.set_role_state(NEW, RoleState::Missing));
    let timeout = DEADLINE_RESERVE + Duration::from_secs(50);
    let started_at = harness.aws.now();
    let mut deliveries = 0;
    let response = loop {
        deliveries += 1;
        assert!(deliveries < 10, "the rotation does not finish");
        match harness.deliver_within(&rotation_event(), timeout).await {
            Ok(response) => break serde_json::to_value(response).unwrap(),
            Err(error) => assert!(error.to_string().contains("time is up"), "{error}"),
        }
    };
    assert_eq!(response["status"], "Failed");
    assert!(deliveries > 1, "one slice waited for the whole time");
    let took = harness.aws.now().duration_since(started_at).unwrap();
    assert!(took < Duration::from_secs(170), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_contradicts_the_request_stops_the_rotation() {
    let harness = Harness::calm_region(5);
    let aws = harness.aws.clone();
    harness.aws.on_call(move |call| {
        if is_update(call) {
            // Another actor sets a target role just before the update takes effect.
            let arns: Vec<String> = aws.eks(|eks| {
                let is_updated = |arn: &&str| {
                    call.subject
                        .ends_with(arn.rsplit('/').next().unwrap_or_default())
                };
                eks.associations()
                    .map(|a| a.association_arn.as_str())
                    .filter(is_updated)
                    .map(str::to_owned)
                    .collect()
            });
            aws.eks(|eks| {
                for arn in &arns {
                    eks.set_target_role(arn, Some("arn:aws:iam::999900001111:role/t"));
                }
            });
        }
        Fault::None
    });
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "Failed");
    assert!(
        summary["reason"]
            .as_str()
            .unwrap()
            .contains("changes targetRoleArn, externalId"),
        "{summary:#}"
    );
    assert_eq!(summary["counts"]["failed"], 1);
    assert_eq!(summary["counts"]["notAttempted"], 4);
    assert_eq!(harness.updates().len(), 1);
}

/// It is unknown what else the update has changed.
#[tokio::test(start_paused = true)]
async fn a_success_that_cannot_be_parsed_stops_the_rotation() {
    let harness = Harness::calm_region(5);
    let unparsable = Fault::Error {
        status: 200,
        code: String::new(),
        message: "no association in here".to_owned(),
    };
    harness.inject(unparsable, is_update);
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "Failed", "{summary:#}");
    assert_eq!(summary["counts"]["failed"], 1);
    assert_eq!(summary["counts"]["notAttempted"], 4);
    let failed = harness
        .rows("r-1")
        .into_iter()
        .find(|row| row["outcome"] == "Failed")
        .unwrap();
    assert_eq!(failed["errorCode"], "UnexpectedResponse");
    assert_eq!(harness.updates().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_contradiction_survives_a_crash_before_the_stop_is_recorded() {
    let harness = Harness::calm_region(5);
    let mut stop_calls = 0;
    harness.aws.on_call(move |call| {
        let (code, message) = (String::new(), "no association in here".to_owned());
        if is_update(call) {
            return Fault::Error {
                status: 200,
                code,
                message,
            };
        }
        let is_stop = call.operation == "UpdateItem" && call.body.to_string().contains("stopped");
        stop_calls += u32::from(is_stop);
        if is_stop && stop_calls == 1 {
            Fault::FreezeBefore
        } else {
            Fault::None
        }
    });
    let event = rotation_event();
    harness.deliver_and_crash(&event).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let summary = harness.finish(&event).await;
    assert_eq!(summary["status"], "Failed", "{summary:#}");
    assert!(
        summary["reason"]
            .as_str()
            .unwrap()
            .contains("contradicts the request"),
        "{summary:#}"
    );
    assert_eq!(harness.updates().len(), 1);
}

/// A crash may leave an update whose response was not seen. The slice that records the stop
/// describes such an association first.
#[tokio::test(start_paused = true)]
async fn an_association_that_moved_is_never_recorded_as_not_attempted() {
    let harness = Harness::calm(9);
    let before = Before::of(&harness);
    // The second and third updates fail. The fourth takes effect, and its sender crashes.
    let mut updates = 0;
    harness.aws.on_call(move |call| {
        if !is_update(call) {
            return Fault::None;
        }
        updates += 1;
        match updates {
            2 | 3 => Fault::Error {
                status: 400,
                code: "InvalidRequestException".into(),
                message: "no".into(),
            },
            4 => Fault::FreezeAfter,
            _ => Fault::None,
        }
    });
    let strict = event(&json!({ "maxErrors": "1" }));
    harness.deliver_and_crash(&strict).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let summary = harness.finish(&strict).await;
    let on_new = harness.aws.eks(|eks| eks.association_count_on(NEW));
    assert_eq!(summary["counts"]["updated"], on_new, "{summary:#}");
    check(&harness, &before);
}
