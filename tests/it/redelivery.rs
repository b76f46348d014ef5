//! Events that come twice, at once or later; ids that come back with another request; roles that two rotations share; and
//! leases.

use std::time::Duration;

use rerole::handler::HandlerError;
use rerole::record::Reply;
use rerole_sim::{Fault, Options, Throttle};
use serde_json::json;

use crate::guarantees::{Before, check};
use crate::world::{NEW, OLD, THIRD, World, event, handler, plain};

/// Shows guarantee 4: the event again, after the end, makes no EKS call and brings the same answer.
#[tokio::test(start_paused = true)]
async fn a_finished_rotation_is_not_run_again() {
    let world = World::calm(30);
    let first = world.finish(&plain()).await;
    let ledger = world.aws.items(crate::world::LEDGER);
    world.aws.clear_calls();
    tokio::time::sleep(Duration::from_hours(20)).await;
    // Somebody has moved one back since: still nothing is written.
    let back =
        world.aws.eks(|eks| eks.associations().find(|a| a.role_arn == NEW).map(|a| a.association_arn.clone())).unwrap();
    world.set_role(&back, OLD);
    assert_eq!(world.finish(&plain()).await, first);
    assert_eq!(world.call_count(rerole_sim::Service::Eks), 0);
    assert_eq!(world.aws.items(crate::world::LEDGER), ledger);
}

/// Shows that a second delivery while the first is at work succeeds at once and does nothing.
#[tokio::test(start_paused = true)]
async fn a_delivery_at_the_same_time_says_already_running() {
    let world = World::calm(100);
    let before = Before::of(&world);
    let second = handler(&world.aws, &[]);
    let (event, invocation) = (event(&json!({ "maxConcurrency": "8" })), world.invocation(Duration::from_mins(15)));
    let later = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        second.handle(&event, &invocation).await.unwrap()
    };
    let (first, second) = tokio::join!(world.finish(&event), later);
    assert!(matches!(second, Reply::AlreadyRunning { .. }), "{second:?}");
    assert_eq!(first["counts"]["updated"], 100);
    assert_eq!(world.updates().len(), 100);
    check(&world, &before);
}

