//! Rotations that take more than one delivery: the deadline, a crash, and what others do in between.

use std::time::Duration;

use rerole::handler::HandlerError;
use rerole::rotation::DEADLINE_RESERVE;
use rerole_sim::{Fault, Options};
use serde_json::json;

use crate::guarantees::{Before, check};
use crate::world::{INDEX, NEW, OLD, THIRD, World, plain};

/// Lets the handler die when the `nth` update was applied.
async fn die_after_update(world: &World, nth: u32) {
    let mut updates = 0;
    world.aws.on_call(move |call| {
        updates += u32::from(call.operation == "UpdatePodIdentityAssociation");
        if call.operation == "UpdatePodIdentityAssociation" && updates == nth {
            Fault::FreezeAfter
        } else {
            Fault::None
        }
    });
    let event = plain();
    world.deliver_and_die(&event).await;
}

/// Shows that a slice ends before its deadline with nothing in flight, says how much is left, and that the next one
/// carries on from there, until the rotation is at its end.
#[tokio::test(start_paused = true)]
async fn slices_end_before_the_deadline_and_carry_on() {
    let world = World::calm(300);
    let before = Before::of(&world);
    let slice = DEADLINE_RESERVE + Duration::from_millis(1_500);
    let mut left = vec![];
    for _ in 0..20 {
        let began = world.aws.now();
        let result = world.deliver_within(&plain(), slice).await;
        let took = world.aws.now().duration_since(began).unwrap();
        assert!(took < slice, "the slice took {took:?}");
        assert!(world.aws.calls().iter().all(|record| record.answered_at.is_some()), "a call was left in flight");
        check(&world, &before);
        match result {
            Ok(_) => break,
            Err(HandlerError::Unfinished { counts, reason, .. }) => {
                assert_eq!(reason.to_string(), "time is up");
                left.push(counts.pending);
                assert_eq!(counts.pending, world.count("r-1", "Pending") as u64);
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(left.len() >= 3, "{left:?}");
    assert!(left.is_sorted_by(|a, b| a > b), "every slice makes progress: {left:?}");
    assert_eq!(world.rotation("r-1")["status"], "Succeeded");
    assert_eq!(world.rotation("r-1")["fence"], left.len() + 1);
    assert_eq!(world.updates().len(), 300, "nothing was written twice");
}

/// Shows that an invocation with too little time does not begin.
#[tokio::test(start_paused = true)]
async fn too_little_time_is_said_and_nothing_begun() {
    let world = World::calm(1);
    let error = world.deliver_within(&plain(), Duration::from_secs(10)).await.unwrap_err();
    assert!(matches!(error, HandlerError::TooLate { .. }), "{error}");
    assert_eq!(world.aws.calls().len(), 0);
}

/// Shows that a crash during the lease is answered with "already running", and that a minute later the next delivery
/// takes over and infers the update whose answer the dead one never saw.
#[tokio::test(start_paused = true)]
async fn a_crash_is_carried_on_a_minute_later() {
    let world = World::calm(30);
    let before = Before::of(&world);
    die_after_update(&world, 12).await;
    let at_once = serde_json::to_value(world.deliver(&plain()).await.unwrap()).unwrap();
    assert_eq!(at_once, json!({ "rotationId": "r-1", "alreadyRunning": true }));

    tokio::time::sleep(Duration::from_mins(1)).await;
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["status"], "Succeeded");
    assert_eq!(summary["counts"]["updated"], 30);
    assert_eq!(world.rotation("r-1")["fence"], 2);
    assert!(world.rows("r-1").iter().any(|row| row["inferred"] == true));
    check(&world, &before);
}

/// Shows that an association which somebody moved back between crash and resume is moved again: the observed version is
/// new, so that the token is, and EKS does not answer from memory.
#[tokio::test(start_paused = true)]
async fn moved_back_between_crash_and_resume_is_moved_again() {
    let world = World::calm(10);
    let before = Before::of(&world);
    die_after_update(&world, 4).await;
    let frozen = world.updates().into_iter().find(|update| update.answered_at.is_none() && update.applied_at.is_some());
    let subject = frozen.expect("one update was applied and not answered").call.subject;
    let arn = world
        .aws
        .eks(|eks| eks.associations().map(|a| a.association_arn.clone()).find(|arn| arn.ends_with(&subject)).unwrap());
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.set_role(&arn, OLD);
    tokio::time::sleep(Duration::from_secs(30)).await;

    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["updated"], 10);
    assert_eq!(world.role_of(&arn).as_deref(), Some(NEW));
    let of_it: Vec<_> = world.updates().into_iter().filter(|update| update.call.subject == subject).collect();
    assert_eq!(of_it.len(), 2);
    assert_ne!(of_it[0].call.token, of_it[1].call.token);
    assert!(!of_it[1].replayed);
    assert!(world.row("r-1", &arn).get("inferred").is_none(), "this time EKS answered");
    check(&world, &before);
}

/// Shows that a third role set between crash and resume is drift.
#[tokio::test(start_paused = true)]
async fn moved_elsewhere_between_crash_and_resume_is_drift() {
    let world = World::calm(10);
    die_after_update(&world, 4).await;
    let arn = world.rows("r-1").iter().find(|row| row["outcome"] == "Pending").unwrap()["associationArn"].clone();
    let arn = arn.as_str().unwrap();
    world.set_role(arn, THIRD);
    tokio::time::sleep(Duration::from_mins(1)).await;
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["drifted"], 1);
    assert_eq!(world.role_of(arn).as_deref(), Some(THIRD));
}

