//! Rotations that take more than one delivery: after a deadline, after a crash, and with changes by
//! other actors in between.

use std::collections::BTreeSet;
use std::time::Duration;

use rerole::rotate::error::RotateError;
use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_core::rotation::{ARRIVALS_SHOWN_AFTER, LEASE};
use rerole_sim::{Fault, Options, RoleState};
use serde_json::json;

use crate::guarantees::{Before, check};
use crate::harness::{
    Harness, INDEX, NEW, OLD, THIRD, is_describe, is_update, lagging, rotation_event,
};
use crate::pace::throttled_harness;

/// How far Describe and List may lag behind EKS.
const LAGS: [Duration; 2] = [Duration::ZERO, Duration::from_secs(3)];

/// Crashes the handler after its `nth` update took effect and before the response arrives.
async fn crash_after_update(harness: &Harness, nth: usize) {
    harness.freeze_after_update(nth);
    harness.deliver_and_crash(&rotation_event()).await;
}

/// Guarantee 5: EKS has refused the first token definitively, so the next slice sends another.
#[tokio::test(start_paused = true)]
async fn the_next_slice_continues_the_tokens_after_a_refusal() {
    let harness = Harness::calm(1);
    harness
        .aws
        .eks(|eks| eks.set_role_state(NEW, RoleState::Missing));
    let timeout = DEADLINE_RESERVE + Duration::from_millis(1_500);
    harness
        .deliver_within(&rotation_event(), timeout)
        .await
        .unwrap_err();
    let refused = harness.updates().len();
    harness
        .aws
        .eks(|eks| eks.set_role_state(NEW, RoleState::Ready));
    harness.finish(&rotation_event()).await;
    let updates = harness.updates();
    let tokens: BTreeSet<_> = updates
        .iter()
        .map(|update| update.call.body["clientRequestToken"].to_string())
        .collect();
    assert!(refused > 0);
    assert_eq!(tokens.len(), refused + 1);
}

