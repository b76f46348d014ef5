//! What is added to the embedded DynamoDB: index lag, unprocessed entries, conflicts and throttles.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, Put, PutRequest, TransactWriteItem, WriteRequest,
};
use rerole_sim::{Options, SimulatedAws};
use serde_json::{Value, json};

use crate::harness::{NO_LATENCY, code_of, dynamodb, in_virtual_time, text};

type Item = HashMap<String, AttributeValue>;

/// For the time of the lag a query of the index shows deleted items and the old image of changed
/// ones, and does not show new items. The table itself is current.
#[test]
fn an_index_shows_the_table_as_it_was_one_lag_ago() {
    in_virtual_time(async {
        let lag = Duration::from_secs(10);
        let aws = with_tables(Options {
            index_lag: BTreeMap::from([("ByRole".to_owned(), lag)]),
            latency: NO_LATENCY,
            ..Options::default()
        });
        for id in ["moved", "deleted"] {
            let item = json!({
                "clusterArn": "c",
                "associationId": id,
                "associationArn": id,
                "roleArn": "old",
            });
            aws.put_item("Index", item);
        }
        let seeded = by_role(&aws, "old").await;
        assert_eq!(seeded, ["deleted", "moved"], "no lag without the API");
        write_all(&dynamodb(&aws)).await;
        assert_eq!(aws.items("Index").len(), 2, "the table is current");
        let rows = [
            (vec!["deleted", "moved"], vec![]),
            (vec!["put"], vec!["moved"]),
        ];
        for (old, new) in rows {
            assert_eq!(by_role(&aws, "old").await, old);
            assert_eq!(by_role(&aws, "new").await, new);
            tokio::time::advance(lag).await;
        }
    });
}

#[test]
fn an_index_does_not_lag_because_another_does() {
    in_virtual_time(async {
        let lag = Duration::from_secs(10);
        let aws = with_tables(Options {
            index_lag: BTreeMap::from([("ByTargetRole".to_owned(), lag)]),
            ..Options::default()
        });
        let put = dynamodb(&aws).put_item().table_name("Index");
        let put = put.set_item(Some(index_item("put", "old"))).send().await;
        put.expect("a valid put");
        assert_eq!(by_role(&aws, "old").await, ["put"]);
    });
}

/// Moves an item to the role `new`, deletes one, and puts one.
async fn write_all(client: &aws_sdk_dynamodb::Client) {
    let update = client.update_item().table_name("Index");
    let update = update
        .set_key(Some(key("moved")))
        .update_expression("SET roleArn = :r")
        .expression_attribute_values(":r", text("new"));
    update.send().await.expect("a valid update");
    let delete = client.delete_item().table_name("Index");
    let delete = delete.set_key(Some(key("deleted"))).send().await;
    delete.expect("a valid delete");
    let put = client.put_item().table_name("Index");
    let put = put.set_item(Some(index_item("put", "old"))).send().await;
    put.expect("a valid put");
}

#[test]
fn resending_unprocessed_entries_completes_a_batch() {
    in_virtual_time(async {
        let aws = with_tables(Options {
            unprocessed_share: 0.5,
            ..Options::default()
        });
        let client = dynamodb(&aws);
        let put = |n: usize| {
            let item = Some(index_item(&numbered(n), "old"));
            let put = PutRequest::builder().set_item(item).build();
            let put = put.expect("it has an item");
            WriteRequest::builder().put_request(put).build()
        };
        let entries: Vec<WriteRequest> = (0..25).map(put).collect();
        let mut rest = HashMap::from([("Index".to_owned(), entries)]);
        let mut calls = 0;
        while !rest.is_empty() {
            let write = client.batch_write_item().set_request_items(Some(rest));
            let written = write.send().await.expect("a valid batch");
            rest = written.unprocessed_items.unwrap_or_default();
            calls += 1;
        }
        assert!(calls > 1, "about half of each batch is unprocessed");
        assert_eq!(aws.items("Index").len(), 25);

        let keys = (0..25).map(|n| key(&numbered(n))).collect();
        let keys = KeysAndAttributes::builder().set_keys(Some(keys)).build();
        let keys = keys.expect("it has keys");
        let get = client.batch_get_item().request_items("Index", keys);
        let got = get.send().await.expect("a valid batch");
        let read = got.responses().expect("some were read")["Index"].len();
        let unread = &got.unprocessed_keys().expect("some were not")["Index"];
        assert!(!unread.keys().is_empty());
        assert_eq!(read + unread.keys().len(), 25);
    });
}