/// Shows that of many deliveries in the same instant one works, whichever it is.
#[tokio::test(start_paused = true)]
async fn one_of_many_deliveries_works() {
    let world = World::calm(20);
    let before = Before::of(&world);
    let handlers: Vec<_> = (0..6).map(|_| handler(&world.aws, &[])).collect();
    let (event, invocation) = (plain(), world.invocation(Duration::from_mins(15)));
    let replies =
        futures_util::future::join_all(handlers.iter().map(|handler| handler.handle(&event, &invocation))).await;
    let mut finished = 0;
    for reply in replies {
        match reply.unwrap() {
            Reply::Finished(_) => finished += 1,
            Reply::AlreadyRunning { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(finished, 1);
    assert_eq!(world.updates().len(), 20);
    check(&world, &before);
}

/// Shows that an id which comes back with another request is rejected, and the first rotation stays as it was.
#[tokio::test(start_paused = true)]
async fn a_reused_id_with_another_request_is_rejected() {
    let world = World::calm(10);
    world.finish(&plain()).await;
    let rows = world.rows("r-1");
    let rotation = world.rotation("r-1");
    for change in [
        json!({ "newRoleArn": "arn:aws:iam::111122223333:role/platform/other" }),
        json!({ "clusterNames": ["prod-1"] }),
        json!({ "maxErrors": "5" }),
    ] {
        let mut other = event(&change);
        other["id"] = json!(format!("event-{}", change.as_object().unwrap().keys().next().unwrap()));
        let reply = world.deliver(&other).await.unwrap();
        let Reply::Rejected { event_id, reason, .. } = reply else { panic!("{reply:?}") };
        assert!(reason.contains("detail.rotationId \"r-1\"") && reason.contains(OLD), "{reason}");
        assert_eq!(world.rotation(&format!("rejected/{event_id}"))["status"], "Rejected");
    }
    assert_eq!(world.rows("r-1"), rows);
    assert_eq!(world.rotation("r-1"), rotation);
}

/// Shows that a dry run writes nothing but its own rows, and is not in the way of the real run with the same id.
#[tokio::test(start_paused = true)]
async fn a_dry_run_and_then_the_real_run_with_the_same_id() {
    let world = World::calm(30);
    let drifted = world.associate("drifted", OLD);
    world.set_role(&drifted, THIRD);
    let gone = world.associate("gone", OLD);
    world.aws.eks(|eks| eks.delete(&gone));
    let before = Before::of(&world);
    let index = world.aws.items(crate::world::INDEX);

    let planned = world.finish(&event(&json!({ "dryRun": true }))).await;
    assert_eq!(planned["status"], "Planned");
    assert_eq!(planned["counts"]["wouldUpdate"], 30);
    assert_eq!(planned["counts"]["drifted"], 1);
    assert_eq!(planned["counts"]["deleted"], 1);
    assert_eq!(planned["oldRoleInUseUntil"], json!(null));
    assert_eq!(world.updates().len(), 0);
    assert_eq!(world.aws.items(crate::world::INDEX), index, "the index is as it was");
    assert!(world.aws.items(crate::world::LEDGER).iter().all(|item| item["entry"] != "lock"), "no lock was taken");
    assert_eq!(world.count("dry-run/r-1", "WouldUpdate"), 30);
    check(&world, &before);

    let moved = world.finish(&plain()).await;
    assert_eq!(moved["status"], "Succeeded");
    assert_eq!(moved["counts"]["updated"], 30);
    let tokens = |key: &str, outcome: &str| {
        let rows = world.rows(key).into_iter().filter(|row| row["outcome"] == outcome);
        rows.map(|row| row["clientRequestToken"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tokens("dry-run/r-1", "WouldUpdate"), tokens("r-1", "Updated"), "the dry run told the tokens");
    check(&world, &before);
}

/// Shows guarantee 9: a rotation that shares a role with one at work is told to wait, in each of the four ways to share;
/// one that shares none runs.
#[tokio::test(start_paused = true)]
async fn rotations_that_share_a_role_never_run_at_the_same_time() {
    let world = World::calm(60);
    let unrelated = world.associate("unrelated", "arn:aws:iam::111122223333:role/platform/x");
    let rivals: Vec<_> = [(OLD, THIRD), (THIRD, NEW), (THIRD, OLD), (NEW, THIRD)]
        .into_iter()
        .enumerate()
        .map(|(at, (old, new))| {
            event(&json!({ "rotationId": format!("rival-{at}"), "oldRoleArn": old, "newRoleArn": new }))
        })
        .collect();
    let other = event(&json!({
        "rotationId": "other",
        "oldRoleArn": "arn:aws:iam::111122223333:role/platform/x",
        "newRoleArn": "arn:aws:iam::111122223333:role/platform/y",
    }));
    let second = handler(&world.aws, &[]);
    let invocation = world.invocation(Duration::from_mins(15));
    let later = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        for rival in &rivals {
            let error = second.handle(rival, &invocation).await.unwrap_err();
            assert!(matches!(error, HandlerError::Busy { .. }), "{error}");
            assert!(
                error.to_string().contains("rotation r-1 has arn:aws:iam::111122223333:role/platform/app-202"),
                "{error}"
            );
        }
        second.handle(&other, &invocation).await.unwrap()
    };
    let event = plain();
    let (first, other) = tokio::join!(world.finish(&event), later);
    assert_eq!(first["status"], "Succeeded");
    assert!(matches!(other, Reply::Finished(_)), "{other:?}");
    assert_eq!(world.role_of(&unrelated).as_deref(), Some("arn:aws:iam::111122223333:role/platform/y"));

    // The locks are free now: the way back is open.
    let reply = world.deliver(&rivals[3]).await.unwrap();
    let reply = serde_json::to_value(reply).unwrap();
    assert_eq!(reply["counts"]["updated"], 60, "{reply:#}");
}

/// Shows that A→B→A→B is written each time, with a token of its own each time.
#[tokio::test(start_paused = true)]
async fn there_and_back_and_there_again() {
    let world = World::calm(8);
    for (id, old, new) in [("r-1", OLD, NEW), ("r-2", NEW, OLD), ("r-3", OLD, NEW)] {
        let summary = world.finish(&event(&json!({ "rotationId": id, "oldRoleArn": old, "newRoleArn": new }))).await;
        assert_eq!(summary["counts"]["updated"], 8, "{id}");
    }
    let mut tokens: Vec<_> = world.updates().into_iter().filter_map(|update| update.call.token).collect();
    assert_eq!(tokens.len(), 24);
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 24);
    assert!(world.updates().iter().all(|update| !update.replayed), "EKS never answered from memory");
}

/// Shows that a holder whose lease cannot be renewed stops sending before the lease runs out, and says so.
#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_ends_the_work_in_time() {
    // Slow enough to outlast the lease.
    let latency = Duration::from_millis(900)..=Duration::from_secs(1);
    let world = World::new(Options { latency, ..Options::default() });
    world.fleet(400);
    let before = Before::of(&world);
    let opened_at = world.aws.now();
    world.aws.on_call(|call| {
        let renewal = call.operation == "UpdateItem" && call.subject.ends_with("/r-1/rotation");
        if renewal && call.body.to_string().contains("leaseUntil") { Fault::ServerError(500) } else { Fault::None }
    });
    let error = world.deliver(&plain()).await.unwrap_err().to_string();
    assert!(error.contains("the lease was lost"), "{error}");
    for update in world.updates() {
        let after = update.sent_at.duration_since(opened_at).unwrap();
        assert!(after < Duration::from_secs(41), "an update left {after:?} after a lease of 45 s was taken");
    }
    check(&world, &before);

    world.aws.clear_hook();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["updated"], 400);
    check(&world, &before);
}

/// Shows that a rotation longer than its lease renews it, so that nobody else takes over.
#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_for_as_long_as_it_takes() {
    let throttle = Some(Throttle { rate_per_sec: 4.0, burst: 8.0 });
    let world = World::new(Options { throttle, ..Options::default() });
    world.fleet(400);
    let second = handler(&world.aws, &[]);
    let (event, invocation) = (plain(), world.invocation(Duration::from_mins(15)));
    let later = async {
        tokio::time::sleep(Duration::from_secs(90)).await;
        second.handle(&event, &invocation).await.unwrap()
    };
    let (first, second) = tokio::join!(world.finish(&event), later);
    assert!(matches!(second, Reply::AlreadyRunning { .. }), "{second:?}");
    assert_eq!(first["counts"]["updated"], 400);
    assert_eq!(world.rotation("r-1")["fence"], 1);
}

