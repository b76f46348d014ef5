//! The switches in front of the embedded DynamoDB, through the SDK's own client.

use crate::{dynamodb, in_virtual_time};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, PutRequest, TransactWriteItem, WriteRequest};
use rerole_sim::{Options, SimulatedAws};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn index_item(id: &str, role: &str) -> HashMap<String, AttributeValue> {
    let members = [("clusterArn", "c"), ("associationId", id), ("associationArn", id), ("roleArn", role)];
    members.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect()
}

/// The association ids that `ByRole` shows for a role.
async fn by_role(aws: &SimulatedAws, role: &str) -> Vec<String> {
    let query = dynamodb(aws).query().table_name("Index").index_name("ByRole").key_condition_expression("roleArn = :r");
    let page = query.expression_attribute_values(":r", text(role)).send().await.expect("a valid query");
    let ids = page.items().iter().filter_map(|item| item["associationId"].as_s().ok().cloned());
    ids.collect()
}

/// A query of the index shows the table as it was one lag ago: new items hidden, old images shown, deleted ones still
/// there. The table itself is current.
#[test]
fn the_index_lags_whole() {
    in_virtual_time(async {
        let lag = Duration::from_secs(10);
        let zero = Duration::ZERO..=Duration::ZERO;
        let aws = SimulatedAws::new(Options { index_lag: lag, latency: zero, ..Options::default() });
        aws.create_tables("Index", "Ledger");
        let seeded =
            |id: &str| json!({ "clusterArn": "c", "associationId": id, "associationArn": id, "roleArn": "old" });
        aws.put_item("Index", seeded("moved"));
        aws.put_item("Index", seeded("deleted"));
        assert_eq!(by_role(&aws, "old").await, ["deleted", "moved"], "behind the door there is no lag");
        let client = dynamodb(&aws);
        let key =
            |id: &str| HashMap::from([("clusterArn".to_owned(), text("c")), ("associationId".to_owned(), text(id))]);
        client
            .update_item()
            .table_name("Index")
            .set_key(Some(key("moved")))
            .update_expression("SET roleArn = :r")
            .expression_attribute_values(":r", text("new"))
            .send()
            .await
            .expect("a valid update");
        client.delete_item().table_name("Index").set_key(Some(key("deleted"))).send().await.expect("a valid delete");
        client
            .put_item()
            .table_name("Index")
            .set_item(Some(index_item("put", "old")))
            .send()
            .await
            .expect("a valid put");
        assert_eq!(aws.items("Index").len(), 2, "the table is current");
        for (old, new) in [(vec!["deleted", "moved"], vec![]), (vec!["put"], vec!["moved"])] {
            assert_eq!(by_role(&aws, "old").await, old);
            assert_eq!(by_role(&aws, "new").await, new);
            tokio::time::advance(lag).await;
        }
    });
}

/// Whatever a batch leaves unprocessed comes back, and sending it again finishes the work.
#[test]
fn unprocessed_entries_come_back_until_they_are_done() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options { unprocessed: 0.5, ..Options::default() });
        aws.create_tables("Index", "Ledger");
        let client = dynamodb(&aws);
        let put = |n: usize| {
            let put = PutRequest::builder().set_item(Some(index_item(&format!("a-{n:02}"), "old"))).build();
            WriteRequest::builder().put_request(put.expect("it has an item")).build()
        };
        let mut left = HashMap::from([("Index".to_owned(), (0..25).map(put).collect::<Vec<_>>())]);
        let mut calls = 0;
        while !left.is_empty() {
            let written = client.batch_write_item().set_request_items(Some(left)).send().await.expect("a valid batch");
            left = written.unprocessed_items.unwrap_or_default();
            calls += 1;
        }
        assert!(calls > 1, "half of it should come back");
        assert_eq!(aws.items("Index").len(), 25);
        let key = |n: usize| {
            HashMap::from([
                ("clusterArn".to_owned(), text("c")),
                ("associationId".to_owned(), text(&format!("a-{n:02}"))),
            ])
        };
        let keys = KeysAndAttributes::builder().set_keys(Some((0..25).map(key).collect())).build();
        let got =
            client.batch_get_item().request_items("Index", keys.expect("it has keys")).send().await.expect("valid");
        let read = got.responses().expect("some")["Index"].len();
        let unread = got.unprocessed_keys().expect("some")["Index"].keys().len();
        assert!(unread > 0 && read + unread == 25, "{read} read, {unread} given back");
    });
}