/// A canceled transaction has a reason for each item, and writes none.
#[test]
fn conflicts_and_throttles_happen_in_their_share() {
    in_virtual_time(async {
        let aws = with_tables(Options {
            transaction_conflict_share: 0.5,
            dynamodb_throttle_share: 0.2,
            ..Options::default()
        });
        let client = dynamodb(&aws);
        let mut codes: HashMap<String, usize> = HashMap::new();
        for n in 0..200 {
            let put = |suffix| {
                let item = index_item(&format!("a-{n}{suffix}"), "old");
                let put = Put::builder().table_name("Index").set_item(Some(item));
                let put = put.build().expect("it has table and item");
                TransactWriteItem::builder().put(put).build()
            };
            let write = client.transact_write_items().transact_items(put("x"));
            let error = write.transact_items(put("y")).send().await.err();
            let code = match &error {
                None => "ok",
                Some(error) => error.code().expect("each error has a code"),
            };
            *codes.entry(code.to_owned()).or_default() += 1;
            if let Some(reasons) = error.and_then(cancellation_reasons) {
                assert_eq!(reasons, ["TransactionConflict", "None"]);
            }
        }
        let count = |code: &str| codes.get(code).copied().unwrap_or_default();
        let throttled = count("ProvisionedThroughputExceededException");
        assert!((20..=60).contains(&throttled), "{codes:?}");
        let canceled = count("TransactionCanceledException");
        assert!((55..=105).contains(&canceled), "{codes:?}");
        let written = aws.items("Index").len();
        assert_eq!(written, count("ok") * 2, "the other calls wrote nothing");
    });
}

fn cancellation_reasons(error: SdkError<TransactWriteItemsError>) -> Option<Vec<String>> {
    let TransactWriteItemsError::TransactionCanceledException(canceled) =
        error.into_service_error()
    else {
        return None;
    };
    let reasons = canceled.cancellation_reasons().iter();
    let codes = reasons.map(|reason| reason.code().unwrap_or_default().to_owned());
    Some(codes.collect())
}

#[test]
fn items_are_plain_json_in_order_of_their_keys() {
    in_virtual_time(async {
        let aws = with_tables(Options::default());
        let mut b = json!({ "rotationId": "b", "entry": "rotation", "n": 2, "list": ["x", true] });
        let a = json!({ "rotationId": "a", "entry": "rotation" });
        b["none"] = Value::Null;
        aws.put_item("Ledger", b.clone());
        aws.put_item("Ledger", a.clone());
        b.as_object_mut().expect("an object").remove("none");
        assert_eq!(aws.items("Ledger"), [a.clone(), b]);
        aws.delete_item("Ledger", a);
        assert_eq!(aws.items("Ledger").len(), 1);
    });
}

#[test]
fn errors_have_the_codes_of_dynamodb() {
    in_virtual_time(async {
        let aws = with_tables(Options::default());
        aws.put_item("Ledger", json!({ "rotationId": "b", "entry": "rotation" }));
        let client = dynamodb(&aws);
        let put = || client.put_item().table_name("Ledger");
        let existing = put()
            .item("rotationId", text("b"))
            .item("entry", text("rotation"))
            .condition_expression("attribute_not_exists(rotationId)");
        let codes = [
            code_of(existing.send().await),
            code_of(client.scan().table_name("absent").send().await),
            code_of(put().item("entry", text("half a key")).send().await),
        ];
        let expected = [
            "ConditionalCheckFailedException",
            "ResourceNotFoundException",
            "ValidationException",
        ];
        assert_eq!(codes, expected);
    });
}

fn with_tables(options: Options) -> SimulatedAws {
    let aws = SimulatedAws::new(options);
    aws.create_tables("Index", "Ledger");
    aws
}

/// The association ids that the index `ByRole` shows for a role.
async fn by_role(aws: &SimulatedAws, role: &str) -> Vec<String> {
    let query = dynamodb(aws)
        .query()
        .table_name("Index")
        .index_name("ByRole")
        .key_condition_expression("roleArn = :r")
        .expression_attribute_values(":r", text(role));
    let page = query.send().await.expect("a valid query");
    let id = |item: &Item| item["associationId"].as_s().ok().cloned();
    page.items().iter().filter_map(id).collect()
}

fn index_item(id: &str, role: &str) -> Item {
    let mut item = key(id);
    item.insert("associationArn".to_owned(), text(id));
    item.insert("roleArn".to_owned(), text(role));
    item
}

fn key(id: &str) -> Item {
    let members = [("clusterArn", text("c")), ("associationId", text(id))];
    members.map(|(name, value)| (name.to_owned(), value)).into()
}

fn numbered(n: usize) -> String {
    format!("a-{n:02}")
}