#[tokio::test(start_paused = true)]
async fn each_slice_ends_before_its_deadline_and_the_next_one_resumes() {
    let harness = throttled_harness(15.0, 15.0);
    harness.fleet(300);
    let before = Before::of(&harness);
    let timeout = DEADLINE_RESERVE + Duration::from_secs(7);
    let mut pending = vec![];
    for _ in 0..20 {
        let started_at = harness.aws.now();
        let result = harness.deliver_within(&rotation_event(), timeout).await;
        let took = harness.aws.now().duration_since(started_at).unwrap();
        assert!(took < timeout, "the slice took {took:?}");
        assert!(
            harness
                .aws
                .calls()
                .iter()
                .all(|record| record.received_at.is_some()),
            "a call was still in flight"
        );
        check(&harness, &before);
        match result {
            Ok(_) => break,
            Err(RotateError::Incomplete { counts, reason, .. }) => {
                assert_eq!(reason.to_string(), "time is up");
                pending.push(counts.pending);
                assert_eq!(counts.pending, harness.count("r-1", "Pending") as u64);
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(pending.len() >= 3, "{pending:?}");
    assert!(
        pending.is_sorted_by(|a, b| a > b),
        "a slice made no progress: {pending:?}"
    );
    assert_eq!(harness.rotation("r-1")["status"], "Succeeded");
    assert_eq!(harness.rotation("r-1")["fence"], pending.len() + 1);
    assert_eq!(
        harness.accepted_update_count(),
        300,
        "an association was updated twice"
    );
}

#[tokio::test(start_paused = true)]
async fn an_invocation_with_too_little_time_makes_no_call() {
    let harness = Harness::calm(1);
    let error = harness
        .deliver_within(&rotation_event(), Duration::from_secs(10))
        .await
        .unwrap_err();
    assert!(
        matches!(error, RotateError::InsufficientTime { .. }),
        "{error}"
    );
    assert_eq!(harness.aws.calls().len(), 0);
}

/// The crashed owner never saw the response to its last update. The next one infers it.
#[tokio::test(start_paused = true)]
async fn a_crashed_rotation_is_resumed_after_its_lease_expires() {
    for lag in LAGS {
        let harness = Harness::new(lagging(lag));
        harness.fleet(30);
        let before = Before::of(&harness);
        crash_after_update(&harness, 12).await;
        let at_once =
            serde_json::to_value(harness.deliver(&rotation_event()).await.unwrap()).unwrap();
        assert_eq!(
            at_once,
            json!({ "rotationId": "r-1", "alreadyRunning": true })
        );

        tokio::time::sleep(Duration::from_mins(1)).await;
        let summary = harness.finish(&rotation_event()).await;
        assert_eq!(summary["status"], "Succeeded");
        assert_eq!(summary["counts"]["updated"], 30);
        assert_eq!(harness.rotation("r-1")["fence"], 2);
        assert!(
            harness
                .rows("r-1")
                .iter()
                .any(|row| row["inferred"] == true)
        );
        check(&harness, &before);
    }
}

/// The observed version is new, so the token is new, and EKS does not replay its old response.
#[tokio::test(start_paused = true)]
async fn an_association_moved_back_before_the_resume_is_moved_again() {
    for lag in LAGS {
        let harness = Harness::new(lagging(lag));
        harness.fleet(10);
        let before = Before::of(&harness);
        crash_after_update(&harness, 4).await;
        let frozen = harness
            .updates()
            .into_iter()
            .find(|update| update.received_at.is_none() && update.applied_at.is_some());
        let subject = frozen
            .expect("one update took effect without a response")
            .call
            .subject;
        let arn = harness.aws.eks(|eks| {
            eks.associations()
                .map(|a| a.association_arn.clone())
                .find(|arn| arn.ends_with(&subject))
                .unwrap()
        });
        tokio::time::sleep(Duration::from_secs(30)).await;
        harness.set_role(&arn, OLD);
        tokio::time::sleep(Duration::from_secs(30)).await;

        let summary = harness.finish(&rotation_event()).await;
        assert_eq!(summary["counts"]["updated"], 10);
        assert_eq!(harness.role_of(&arn).as_deref(), Some(NEW));
        let updates: Vec<_> = harness
            .updates()
            .into_iter()
            .filter(|update| update.call.subject == subject)
            .collect();
        assert_eq!(updates.len(), 2);
        assert_ne!(updates[0].call.token, updates[1].call.token);
        assert!(!updates[1].replayed);
        assert!(
            harness.row("r-1", &arn).get("inferred").is_none(),
            "the second update had a response"
        );
        check(&harness, &before);
    }
}

#[tokio::test(start_paused = true)]
async fn an_association_moved_elsewhere_before_the_resume_is_drifted() {
    for lag in LAGS {
        let harness = Harness::new(lagging(lag));
        harness.fleet(10);
        crash_after_update(&harness, 4).await;
        let arn = harness
            .rows("r-1")
            .iter()
            .find(|row| row["outcome"] == "Pending")
            .unwrap()["associationArn"]
            .clone();
        let arn = arn.as_str().unwrap();
        harness.set_role(arn, THIRD);
        tokio::time::sleep(Duration::from_mins(1)).await;
        let summary = harness.finish(&rotation_event()).await;
        assert_eq!(summary["counts"]["drifted"], 1);
        assert_eq!(harness.role_of(arn).as_deref(), Some(THIRD));
    }
}

#[tokio::test(start_paused = true)]
async fn index_items_that_another_writer_changes_are_left_alone() {
    let harness = Harness::new(Options::default());
    let (removed, advanced) = (
        harness.associate("removed", OLD),
        harness.associate("advanced", OLD),
    );
    let later = "2026-11-23T22:00:00.000Z";
    let aws = harness.aws.clone();
    let (to_remove, to_advance) = (
        harness.index_item(&removed).unwrap(),
        harness.index_item(&advanced).unwrap(),
    );
    harness.aws.on_call(move |call| {
        if is_describe(call) {
            let key = json!({
                "clusterArn": to_remove["clusterArn"],
                "associationId": to_remove["associationId"],
            });
            aws.delete_item(INDEX, key);
            let mut item = to_advance.clone();
            item["modifiedAt"] = json!(later);
            item["roleArn"] = json!(THIRD);
            aws.put_item(INDEX, item);
        }
        Fault::None
    });
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 2);
    assert!(
        harness.index_item(&removed).is_none(),
        "the rotation created the item again"
    );
    let item = harness.index_item(&advanced).unwrap();
    assert_eq!(
        (&item["modifiedAt"], &item["roleArn"]),
        (&json!(later), &json!(THIRD))
    );
}

/// The rotation counts the association and does not move it a second time.
#[tokio::test(start_paused = true)]
async fn an_association_moved_back_during_the_rotation_keeps_the_old_role_in_use() {
    let harness = Harness::new(Options::default());
    harness.fleet(10);
    let arn = harness.associate("contested", OLD);
    let (aws, target) = (harness.aws.clone(), arn.clone());
    let mut is_moved_back = false;
    harness.aws.on_call(move |call| {
        let now = aws.now();
        // Another actor moves it back once its index item shows the new role, and the index
        // receives the event.
        let is_indexed = aws
            .items(INDEX)
            .iter()
            .any(|item| item["associationArn"] == target.as_str() && item["roleArn"] == NEW);
        if !is_moved_back && is_indexed && is_update(call) {
            is_moved_back = true;
            aws.eks(|eks| eks.set_role(&target, OLD, now));
            aws.index_association(INDEX, &target);
        }
        Fault::None
    });
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 11);
    assert_eq!(summary["counts"]["reverted"], 1);
    assert_eq!(summary["oldRoleInUseUntil"], json!(null));
    assert_eq!(
        summary["reason"],
        "the old role is still in use: 1 moved back by another actor"
    );
    assert_eq!(
        harness.role_of(&arn).as_deref(),
        Some(OLD),
        "the rotation moved it a second time"
    );
}

/// The first slice may have stood still between its `startedAt` and the transaction that opened the
/// rotation, so a later slice does not know for how long the indexer has been able to see it.
#[tokio::test(start_paused = true)]
async fn each_slice_waits_for_the_indexer_before_its_last_sweep() {
    let harness = Harness::calm(5);
    harness.inject(Fault::FreezeBefore, is_describe);
    harness.deliver_and_crash(&rotation_event()).await;
    harness.aws.clear_hook();
    tokio::time::sleep(LEASE).await;
    let resumed_at = harness.aws.now();
    harness.finish(&rotation_event()).await;
    let took = harness.aws.now().duration_since(resumed_at).unwrap();
    assert!(took >= ARRIVALS_SHOWN_AFTER, "it took only {took:?}");
}