/// A share of transactions is cancelled whole, with a reason for each item; a share of calls is throttled.
#[test]
fn conflicts_and_throttles_happen_in_their_share() {
    in_virtual_time(async {
        let aws =
            SimulatedAws::new(Options { transaction_conflicts: 0.5, dynamodb_throttles: 0.2, ..Options::default() });
        aws.create_tables("Index", "Ledger");
        let client = dynamodb(&aws);
        let mut codes: HashMap<String, usize> = HashMap::new();
        for n in 0..200 {
            let put = |suffix: &str| {
                let item = index_item(&format!("a-{n}{suffix}"), "old");
                let put =
                    Put::builder().table_name("Index").set_item(Some(item)).build().expect("it has table and item");
                TransactWriteItem::builder().put(put).build()
            };
            let result = client.transact_write_items().transact_items(put("x")).transact_items(put("y")).send().await;
            let code = match &result {
                Ok(_) => "ok",
                Err(error) => error.code().expect("each error has a code"),
            };
            *codes.entry(code.to_owned()).or_default() += 1;
            let error = result.err().map(aws_sdk_dynamodb::error::SdkError::into_service_error);
            if let Some(cancelled) = error.as_ref().and_then(|error| match error {
                aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
                    cancelled,
                ) => Some(cancelled),
                _ => None,
            }) {
                let reasons = cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or_default());
                assert_eq!(reasons.collect::<Vec<_>>(), ["TransactionConflict", "None"]);
            }
        }
        let share = |code: &str| codes.get(code).copied().unwrap_or_default();
        assert!((20..=60).contains(&share("ProvisionedThroughputExceededException")), "{codes:?}");
        assert!((55..=105).contains(&share("TransactionCanceledException")), "{codes:?}");
        assert_eq!(aws.items("Index").len(), share("ok") * 2, "cancelled and throttled calls wrote nothing");
    });
}

/// Items behind the door are plain JSON in order of their keys; errors have DynamoDB's codes.
#[test]
fn items_are_plain_and_errors_are_dynamodbs_own() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default());
        aws.create_tables("Index", "Ledger");
        let b = json!({ "rotationId": "b", "entry": "rotation", "n": 2, "list": ["x", true], "none": Value::Null });
        aws.put_item("Ledger", b);
        aws.put_item("Ledger", json!({ "rotationId": "a", "entry": "rotation" }));
        let items = aws.items("Ledger");
        assert_eq!(items[0]["rotationId"], "a");
        assert_eq!(items[1], json!({ "rotationId": "b", "entry": "rotation", "n": 2, "list": ["x", true] }));
        aws.delete_item("Ledger", json!({ "rotationId": "a", "entry": "rotation" }));
        assert_eq!(aws.items("Ledger").len(), 1);
        let client = dynamodb(&aws);
        let put = client.put_item().table_name("Ledger").item("rotationId", text("b")).item("entry", text("rotation"));
        let put = put.condition_expression("attribute_not_exists(rotationId)").send().await;
        assert_eq!(put.expect_err("it exists").code(), Some("ConditionalCheckFailedException"));
        let scan = client.scan().table_name("absent").send().await;
        assert_eq!(scan.expect_err("no such table").code(), Some("ResourceNotFoundException"));
        let put = client.put_item().table_name("Ledger").item("entry", text("x")).send().await;
        assert_eq!(put.expect_err("half a key").code(), Some("ValidationException"));
    });
}
