//! Reversions while a rotation is in progress or closes, and runs that crash while they record one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_sim::{Fault, Options};
use serde_json::{Value, json};

use crate::cloudtrail::{client, create, on_save, update};
use crate::guarantees::roles_with_associations_are_in_use;
use crate::harness::{Harness, INDEX, LEDGER, OLD, event, is_close, rotation_event};
use crate::races::LEASE_EXPIRY;
use crate::reversions::reversion_rows;

/// An association is created on the old role, and indexed between the last sweep of a rotation of
/// cluster `prod-1` and its close. Returns the summary of the rotation.
async fn arrive_during_the_close(cluster: &str) -> Value {
    let harness = on_save(1);
    arrive_during_the_close_in(&harness, cluster).await
}

/// As [`arrive_during_the_close`], in this stack.
async fn arrive_during_the_close_in(harness: &Harness, cluster: &str) -> Value {
    harness
        .aws
        .eks(|eks| eks.create_cluster("us-east-1", cluster));
    let client = client(harness, "us-east-1");
    create(&client, "prod-1", "known", OLD).await;
    harness.follow(&harness.aws.take_cloudtrail_events()).await;
    create(&client, cluster, "arriving", OLD).await;
    let arriving = harness.aws.take_cloudtrail_events();
    // The indexer processes the event while the transaction that closes the rotation is in flight.
    let is_closing = Arc::new(AtomicBool::new(false));
    let closing = is_closing.clone();
    harness.inject(Fault::Delay(Duration::from_secs(1)), move |call| {
        closing.fetch_or(is_close(call), Ordering::Relaxed);
        is_close(call)
    });
    let request = event(&json!({ "clusterNames": ["prod-1"] }));
    let (first, _) = tokio::join!(harness.deliver(&request), async {
        while !is_closing.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        harness.follow(&arriving).await
    });
    first.unwrap_err();
    harness.aws.clear_hook();
    let summary = harness.finish(&request).await;
    assert_eq!(reversion_rows(harness, "r-1"), Vec::<Value>::new());
    roles_with_associations_are_in_use(harness);
    summary
}

#[tokio::test(start_paused = true)]
async fn an_association_indexed_between_the_last_sweep_and_the_close_is_moved() {
    let summary = arrive_during_the_close("prod-1").await;
    assert_eq!(summary["counts"]["updated"], 2, "{summary:#}");
}

#[tokio::test(start_paused = true)]
async fn an_association_out_of_scope_that_arrives_before_the_close_keeps_the_role_in_use() {
    let summary = arrive_during_the_close("edge").await;
    assert_eq!(summary["counts"]["updated"], 1, "{summary:#}");
    assert_eq!(summary["counts"]["outOfScope"], 1);
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);
}

/// It is a reversion of an earlier rotation, whose scope has it.
#[tokio::test(start_paused = true)]
async fn a_reversion_of_another_rotation_before_the_close_keeps_the_role_in_use() {
    let harness = on_save(1);
    let (edge, earlier) = (
        client(&harness, "us-east-1"),
        json!({ "rotationId": "r-0" }),
    );
    create(&edge, "prod-1", "first", OLD).await;
    harness.follow(&harness.aws.take_cloudtrail_events()).await;
    harness.finish(&event(&earlier)).await;
    let summary = arrive_during_the_close_in(&harness, "edge").await;
    assert_eq!(summary["counts"]["outOfScope"], 1, "{summary:#}");
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);
    // `known` came after the earlier rotation also.
    assert_eq!(reversion_rows(&harness, "r-0").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reversion_during_a_rotation_is_recorded_and_in_its_summary() {
    let harness = Harness::calm(120);
    harness
        .deliver_within(&rotation_event(), DEADLINE_RESERVE + Duration::from_secs(1))
        .await
        .unwrap_err();
    let row = harness
        .rows("r-1")
        .into_iter()
        .find(|row| row["outcome"] == "Updated")
        .unwrap();
    let arn = row["associationArn"].as_str().unwrap();
    let pending = harness
        .rows("r-1")
        .iter()
        .filter(|row| row["outcome"] == "Pending")
        .count();
    assert!(pending > 0);
    tokio::time::sleep(Duration::from_mins(1)).await;
    harness.set_role(arn, OLD);
    harness.reconcile("full").await;
    assert_eq!(
        reversion_rows(&harness, "r-1").len(),
        1,
        "a pending association counts as a reversion"
    );
    assert!(harness.role(OLD).get("inUse").is_some());
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["reverted"], 1, "{summary:#}");
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);
    assert_eq!(summary["counts"]["total"], 120);
}

