//! Rotations that stop early: too many failures, or a new role that cannot be used.

use std::time::Duration;

use rerole_sim::{Fault, Options, RoleState};
use serde_json::json;

use crate::guarantees::{Before, check};
use crate::world::{NEW, OLD, World, event, in_virtual_time, plain};

/// Refuses the first `failures` updates definitively, whoever sends them.
fn refuse_updates(world: &World, mut failures: u32) {
    world.aws.on_call(move |call| {
        if call.operation != "UpdatePodIdentityAssociation" || failures == 0 {
            return Fault::None;
        }
        failures -= 1;
        let (code, message) = ("InvalidRequestException".to_owned(), "not today".to_owned());
        Fault::Error { status: 400, code, message }
    });
}

/// Shows that one failure more than allowed stops the rotation, as a count and as a percentage, and that what was not
/// attempted is said to be so.
#[test]
fn one_failure_too_many_stops() {
    // maxErrors, associations, failures, the status, and how many fail.
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
            let world = World::calm(total);
            let before = Before::of(&world);
            refuse_updates(&world, failures);
            let summary = world.finish(&event(&json!({ "maxErrors": max_errors }))).await;
            let case = format!("{max_errors} of {total} with {failures} failures: {summary:#}");
            assert_eq!(summary["status"], status, "{case}");
            assert_eq!(summary["counts"]["failed"], failed, "{case}");
            let settled =
                [&summary["counts"]["failed"], &summary["counts"]["updated"], &summary["counts"]["notAttempted"]];
            assert_eq!(settled.iter().map(|count| count.as_u64().unwrap()).sum::<u64>(), total as u64, "{case}");
            assert_eq!(summary["counts"]["notAttempted"] == 0, status != "Failed", "{case}");
            assert_eq!(summary["oldRoleInUseUntil"], json!(null), "{case}");
            check(&world, &before);
        });
    }
}

/// Shows what a failed row keeps.
#[tokio::test(start_paused = true)]
async fn a_failure_is_kept_with_its_reason() {
    let world = World::new(Options::default());
    let arn = world.associate("api", OLD);
    refuse_updates(&world, 1);
    world.finish(&plain()).await;
    let row = world.row("r-1", &arn);
    assert_eq!((&row["errorCode"], &row["errorMessage"]), (&json!("InvalidRequestException"), &json!("not today")));
    assert_eq!(row["observedRoleArn"], OLD);
    assert!(row["requestId"].is_string() && row["clientRequestToken"].is_string(), "{row:#}");
}

/// Shows that a cluster we may not touch fails alone.
#[tokio::test(start_paused = true)]
async fn a_denied_cluster_fails_and_the_others_move() {
    let world = World::calm(10);
    let denied = world.associate("api", OLD);
    world.aws.eks(|eks| eks.deny("edge"));
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["status"], "CompletedWithFailures");
    assert_eq!(summary["counts"]["updated"], 10);
    assert_eq!(world.row("r-1", &denied)["errorCode"], "AccessDeniedException");
}

/// Shows that a role which becomes usable within two minutes costs nothing but the wait, with one association at risk.
#[tokio::test(start_paused = true)]
async fn a_role_that_becomes_ready_is_waited_for() {
    for replay_refusals in [false, true] {
        let world = World::new(Options { replay_refusals, ..Options::default() });
        world.fleet(12);
        let before = Before::of(&world);
        let ready_at = world.aws.now() + Duration::from_mins(1);
        world.aws.eks(|eks| eks.role_state(NEW, RoleState::MissingUntil(ready_at)));
        let summary = world.finish(&plain()).await;
        assert_eq!(summary["status"], "Succeeded", "replay_refusals: {replay_refusals}");
        let refused: Vec<_> = world.updates().into_iter().filter(|update| update.status == Some(400)).collect();
        assert!(refused.len() > 2);
        assert!(refused.iter().all(|update| update.call.subject == refused[0].call.subject), "one went alone");
        check(&world, &before);
    }
}

/// Shows that a role which never becomes usable stops the rotation after two minutes with one association touched.
#[test]
fn a_role_that_never_becomes_ready_stops_the_rotation() {
    for (state, message) in [
        (RoleState::Missing, "Role provided in the request does not exist"),
        (RoleState::BadTrust, "Trust policy of the role provided is invalid"),
    ] {
        in_virtual_time(async {
            let world = World::calm(12);
            let before = Before::of(&world);
            world.aws.eks(|eks| eks.role_state(NEW, state));
            let began = world.aws.now();
            let summary = world.finish(&plain()).await;
            let took = world.aws.now().duration_since(began).unwrap();

            assert_eq!(summary["status"], "Failed");
            let reason = summary["reason"].as_str().unwrap();
            assert!(reason.contains("the new role cannot be used") && reason.contains(message), "{reason}");
            assert_eq!(summary["counts"]["failed"], 1);
            assert_eq!(summary["counts"]["notAttempted"], 11);
            assert!((Duration::from_mins(2)..Duration::from_mins(3)).contains(&took), "{took:?}");
            assert_eq!(world.aws.eks(|eks| eks.association_count_on(OLD)), 12);
            check(&world, &before);
        });
    }
}

