//! The stream of the ledger: a record of each change, in the order of the commits.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use rerole_sim::{Options, SimulatedAws};
use serde_json::{Value, json};

use crate::harness::{dynamodb, in_virtual_time};

const LEDGER: &str = "ledger";

fn with_stream() -> SimulatedAws {
    let aws = SimulatedAws::new(Options {
        ledger_stream: true,
        ..Options::default()
    });
    aws.create_tables("index", LEDGER);
    aws
}

/// The kind, key and new value of each record.
fn shown(records: &[Value]) -> Vec<Value> {
    let shown = |record: &Value| {
        let change = &record["dynamodb"];
        let (entry, value) = (
            &change["Keys"]["entry"]["S"],
            &change["NewImage"]["value"]["S"],
        );
        json!([record["eventName"], entry, value])
    };
    records.iter().map(shown).collect()
}

#[test]
fn each_change_leaves_a_record_with_the_item_as_it_then_was() {
    in_virtual_time(async {
        let aws = with_stream();
        let client = dynamodb(&aws);
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let put = |entry: &str, value: &str| {
            let put = client
                .put_item()
                .table_name(LEDGER)
                .item("rotationId", text("r"));
            put.item("entry", text(entry))
                .item("value", text(value))
                .send()
        };
        put("a", "1").await.unwrap();
        put("a", "1").await.unwrap();
        put("a", "2").await.unwrap();
        let part = |entry: &str| {
            let put = Put::builder()
                .table_name(LEDGER)
                .item("rotationId", text("r"));
            let put = put.item("entry", text(entry)).item("value", text("3"));
            TransactWriteItem::builder()
                .put(put.build().unwrap())
                .build()
        };
        let parts = [part("b"), part("c")];
        let transaction = client
            .transact_write_items()
            .set_transact_items(Some(parts.into()));
        transaction.send().await.unwrap();
        let delete = client
            .delete_item()
            .table_name(LEDGER)
            .key("rotationId", text("r"));
        delete.key("entry", text("b")).send().await.unwrap();
        let refused = client
            .put_item()
            .table_name(LEDGER)
            .item("rotationId", text("r"));
        let refused = refused.item("entry", text("c")).item("value", text("4"));
        let condition = refused.condition_expression("attribute_not_exists(entry)");
        condition.send().await.unwrap_err();
        let expected = [
            json!(["INSERT", "a", "1"]),
            json!(["MODIFY", "a", "2"]),
            json!(["INSERT", "b", "3"]),
            json!(["INSERT", "c", "3"]),
            json!(["REMOVE", "b", null]),
        ];
        let records = aws.stream_records(LEDGER, None, 100);
        assert_eq!(shown(&records), expected);
        // A reader goes on after the last record that it has read.
        let position = records[1]["dynamodb"]["SequenceNumber"].as_str();
        let next = aws.stream_records(LEDGER, position, 2);
        assert_eq!(shown(&next), expected[2..4]);
        let last = records[4]["dynamodb"]["SequenceNumber"].as_str();
        assert!(aws.stream_records(LEDGER, last, 100).is_empty());
    });
}