/// The transaction that closes the rotation fails, and the next one counts the reversion.
#[tokio::test(start_paused = true)]
async fn a_reversion_during_the_close_is_not_lost() {
    let harness = Harness::calm(10);
    let aws = harness.aws.clone();
    let mut closing = 0;
    harness.aws.on_call(move |call| {
        closing += u32::from(is_close(call));
        if is_close(call) && closing == 1 {
            let is_rotation =
                |item: &Value| item["rotationId"] == "r-1" && item["entry"] == "rotation";
            let mut item = aws.items(LEDGER).into_iter().find(is_rotation).unwrap();
            item["reversionCount"] = json!(1);
            aws.put_item(LEDGER, item);
        }
        Fault::None
    });
    harness.deliver(&rotation_event()).await.unwrap_err();
    assert_eq!(harness.rotation("r-1")["status"], "InProgress");
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["reverted"], 1, "{summary:#}");
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_record_and_index_records_nothing_twice() {
    for index in 0..12 {
        let harness = Harness::new(Options::default());
        harness.associate("api", OLD);
        harness.finish(&rotation_event()).await;
        let arn = harness.rows("r-1")[0]["associationArn"]
            .as_str()
            .unwrap()
            .to_owned();
        tokio::time::sleep(Duration::from_hours(1)).await;
        harness.set_role(&arn, OLD);
        harness.aws.clear_calls();
        harness.inject_at(index, &Fault::FreezeAfter);
        tokio::select! {
            biased;
            () = harness.aws.wait_for_frozen_call() => {}
            _ = harness.reconcile("full") => {}
        }
        harness.aws.clear_hook();
        tokio::time::sleep(LEASE_EXPIRY).await;
        harness.reconcile("full").await;
        assert_eq!(reversion_rows(&harness, "r-1").len(), 1, "call {index}");
        assert_eq!(
            harness.rotation("r-1")["counts"]["reverted"],
            1,
            "call {index}"
        );
        assert_eq!(
            harness
                .aws
                .items(INDEX)
                .iter()
                .filter(|item| item["roleArn"] == OLD)
                .count(),
            1,
            "call {index}"
        );
    }
}

/// DynamoDB is slow while the indexer records that an association has come back to the old role,
/// and when it stores it. In between, a rotation opens, looks for associations, and closes.
#[tokio::test(start_paused = true)]
async fn an_association_that_the_index_learns_too_late_is_a_reversion_of_the_rotation_in_between() {
    let harness = on_save(1);
    let client = client(&harness, "us-east-1");
    let id = create(&client, "prod-1", "back", OLD).await;
    harness.follow(&harness.aws.take_cloudtrail_events()).await;
    let earlier = json!({ "rotationId": "r-0", "serviceAccounts": ["back"] });
    harness.finish(&event(&earlier)).await;
    create(&client, "prod-1", "other", OLD).await;
    harness.follow(&harness.aws.take_cloudtrail_events()).await;
    let back = harness.rows("r-0")[0]["associationArn"].clone();
    tokio::time::sleep(Duration::from_mins(1)).await;
    update(&client, "prod-1", &id, OLD).await;

    // So many first attempts at each of these calls get no response.
    let attempts = Arc::new(Mutex::new([(1, 0), (2, 0), (1, 0)]));
    let seen = attempts.clone();
    harness.inject(Fault::FreezeBefore, move |call| {
        let is_row = call.operation == "GetItem" && call.subject.contains("/r-0/association#");
        let is_record =
            call.operation == "TransactWriteItems" && call.body.to_string().contains("revertedArn");
        let is_store = call.operation == "PutItem" && call.subject.starts_with(INDEX);
        let mut attempts = seen.lock().unwrap();
        let calls = [is_row, is_record, is_store].into_iter();
        calls
            .zip(attempts.iter_mut())
            .any(|(is_call, (lost, made))| {
                *made += u32::from(is_call);
                is_call && made <= lost
            })
    });
    let events = harness.aws.take_cloudtrail_events();
    let (failed, summary) = tokio::join!(harness.follow(&events), async {
        // The indexer has read the role, and not stored the association yet.
        while attempts.lock().unwrap()[0].1 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        harness.finish(&rotation_event()).await
    });
    assert_eq!(failed, Vec::<usize>::new());
    let attempts = *attempts.lock().unwrap();
    let mut each = attempts.into_iter();
    assert!(each.all(|(lost, made)| made > lost), "{attempts:?}");
    assert_eq!(summary["counts"]["updated"], 1, "{summary:#}");
    assert_eq!(reversion_rows(&harness, "r-0").len(), 1);
    let reversions = reversion_rows(&harness, "r-1");
    assert_eq!(reversions.len(), 1);
    assert_eq!(reversions[0]["revertedArn"], back);
    roles_with_associations_are_in_use(&harness);
}
