//! Events that are delivered more than once, ids that are reused, and rotations that share a role.
//! Leases are in `lease.rs`.

use std::time::Duration;

use rerole::lambda::invocation::Invocation;
use rerole::rotate::response::RotateResponse;
use rerole_core::rotation::LEASE;
use rerole_sim::{Fault, Service};
use serde_json::json;

use crate::guarantees::{Before, check};
use crate::harness::{
    Harness, INDEX, LEDGER, NEW, OLD, REQUEST_ID, THIRD, TIMEOUT, event, is_describe,
    rotate_handler, rotation_event,
};

/// Guarantee 4: the same event after the end makes no EKS call and gets the same response.
#[tokio::test(start_paused = true)]
async fn a_finished_rotation_is_not_run_again() {
    let harness = Harness::calm(30);
    let first = harness.finish(&rotation_event()).await;
    let ledger = harness.aws.items(LEDGER);
    harness.aws.clear_calls();
    tokio::time::sleep(Duration::from_hours(20)).await;
    // One association was moved back in the meantime. The delivery writes nothing even then.
    let arn = harness
        .aws
        .eks(|eks| {
            eks.associations()
                .find(|a| a.role_arn == NEW)
                .map(|a| a.association_arn.clone())
        })
        .unwrap();
    harness.set_role(&arn, OLD);
    assert_eq!(harness.finish(&rotation_event()).await, first);
    assert_eq!(harness.call_count(Service::Eks), 0);
    assert_eq!(harness.aws.items(LEDGER), ledger);
}

#[tokio::test(start_paused = true)]
async fn a_concurrent_delivery_responds_already_running() {
    let harness = Harness::calm(100);
    let before = Before::of(&harness);
    let second = rotate_handler(&harness.aws);
    let (event, invocation) = (
        event(&json!({ "maxConcurrency": "8" })),
        harness.invocation(TIMEOUT),
    );
    let later = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        harness
            .run_rotate(&second, &event, &invocation)
            .await
            .unwrap()
    };
    let (first, second) = tokio::join!(harness.finish(&event), later);
    assert!(
        matches!(second, RotateResponse::AlreadyRunning { .. }),
        "{second:?}"
    );
    assert_eq!(first["counts"]["updated"], 100);
    assert_eq!(harness.updates().len(), 100);
    check(&harness, &before);
}

#[tokio::test(start_paused = true)]
async fn exactly_one_of_many_concurrent_deliveries_runs() {
    let harness = Harness::calm(20);
    deliver_at_once(&harness).await;
    assert_eq!(harness.rotation("r-1")["fence"], 1);
}

/// All of them read the same fence of a rotation whose owner died.
#[tokio::test(start_paused = true)]
async fn exactly_one_of_many_concurrent_deliveries_resumes() {
    let harness = Harness::calm(20);
    harness.inject(Fault::FreezeBefore, is_describe);
    harness.deliver_and_crash(&rotation_event()).await;
    harness.aws.clear_hook();
    tokio::time::sleep(LEASE).await;
    deliver_at_once(&harness).await;
    assert_eq!(harness.rotation("r-1")["fence"], 2);
}