/// Shows that the two minutes are counted over all slices, and that a stopped rotation stays stopped.
#[tokio::test(start_paused = true)]
async fn the_wait_for_the_role_adds_up_over_slices() {
    let world = World::calm(6);
    world.aws.eks(|eks| eks.role_state(NEW, RoleState::Missing));
    let slice = rerole::rotation::DEADLINE_RESERVE + Duration::from_secs(50);
    let began = world.aws.now();
    let mut deliveries = 0;
    let reply = loop {
        deliveries += 1;
        assert!(deliveries < 10, "it comes to an end");
        match world.deliver_within(&plain(), slice).await {
            Ok(reply) => break serde_json::to_value(reply).unwrap(),
            Err(error) => assert!(error.to_string().contains("time is up"), "{error}"),
        }
    };
    assert_eq!(reply["status"], "Failed");
    assert!(deliveries > 1, "a slice is shorter than two minutes");
    assert!(world.aws.now().duration_since(began).unwrap() < Duration::from_secs(170));
}

/// Shows that an answer which contradicts the request stops everything, with the row saying what EKS showed.
#[tokio::test(start_paused = true)]
async fn an_answer_that_contradicts_the_request_stops_the_rotation() {
    let world = World::calm(5);
    let aws = world.aws.clone();
    world.aws.on_call(move |call| {
        if call.operation == "UpdatePodIdentityAssociation" {
            // Somebody sets a target role in the moment of the update.
            let arns: Vec<String> = aws.eks(|eks| {
                let of = |arn: &&str| call.subject.ends_with(arn.rsplit('/').next().unwrap_or_default());
                eks.associations().map(|a| a.association_arn.as_str()).filter(of).map(str::to_owned).collect()
            });
            aws.eks(|eks| {
                for arn in &arns {
                    eks.set_target_role(arn, Some("arn:aws:iam::999900001111:role/t"));
                }
            });
        }
        Fault::None
    });
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["status"], "Failed");
    assert!(summary["reason"].as_str().unwrap().contains("changes targetRoleArn, externalId"), "{summary:#}");
    assert_eq!(summary["counts"]["failed"], 1);
    assert_eq!(summary["counts"]["notAttempted"], 4);
    assert_eq!(world.updates().len(), 1);
}

/// Shows that a "yes" which cannot be read stops everything, too: what else has changed is unknown.
#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_stops_the_rotation() {
    let world = World::calm(5);
    world.aws.on_call(|call| {
        let (code, message) = (String::new(), "no association in here".to_owned());
        let update = call.operation == "UpdatePodIdentityAssociation";
        if update { Fault::Error { status: 200, code, message } } else { Fault::None }
    });
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["status"], "Failed", "{summary:#}");
    assert_eq!(summary["counts"]["failed"], 1);
    assert_eq!(summary["counts"]["notAttempted"], 4);
    let failed = world.rows("r-1").into_iter().find(|row| row["outcome"] == "Failed").unwrap();
    assert_eq!(failed["errorCode"], "UnexpectedAnswer");
    assert_eq!(world.updates().len(), 1);
}

/// Shows that a contradiction is not forgotten by a slice that dies before it can record the stop.
#[tokio::test(start_paused = true)]
async fn a_contradiction_outlives_a_crash() {
    let world = World::calm(5);
    let mut stop_calls = 0;
    world.aws.on_call(move |call| {
        let (code, message) = (String::new(), "no association in here".to_owned());
        if call.operation == "UpdatePodIdentityAssociation" {
            return Fault::Error { status: 200, code, message };
        }
        let stopping = call.operation == "UpdateItem" && call.body.to_string().contains("stopped");
        stop_calls += u32::from(stopping);
        if stopping && stop_calls == 1 { Fault::FreezeBefore } else { Fault::None }
    });
    let event = plain();
    world.deliver_and_die(&event).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let summary = world.finish(&event).await;
    assert_eq!(summary["status"], "Failed", "{summary:#}");
    assert!(summary["reason"].as_str().unwrap().contains("contradicts the request"), "{summary:#}");
    assert_eq!(world.updates().len(), 1);
}

/// Shows that what moved before a stop is recorded as moved even if the stop was decided by a crash's successor: a row
/// that may have been written is looked at before it is called not attempted.
#[tokio::test(start_paused = true)]
async fn nothing_that_moved_is_called_not_attempted() {
    let world = World::calm(9);
    let before = Before::of(&world);
    // The third update fails, the fourth takes effect and its sender dies.
    let mut updates = 0;
    world.aws.on_call(move |call| {
        if call.operation != "UpdatePodIdentityAssociation" {
            return Fault::None;
        }
        updates += 1;
        match updates {
            2 | 3 => Fault::Error { status: 400, code: "InvalidRequestException".into(), message: "no".into() },
            4 => Fault::FreezeAfter,
            _ => Fault::None,
        }
    });
    let strict = event(&json!({ "maxErrors": "1" }));
    world.deliver_and_die(&strict).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let summary = world.finish(&strict).await;
    let on_new = world.aws.eks(|eks| eks.association_count_on(NEW));
    assert_eq!(summary["counts"]["updated"], on_new, "{summary:#}");
    check(&world, &before);
}
