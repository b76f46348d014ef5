//! A ledger or an index that is throttled, out of reach, or whose responses are lost.

use std::time::Duration;

use rerole::rotate::response::RotateResponse;
use rerole_core::rotation::Summary;
use rerole_sim::{Fault, Options, Service};
use serde_json::json;

use crate::guarantees::{Before, check};
use crate::harness::{Harness, INDEX, NEW, OLD, event, in_virtual_time, is_close, rotation_event};

#[test]
fn throttles_and_transaction_conflicts_delay_a_rotation_and_fail_nothing() {
    for seed in 1..=5 {
        in_virtual_time(async {
            let options = Options {
                seed,
                dynamodb_throttle_share: 0.05,
                transaction_conflict_share: 0.3,
                ..Options::default()
            };
            let harness = Harness::new(options);
            harness.fleet(120);
            let before = Before::of(&harness);
            let summary = harness.finish(&rotation_event()).await;
            assert_eq!(
                summary["counts"]["updated"], 120,
                "seed {seed}: {summary:#}"
            );
            check(&harness, &before);
        });
    }
}

/// No association moves unless a pending row announces it, so the next delivery finds every
/// update that the failed one could not record.
#[tokio::test(start_paused = true)]
async fn a_ledger_that_cannot_be_written_fails_the_invocation() {
    let harness = Harness::calm(10);
    let before = Before::of(&harness);
    harness.inject(Fault::ServerError(500), |call| {
        call.operation == "UpdateItem" && call.subject.contains("association#")
    });
    let error = harness
        .deliver(&rotation_event())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("settle association"), "{error}");
    assert_eq!(harness.count("r-1", "Pending"), 10);

    harness.aws.clear_hook();
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 10);
    let rows = harness.rows("r-1");
    assert!(
        rows.iter().any(|row| row["inferred"] == true),
        "no update preceded its record"
    );
    check(&harness, &before);
}

/// A secondary index has no consistent reads. Everything else decides what is written.
#[tokio::test(start_paused = true)]
async fn every_read_that_is_not_of_a_secondary_index_is_consistent() {
    let harness = Harness::calm(10);
    harness.reconcile("full").await;
    harness.finish(&rotation_event()).await;
    for operation in ["GetItem", "Query"] {
        let calls = harness.calls(operation);
        assert!(calls.len() > 5, "{}", calls.len());
        for call in calls {
            let body = &call.call.body;
            let is_consistent = body["ConsistentRead"] == true;
            assert_eq!(is_consistent, body.get("IndexName").is_none(), "{body:#}");
        }
    }
}

/// The invocation does not learn that it closed the rotation. The next one must not reopen it.
#[tokio::test(start_paused = true)]
async fn a_close_whose_responses_are_lost_closes_the_rotation() {
    let harness = Harness::calm(20);
    harness.associate("elsewhere", OLD);
    let request = event(&json!({ "clusterNames": ["prod-*"] }));
    harness.inject(Fault::LoseResponse, is_close);
    harness.deliver(&request).await.unwrap_err();
    harness.aws.clear_hook();
    let closed = harness.rotation("r-1");
    assert_eq!(closed["status"], "Succeeded", "{closed:#}");
    assert_eq!(closed["counts"]["outOfScope"], 1, "{closed:#}");
    assert!(closed.get("idleSince").is_none(), "{closed:#}");
    let summary = harness.finish(&request).await;
    assert_eq!(summary["counts"], closed["counts"]);
}

/// The test loses a few responses, which the SDK's retries outlast, and all responses to a call.
/// The rotation finds or repeats every write whose response was lost, the only delivery never
/// finds the rotation busy, and the counts are right.
#[test]
fn lost_responses_of_dynamodb_lose_nothing() {
    for (operation, first) in [
        ("GetItem", 0),
        // Opens the rotation, writes the two batches of the plan, and closes the rotation.
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
            in_virtual_time(lose_responses(operation, first, lost));
        }
    }
}

/// Runs a rotation in which DynamoDB loses the responses to `lost` calls of `operation`, after the
/// `first` ones.
async fn lose_responses(operation: &'static str, first: usize, lost: usize) {
    const ASSOCIATIONS: usize = 110;
    let harness = Harness::calm(ASSOCIATIONS);
    let deleted = harness.associate("deleted", OLD);
    harness.aws.eks(|eks| eks.delete(&deleted));
    let before = Before::of(&harness);
    let mut calls = 0;
    harness.inject(Fault::LoseResponse, move |call| {
        let counts = call.service == Service::DynamoDb && call.operation == operation;
        calls += usize::from(counts);
        counts && (first + 1..=first + lost).contains(&calls)
    });
    let case = format!("{lost} lost responses to {operation} after the first {first}");
    let summary = finish_within_four_deliveries(&harness, &case).await;
    assert_eq!(summary.counts.updated, ASSOCIATIONS as u64, "{case}");
    assert_eq!(summary.counts.deleted, 1, "{case}");
    assert_eq!(
        harness.aws.eks(|eks| eks.association_count_on(OLD)),
        0,
        "{case}"
    );
    check(&harness, &before);
}

/// Delivers the event again a minute after each failed invocation, as Lambda does.
async fn finish_within_four_deliveries(harness: &Harness, case: &str) -> Summary {
    for _ in 0..4 {
        match harness.deliver(&rotation_event()).await {
            Ok(RotateResponse::Finished(summary)) => return *summary,
            Ok(other) => panic!("{case}: {other:?}"),
            Err(_) => tokio::time::sleep(Duration::from_mins(1)).await,
        }
    }
    panic!("{case}: the rotation is not finished after 4 deliveries");
}

/// The rotation's last sweep repairs the items.
#[tokio::test(start_paused = true)]
async fn the_sweep_repairs_index_items_that_could_not_be_written() {
    let harness = Harness::new(Options::default());
    let fleet = harness.fleet(15);
    let mut writes = 0;
    harness.inject(Fault::ServerError(500), move |call| {
        let is_index_write = call.operation == "UpdateItem" && call.subject.starts_with(INDEX);
        writes += usize::from(is_index_write);
        is_index_write && writes <= 40
    });
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 15);
    for arn in &fleet.rotating {
        assert_eq!(harness.index_item(arn).unwrap()["roleArn"], NEW);
    }
}