/// Shows that index items which somebody else removes or advances in mid-flight stay as they left them.
#[tokio::test(start_paused = true)]
async fn index_items_of_others_are_left_to_them() {
    let world = World::new(Options::default());
    let (removed, advanced) = (world.associate("removed", OLD), world.associate("advanced", OLD));
    let later = "2026-11-23T22:00:00.000Z";
    let aws = world.aws.clone();
    let (to_remove, to_advance) = (world.index_item(&removed).unwrap(), world.index_item(&advanced).unwrap());
    world.aws.on_call(move |call| {
        if call.operation == "DescribePodIdentityAssociation" {
            let key = |item: &serde_json::Value| json!({ "clusterArn": item["clusterArn"], "associationId": item["associationId"] });
            aws.delete_item(INDEX, key(&to_remove));
            let mut item = to_advance.clone();
            item["modifiedAt"] = json!(later);
            item["roleArn"] = json!(THIRD);
            aws.put_item(INDEX, item);
        }
        Fault::None
    });
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["updated"], 2);
    assert!(world.index_item(&removed).is_none(), "it is not created again");
    let item = world.index_item(&advanced).unwrap();
    assert_eq!((&item["modifiedAt"], &item["roleArn"]), (&json!(later), &json!(THIRD)));
}

/// Shows that an association moved back to the old role while the rotation still runs is counted and keeps the old role
/// in use, and that it is not moved a second time.
#[tokio::test(start_paused = true)]
async fn moved_back_before_the_end_keeps_the_old_role_in_use() {
    let world = World::new(Options::default());
    world.fleet(10);
    let arn = world.associate("contested", OLD);
    let (aws, target) = (world.aws.clone(), arn.clone());
    let mut done = false;
    world.aws.on_call(move |call| {
        let now = aws.now();
        // Once it is on the new role and its index item has followed, somebody moves it back, and the index hears of it.
        let indexed =
            aws.items(INDEX).iter().any(|item| item["associationArn"] == target.as_str() && item["roleArn"] == NEW);
        if !done && indexed && call.operation == "UpdatePodIdentityAssociation" {
            done = true;
            aws.eks(|eks| eks.set_role(&target, OLD, now));
            aws.index_association(INDEX, &target);
        }
        Fault::None
    });
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["updated"], 11);
    assert_eq!(summary["counts"]["returned"], 1);
    assert_eq!(summary["oldRoleInUseUntil"], json!(null));
    assert_eq!(summary["reason"], "the old role is still in use: 1 moved back by somebody else");
    assert_eq!(world.role_of(&arn).as_deref(), Some(OLD), "nothing is moved against somebody's will");
}
