//! Throttles, lost answers, services in trouble: what passes is waited for, and what does not pass is not lost.

use std::time::Duration;

use rerole::record::Reply;
use rerole_sim::{Fault, Options, Service, Throttle};

use crate::guarantees::{Before, check};
use serde_json::json;

use crate::world::{NEW, OLD, World, event, in_virtual_time, plain};

/// Shows that throttling slows a rotation down and fails nothing, with and without an error code in the answer.
#[test]
fn throttles_are_waited_out() {
    for bare_throttle in [false, true] {
        in_virtual_time(async {
            let throttle = Some(Throttle { rate_per_sec: 5.0, burst: 10.0 });
            let world = World::new(Options { throttle, bare_throttle, ..Options::default() });
            world.fleet(100);
            let before = Before::of(&world);
            let summary = world.finish(&plain()).await;
            assert_eq!(summary["status"], "Succeeded", "{summary:#}");
            assert_eq!(summary["counts"]["updated"], 100);
            assert!(world.aws.calls().iter().any(|record| record.status == Some(429)), "it was throttled");
            check(&world, &before);
        });
    }
}

/// Shows that each fault of a single EKS call is survived: the update happens once, and the row says so.
#[test]
fn a_single_fault_of_eks_is_survived() {
    for operation in ["DescribePodIdentityAssociation", "UpdatePodIdentityAssociation"] {
        for fault in [
            Fault::FailBefore,
            Fault::LoseAnswer,
            Fault::Delay(Duration::from_secs(20)),
            Fault::DelayAnswer(Duration::from_secs(20)),
            Fault::Throttle,
            Fault::BareThrottle,
            Fault::ServerError(500),
            Fault::ServerError(503),
            Fault::FreezeBefore,
            Fault::FreezeAfter,
        ] {
            in_virtual_time(async {
                let world = World::new(Options::default());
                let arn = world.associate("api", OLD);
                let before = Before::of(&world);
                let (mut calls, injected) = (0, fault.clone());
                world.aws.on_call(move |call| {
                    calls += u32::from(call.operation == operation);
                    if call.operation == operation && calls == 1 { injected.clone() } else { Fault::None }
                });
                let summary = world.finish(&plain()).await;
                assert_eq!(summary["counts"]["updated"], 1, "{operation} {fault:?}: {summary:#}");
                assert_eq!(world.role_of(&arn).as_deref(), Some(NEW));
                let effects =
                    world.updates().iter().filter(|update| update.applied_at.is_some() && !update.replayed).count();
                assert_eq!(effects, 1, "{operation} {fault:?}: moved once");
                check(&world, &before);
            });
        }
    }
}

/// Shows that an update whose answers are all lost is found to have happened by the next look.
#[tokio::test(start_paused = true)]
async fn a_write_whose_answers_are_all_lost_is_inferred() {
    let world = World::new(Options::default());
    let arn = world.associate("api", OLD);
    world.aws.on_call(
        |call| {
            if call.operation == "UpdatePodIdentityAssociation" { Fault::LoseAnswer } else { Fault::None }
        },
    );
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["updated"], 1);
    let row = world.row("r-1", &arn);
    assert_eq!(row["inferred"], true);
    assert_eq!(row["clientRequestToken"].as_str(), world.updates()[0].call.token.as_deref());
}

/// Shows that trouble which outlasts every retry leaves the row pending and fails the invocation, while the others move;
/// the next delivery finishes the rest.
#[tokio::test(start_paused = true)]
async fn trouble_that_lasts_is_left_to_the_next_delivery() {
    let world = World::calm(20);
    let unlucky = world.associate("api", OLD);
    let before = Before::of(&world);
    world.aws.on_call(|call| if call.subject.starts_with("edge/") { Fault::ServerError(503) } else { Fault::None });
    let error = world.deliver(&plain()).await.unwrap_err().to_string();
    assert!(error.contains("1 of 21 associations are pending"), "{error}");
    assert!(error.contains("in cluster edge in us-east-1"), "{error}");
    assert_eq!(world.row("r-1", &unlucky)["outcome"], "Pending");
    assert_eq!(world.count("r-1", "Updated"), 20);
    check(&world, &before);

    world.aws.clear_hook();
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["status"], "Succeeded");
    assert_eq!(summary["counts"]["updated"], 21);
    check(&world, &before);
}