/// Shows that a holder whose update was answered after it had been succeeded may still say so, and that its successor
/// comes to the same end.
#[tokio::test(start_paused = true)]
async fn a_late_confirmation_counts_once() {
    let world = World::calm(20);
    let before = Before::of(&world);
    let mut updates = 0;
    world.aws.on_call(move |call| {
        updates += u32::from(call.operation == "UpdatePodIdentityAssociation");
        if call.operation == "UpdatePodIdentityAssociation" && updates == 5 { Fault::FreezeAfter } else { Fault::None }
    });
    let event = plain();
    let stale = world.deliver(&event);
    tokio::pin!(stale);
    world.cut_off(stale.as_mut()).await;
    let second = handler(&world.aws, &[]);
    let invocation = world.invocation(Duration::from_mins(15));
    let successor = second.handle(&event, &invocation);
    tokio::pin!(successor);
    // Long enough to take the lease, and not to move twenty associations.
    tokio::select! {
        reply = successor.as_mut() => panic!("the successor was done at once: {reply:?}"),
        () = tokio::time::sleep(Duration::from_millis(100)) => {}
    }
    // Both are awake from here on: the stale one with several calls in flight, the new one with the lease.
    let (stale, reply) = tokio::join!(stale, successor);
    assert!(stale.is_err(), "{stale:?}");
    let reply = serde_json::to_value(reply.unwrap()).unwrap();
    assert_eq!(reply["counts"]["updated"], 20, "{reply:#}");
    check(&world, &before);
}

/// Shows that a holder who was cut off and has been succeeded neither writes to EKS nor turns a settled row back.
#[tokio::test(start_paused = true)]
async fn a_stale_holder_changes_nothing() {
    let world = World::calm(50);
    let before = Before::of(&world);
    // The first holder's tenth call to EKS takes a minute to arrive: by then another has the lease.
    let mut describes = 0;
    world.aws.on_call(move |call| {
        describes += u32::from(call.operation == "DescribePodIdentityAssociation");
        let freeze = call.operation == "DescribePodIdentityAssociation" && (10..20).contains(&describes);
        if freeze { Fault::FreezeBefore } else { Fault::None }
    });
    let event = plain();
    let stale = world.deliver(&event);
    tokio::pin!(stale);
    world.cut_off(stale.as_mut()).await;
    let second = handler(&world.aws, &[]);
    let reply = second.handle(&plain(), &world.invocation(Duration::from_mins(15))).await.unwrap();
    assert!(matches!(reply, Reply::Finished(_)), "{reply:?}");
    let ledger = world.aws.items(crate::world::LEDGER);
    let written = world.updates().len();

    let error = stale.await.unwrap_err().to_string();
    assert!(error.contains("the lease was lost"), "{error}");
    assert_eq!(world.updates().len(), written);
    assert_eq!(world.aws.items(crate::world::LEDGER), ledger);
    check(&world, &before);
}