/// Delivers the event six times at once, and checks that one of the deliveries did all the work.
async fn deliver_at_once(harness: &Harness) {
    let before = Before::of(harness);
    let handlers: Vec<_> = (0..6).map(|_| rotate_handler(&harness.aws)).collect();
    let event = rotation_event();
    let invocations: Vec<_> = (0..6)
        .map(|number| Invocation {
            request_id: format!("q-{number}"),
            ..harness.invocation(TIMEOUT)
        })
        .collect();
    let deliveries = handlers
        .iter()
        .zip(&invocations)
        .map(|(handler, invocation)| harness.run_rotate(handler, &event, invocation));
    let responses = futures_util::future::join_all(deliveries).await;
    let mut finished = 0;
    for response in responses {
        match response.unwrap() {
            RotateResponse::Finished(_) => finished += 1,
            RotateResponse::AlreadyRunning { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(finished, 1);
    assert_eq!(harness.updates().len(), 20);
    check(harness, &before);
}

#[tokio::test(start_paused = true)]
async fn a_reused_id_with_another_request_is_rejected() {
    let harness = Harness::calm(10);
    harness.finish(&rotation_event()).await;
    let rows = harness.rows("r-1");
    let rotation = harness.rotation("r-1");
    for change in [
        json!({ "newRoleArn": "arn:aws:iam::111122223333:role/platform/other" }),
        json!({ "clusterNames": ["prod-1"] }),
        json!({ "serviceAccounts": ["!batch"] }),
    ] {
        let mut changed = event(&change);
        changed["id"] = json!(format!(
            "event-{}",
            change.as_object().unwrap().keys().next().unwrap()
        ));
        let response = harness.deliver(&changed).await.unwrap();
        let RotateResponse::Rejected {
            event_id, reason, ..
        } = response
        else {
            panic!("{response:?}")
        };
        assert!(
            reason.contains("detail.rotationId \"r-1\"") && reason.contains("(nothing) there")
                || reason.contains(NEW),
            "{reason}"
        );
        assert_eq!(
            harness.rotation(&format!("rejected/{event_id}"))["status"],
            "Rejected"
        );
    }
    assert_eq!(harness.rows("r-1"), rows);
    assert_eq!(harness.rotation("r-1"), rotation);
}

/// EventBridge may deliver an event again for a day, and a team may ask again without the options
/// of the first time.
#[tokio::test(start_paused = true)]
async fn asking_again_with_other_limits_and_claims_changes_nothing() {
    let harness = Harness::calm(10);
    let first = json!({
        "maxErrors": 3, "maxConcurrency": "2", "requestedBy": "ada", "reason": "CHG-1",
    });
    harness.inject(Fault::FreezeBefore, is_describe);
    harness.deliver_and_crash(&event(&first)).await;
    tokio::time::sleep(LEASE).await;
    let summary = harness
        .finish(&event(&json!({ "maxErrors": "0", "requestedBy": "eve" })))
        .await;
    assert_eq!(summary["status"], "Succeeded", "{summary:#}");
    let rotation = harness.rotation("r-1");
    assert_eq!(rotation["request"]["maxErrors"], "3");
    assert_eq!(rotation["request"]["maxConcurrency"], "2");
    assert_eq!(
        rotation["envelope"],
        json!({
            "event": {
                "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "source": "platform.iam",
                "account": "111122223333", "region": "us-east-1",
                "time": "2026-11-23T21:00:00.000Z",
            },
            "requestId": REQUEST_ID, "requestedBy": "ada", "reason": "CHG-1",
        })
    );
    let again = harness.finish(&rotation_event()).await;
    assert_eq!(again, summary);
    assert_eq!(harness.rotation("r-1"), rotation);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing_and_does_not_block_the_real_run() {
    let harness = Harness::calm(30);
    let drifted = harness.associate("drifted", OLD);
    harness.set_role(&drifted, THIRD);
    let deleted = harness.associate("deleted", OLD);
    harness.aws.eks(|eks| eks.delete(&deleted));
    let before = Before::of(&harness);
    let index = harness.aws.items(INDEX);

    let planned = harness.finish(&event(&json!({ "dryRun": true }))).await;
    assert_eq!(planned["status"], "Planned");
    assert_eq!(planned["counts"]["wouldUpdate"], 30);
    assert_eq!(planned["counts"]["drifted"], 1);
    assert_eq!(planned["counts"]["deleted"], 1);
    assert_eq!(planned["oldRoleInUseUntil"], json!(null));
    assert_eq!(harness.updates().len(), 0);
    assert_eq!(
        harness.aws.items(INDEX),
        index,
        "the dry run changed the index"
    );
    assert!(
        harness
            .aws
            .items(LEDGER)
            .iter()
            .all(|item| item["entry"] != "role"),
        "the dry run holds a role"
    );
    assert_eq!(harness.count("dry-run/r-1", "WouldUpdate"), 30);
    check(&harness, &before);

    let again = harness.finish(&event(&json!({ "dryRun": true }))).await;
    assert_eq!(again["counts"], planned["counts"]);
    let produced = format!(
        "this is the result of {}; for a new dry run, use another rotationId",
        planned["finishedAt"].as_str().unwrap()
    );
    assert!(
        again["reason"].as_str().unwrap().ends_with(&produced),
        "{again:#}"
    );

    let moved = harness.finish(&rotation_event()).await;
    assert_eq!(moved["status"], "Succeeded");
    assert_eq!(moved["counts"]["updated"], 30);
    let tokens = |key: &str, outcome: &str| {
        let rows = harness
            .rows(key)
            .into_iter()
            .filter(|row| row["outcome"] == outcome);
        rows.map(|row| row["clientRequestToken"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        tokens("dry-run/r-1", "WouldUpdate"),
        tokens("r-1", "Updated"),
        "the dry run shows the tokens of the real run"
    );
    check(&harness, &before);
}

/// Guarantee 9, for each of the four ways to share a role. A rotation that shares none runs.
#[tokio::test(start_paused = true)]
async fn rotations_that_share_a_role_run_one_after_the_other() {
    let harness = Harness::calm(60);
    let unrelated = harness.associate("unrelated", "arn:aws:iam::111122223333:role/platform/x");
    let rivals: Vec<_> = [(OLD, THIRD), (THIRD, NEW), (THIRD, OLD), (NEW, THIRD)]
        .into_iter()
        .enumerate()
        .map(|(at, (old, new))| {
            event(&json!({
                "rotationId": format!("rival-{at}"),
                "oldRoleArn": old,
                "newRoleArn": new,
            }))
        })
        .collect();
    let other = event(&json!({
        "rotationId": "other",
        "oldRoleArn": "arn:aws:iam::111122223333:role/platform/x",
        "newRoleArn": "arn:aws:iam::111122223333:role/platform/y",
    }));
    let second = rotate_handler(&harness.aws);
    let invocation = harness.invocation(TIMEOUT);
    let later = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        for rival in &rivals {
            let response = harness.run_rotate(&second, rival, &invocation).await;
            let response = serde_json::to_value(response.unwrap()).unwrap();
            assert_eq!(response["status"], "Queued", "{response:#}");
        }
        harness
            .run_rotate(&second, &other, &invocation)
            .await
            .unwrap()
    };
    let event = rotation_event();
    let (first, other) = tokio::join!(harness.finish(&event), later);
    assert_eq!(first["status"], "Succeeded");
    assert!(matches!(other, RotateResponse::Finished(_)), "{other:?}");
    assert_eq!(
        harness.role_of(&unrelated).as_deref(),
        Some("arn:aws:iam::111122223333:role/platform/y")
    );

    // Each of the others starts when the one before it has closed.
    for (at, rival) in rivals.iter().enumerate() {
        let statuses = (0..4).map(|at| harness.rotation(&format!("rival-{at}"))["status"].clone());
        let queued = statuses.filter(|status| status == "Queued").count();
        assert_eq!(queued, 3 - at);
        let summary = harness.finish(rival).await;
        let updated = if at == 3 { 60 } else { 0 };
        assert_eq!(summary["counts"]["updated"], updated, "{summary:#}");
    }
    let reason = harness.rotation("rival-0")["reason"].clone();
    let expected = format!("60 were moved to {NEW} by rotation r-1");
    assert!(reason.as_str().unwrap().contains(&expected), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn rotating_back_and_forth_uses_new_tokens_each_time() {
    let harness = Harness::calm(8);
    for (id, old, new) in [("r-1", OLD, NEW), ("r-2", NEW, OLD), ("r-3", OLD, NEW)] {
        let summary = harness
            .finish(&event(
                &json!({ "rotationId": id, "oldRoleArn": old, "newRoleArn": new }),
            ))
            .await;
        assert_eq!(summary["counts"]["updated"], 8, "{id}");
    }
    let mut tokens: Vec<_> = harness
        .updates()
        .into_iter()
        .filter_map(|update| update.call.token)
        .collect();
    assert_eq!(tokens.len(), 24);
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 24);
    assert!(
        harness.updates().iter().all(|update| !update.replayed),
        "EKS replayed an old response"
    );
}