/// Shows that DynamoDB's own throttles and conflicts are waited out.
#[test]
fn dynamodbs_throttles_and_conflicts_are_waited_out() {
    for seed in 1..=5 {
        in_virtual_time(async {
            let options = Options { seed, dynamodb_throttles: 0.05, transaction_conflicts: 0.3, ..Options::default() };
            let world = World::new(options);
            world.fleet(120);
            let before = Before::of(&world);
            let summary = world.finish(&plain()).await;
            assert_eq!(summary["counts"]["updated"], 120, "seed {seed}: {summary:#}");
            check(&world, &before);
        });
    }
}

/// Shows that a ledger which cannot be written fails the invocation, and that nothing was moved without a record of it
/// being due.
#[tokio::test(start_paused = true)]
async fn a_ledger_out_of_reach_fails_visibly() {
    let world = World::calm(10);
    let before = Before::of(&world);
    world.aws.on_call(|call| {
        if call.service == Service::DynamoDb && call.operation == "UpdateItem" && call.subject.contains("association#")
        {
            Fault::ServerError(500)
        } else {
            Fault::None
        }
    });
    let error = world.deliver(&plain()).await.unwrap_err().to_string();
    assert!(error.contains("settle association"), "{error}");
    assert_eq!(world.count("r-1", "Pending"), 10);

    world.aws.clear_hook();
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["updated"], 10);
    assert!(world.rows("r-1").iter().filter(|row| row["inferred"] == true).count() > 0, "moved before it was recorded");
    check(&world, &before);
}

/// Shows that a rotation which was closed without our knowing stays as it was closed.
#[tokio::test(start_paused = true)]
async fn a_close_whose_answers_are_lost_is_a_close() {
    let world = World::calm(20);
    world.associate("elsewhere", OLD);
    let request = event(&json!({ "clusterNames": ["prod-*"] }));
    world.aws.on_call(|call| {
        let closes = call.operation == "TransactWriteItems" && call.body.to_string().contains("finishedAt");
        if closes { Fault::LoseAnswer } else { Fault::None }
    });
    world.deliver(&request).await.unwrap_err();
    world.aws.clear_hook();
    let closed = world.rotation("r-1");
    assert_eq!((&closed["status"], &closed["counts"]["outOfScope"]), (&json!("Succeeded"), &json!(1)), "{closed:#}");
    assert!(closed.get("idleSince").is_none(), "{closed:#}");
    let summary = world.finish(&request).await;
    assert_eq!(summary["counts"], closed["counts"]);
}

