//! Leases of rotations: how they are renewed, and what an owner that has lost its lease still does.
//! Each fenced call by itself is in `fence.rs`.

use std::time::{Duration, SystemTime};

use rerole::rotate::response::RotateResponse;
use rerole_sim::{Fault, Options};

use crate::guarantees::{Before, check};
use crate::harness::{
    Harness, LEDGER, TIMEOUT, is_describe, is_lease_write, rotate_handler, rotation_event,
};
use crate::pace::throttled_harness;

#[tokio::test(start_paused = true)]
async fn a_slice_that_cannot_renew_its_lease_stops_before_the_lease_expires() {
    // The calls are so slow that the rotation outlasts its lease.
    let latency = Duration::from_millis(900)..=Duration::from_secs(1);
    let harness = Harness::new(Options {
        latency,
        ..Options::default()
    });
    harness.fleet(400);
    let before = Before::of(&harness);
    let opened_at = harness.aws.now();
    harness.inject(Fault::ServerError(500), is_lease_write);
    let error = harness
        .deliver(&rotation_event())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("the lease was lost"), "{error}");
    for update in harness.updates() {
        let after = update.sent_at.duration_since(opened_at).unwrap();
        assert!(
            after <= Duration::from_secs(7),
            "an update was sent {after:?} after the lease was acquired"
        );
    }
    assert_eq!(
        harness.count("r-1", "Updated"),
        harness.effective_update_count(),
        "an update that EKS confirmed late was not recorded"
    );
    check(&harness, &before);

    harness.aws.clear_hook();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 400);
    check(&harness, &before);
}

/// The lease may become too old while an association waits for the permit of its update. Updates
/// wait while DynamoDB does not answer, and go on when it does.
#[tokio::test(start_paused = true)]
async fn no_update_is_sent_while_the_lease_is_not_renewed() {
    let harness = throttled_harness(4.0, 4.0);
    harness.fleet(100);
    let before = Before::of(&harness);
    let started_at = harness.aws.now();
    let outage = Duration::from_secs(10)..Duration::from_secs(30);
    let is_out = |at: SystemTime| outage.contains(&at.duration_since(started_at).unwrap());
    let (aws, during) = (harness.aws.clone(), outage.clone());
    harness.inject(Fault::ServerError(500), move |call| {
        let since = aws.now().duration_since(started_at).unwrap();
        during.contains(&since) && is_lease_write(call)
    });
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 100);
    assert_eq!(harness.rotation("r-1")["fence"], 1, "it kept its lease");
    let late = started_at + outage.start + Duration::from_secs(7);
    let sent = harness.updates().into_iter().map(|update| update.sent_at);
    let (mut in_outage, mut after) = (0, 0);
    for sent_at in sent {
        in_outage += usize::from(sent_at > late && is_out(sent_at));
        after += usize::from(sent_at > late && !is_out(sent_at));
    }
    assert_eq!(in_outage, 0);
    assert!(after > 0, "the rotation was over too early");
    check(&harness, &before);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_longer_than_its_lease_keeps_the_lease() {
    let harness = throttled_harness(4.0, 8.0);
    harness.fleet(400);
    let second = rotate_handler(&harness.aws);
    let (event, invocation) = (rotation_event(), harness.invocation(TIMEOUT));
    let later = async {
        tokio::time::sleep(Duration::from_secs(90)).await;
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
    assert_eq!(first["counts"]["updated"], 400);
    assert_eq!(harness.rotation("r-1")["fence"], 1);
}

/// The former owner may still record the confirmation. The new owner gets the same result.
#[tokio::test(start_paused = true)]
async fn an_update_confirmed_after_a_takeover_counts_once() {
    let harness = Harness::calm(20);
    let before = Before::of(&harness);
    harness.freeze_after_update(5);
    let event = rotation_event();
    let stale_owner = harness.deliver(&event);
    tokio::pin!(stale_owner);
    harness.freeze_owner(stale_owner.as_mut()).await;
    let second = rotate_handler(&harness.aws);
    let invocation = harness.invocation(TIMEOUT);
    let new_owner = harness.run_rotate(&second, &event, &invocation);
    tokio::pin!(new_owner);
    // Long enough to acquire the lease, too short to move twenty associations.
    tokio::select! {
        response = new_owner.as_mut() => panic!("the new owner finished too early: {response:?}"),
        () = tokio::time::sleep(Duration::from_millis(100)) => {}
    }
    // From here on both run: the stale owner with calls in flight, the new one with the lease.
    let (stale, response) = tokio::join!(stale_owner, new_owner);
    assert!(stale.is_err(), "{stale:?}");
    let response = serde_json::to_value(response.unwrap()).unwrap();
    assert_eq!(response["counts"]["updated"], 20, "{response:#}");
    check(&harness, &before);
}

#[tokio::test(start_paused = true)]
async fn a_stale_owner_changes_neither_eks_nor_the_ledger() {
    let harness = Harness::calm(50);
    let before = Before::of(&harness);
    // These describes of the first owner are delayed until another owner has the lease.
    let mut describes = 0;
    harness.inject(Fault::FreezeBefore, move |call| {
        describes += u32::from(is_describe(call));
        is_describe(call) && (10..20).contains(&describes)
    });
    let event = rotation_event();
    let stale_owner = harness.deliver(&event);
    tokio::pin!(stale_owner);
    harness.freeze_owner(stale_owner.as_mut()).await;
    let second = rotate_handler(&harness.aws);
    let invocation = harness.invocation(TIMEOUT);
    let response = harness
        .run_rotate(&second, &event, &invocation)
        .await
        .unwrap();
    assert!(
        matches!(response, RotateResponse::Finished(_)),
        "{response:?}"
    );
    let ledger = harness.aws.items(LEDGER);
    let updates = harness.updates().len();

    let error = stale_owner.await.unwrap_err().to_string();
    assert!(error.contains("the lease was lost"), "{error}");
    assert_eq!(harness.updates().len(), updates);
    assert_eq!(harness.aws.items(LEDGER), ledger);
    check(&harness, &before);
}