/// Shows that lost answers of DynamoDB, a few that the SDK outlasts or a whole call's worth, lose nothing: whatever took
/// effect unseen is found or repeated, the only delivery is never told that another is at work, and the counts are right.
#[test]
fn lost_answers_of_dynamodb_lose_nothing() {
    const ASSOCIATIONS: usize = 110;
    for (operation, first) in [
        ("GetItem", 0),
        // Opening, the two batches of the plan, closing.
        ("TransactWriteItems", 0),
        ("TransactWriteItems", 1),
        ("TransactWriteItems", 2),
        ("TransactWriteItems", 3),
        ("Query", 0),
        ("Query", 2),
        ("UpdateItem", 0),
        ("UpdateItem", 50),
        ("PutItem", 0),
    ] {
        for lost in [2, 6, 13] {
            in_virtual_time(async {
                let world = World::calm(ASSOCIATIONS);
                let gone = world.associate("gone", OLD);
                world.aws.eks(|eks| eks.delete(&gone));
                let before = Before::of(&world);
                let mut calls = 0;
                world.aws.on_call(move |call| {
                    let counts = call.service == Service::DynamoDb && call.operation == operation;
                    calls += usize::from(counts);
                    if counts && (first + 1..=first + lost).contains(&calls) { Fault::LoseAnswer } else { Fault::None }
                });
                let case = format!("{lost} lost answers to {operation} from number {first}");
                let mut deliveries = 0;
                let summary = loop {
                    deliveries += 1;
                    assert!(deliveries < 5, "{case}: it comes to an end");
                    match world.deliver(&plain()).await {
                        Ok(Reply::Finished(summary)) => break *summary,
                        Ok(other) => panic!("{case}: {other:?}"),
                        Err(_) => tokio::time::sleep(Duration::from_mins(1)).await,
                    }
                };
                assert_eq!(summary.counts.updated, ASSOCIATIONS as u64, "{case}");
                assert_eq!(summary.counts.deleted, 1, "{case}");
                assert_eq!(world.aws.eks(|eks| eks.association_count_on(OLD)), 0, "{case}");
                check(&world, &before);
            });
        }
    }
}

/// Shows that a region out of reach takes a few minutes of a slice and not all of it: the other region moves.
#[tokio::test(start_paused = true)]
async fn a_region_out_of_reach_does_not_hold_up_the_others() {
    let world = World::new(Options::default());
    let fleet = world.fleet(60);
    let before = Before::of(&world);
    // It comes first in the order of the rows.
    world.aws.on_call(|call| {
        if call.service == Service::Eks && call.region == "eu-west-1" { Fault::ServerError(503) } else { Fault::None }
    });
    let here = fleet.rotating.iter().filter(|arn| arn.contains(":eu-west-1:")).count();
    let error = world.deliver(&plain()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("{here} of 60 associations are pending")), "{error}");
    assert_eq!(world.count("r-1", "Updated"), 60 - here);
    assert!((10..50).contains(&here), "there are some in each region");
    world.aws.clear_hook();
    assert_eq!(world.finish(&plain()).await["counts"]["updated"], 60);
    check(&world, &before);
}

/// Shows that a 404 which is not EKS's own, as from a wrong endpoint, makes nobody look deleted.
#[tokio::test(start_paused = true)]
async fn a_plain_404_deletes_nobody() {
    let world = World::calm(3);
    world.aws.on_call(|call| {
        let (code, message) = (String::new(), "<html>not here</html>".to_owned());
        if call.service == Service::Eks { Fault::Error { status: 404, code, message } } else { Fault::None }
    });
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["deleted"], 0, "{summary:#}");
    assert_eq!(summary["status"], "CompletedWithFailures");
    assert_eq!(world.aws.items(crate::world::INDEX).iter().filter(|item| item["roleArn"] == OLD).count(), 3);
}

/// Shows that an index which cannot be written is mended by the sweep.
#[tokio::test(start_paused = true)]
async fn an_index_write_that_fails_is_mended_by_the_sweep() {
    let world = World::new(Options::default());
    let fleet = world.fleet(15);
    let mut failures = 0;
    world.aws.on_call(move |call| {
        if call.operation == "UpdateItem" && call.subject.starts_with(crate::world::INDEX) && failures < 40 {
            failures += 1;
            return Fault::ServerError(500);
        }
        Fault::None
    });
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["updated"], 15);
    for arn in &fleet.rotating {
        assert_eq!(world.index_item(arn).unwrap()["roleArn"], NEW);
    }
}

/// Shows that a run is a function of its seed: the same seed gives the same calls at the same times, faults and all.
#[test]
fn one_seed_one_trace() {
    let trace = |seed| {
        in_virtual_time(async {
            let throttle = Some(Throttle { rate_per_sec: 20.0, burst: 10.0 });
            let world = World::new(Options { seed, throttle, dynamodb_throttles: 0.02, ..Options::default() });
            world.fleet(60);
            world.finish(&plain()).await;
            world.aws.trace_hash()
        })
    };
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}
