//! What the template says of the mapping, and what its filters admit.

use rerole_core::publishing::OutgoingEvent;
use serde_json::json;

use crate::common::environment::LEDGER;
use crate::common::stream::{mapping, mapping_with_associations, template};
use crate::common::template::properties;
use crate::harness::rotation_event;
use crate::publisher::stack;

#[test]
fn the_mapping_keeps_the_order_and_loses_nothing() {
    let mapping = template();
    for (name, expected) in [
        ("StartingPosition", json!("TRIM_HORIZON")),
        ("ParallelizationFactor", json!(1)),
        ("BisectBatchOnFunctionError", json!(true)),
        ("FunctionResponseTypes", json!(["ReportBatchItemFailures"])),
        (
            "Stream",
            json!({ "Fn::GetAtt": "RotationLedgerTable.StreamArn" }),
        ),
    ] {
        assert_eq!(mapping[name], expected, "{name}");
    }
    // The stream keeps a record for 24 hours. Before that, the queue must get its position.
    let age_max = mapping["MaximumRecordAgeInSeconds"].as_u64().unwrap();
    assert!((3_600..24 * 3_600).contains(&age_max));
    assert_eq!(
        mapping["DestinationConfig"]["OnFailure"]["Destination"],
        json!({ "Fn::GetAtt": "OnFailureQueue.Arn" })
    );
    let stream = &properties("RotationLedgerTable")["StreamSpecification"];
    assert_eq!(*stream, json!({ "StreamViewType": "NEW_IMAGE" }));
}

/// An invocation may only end because its time is up if EventBridge does not respond.
#[test]
fn a_batch_of_calls_fits_into_an_invocation() {
    let timeout = properties("PublisherFunction")["Timeout"].as_u64().unwrap();
    let records = template()["BatchSize"].as_u64().unwrap();
    // Each is a call if all are about one rotation.
    assert!(records * 6 < timeout);
}

#[tokio::test(start_paused = true)]
async fn the_filters_admit_what_is_published_and_nothing_else() {
    let harness = stack(5);
    harness.set_role(
        &harness.associate("elsewhere", crate::harness::OLD),
        crate::harness::THIRD,
    );
    harness.finish(&rotation_event()).await;
    harness.command("Rollback", json!({ "dryRun": true })).await;
    let resume = json!({ "rotationId": "dry-run/rollback/r-1" });
    harness.deliver(&resume).await.unwrap();
    let (of_rotations, of_both) = (mapping(), mapping_with_associations());
    let mut published = [0, 0];
    for record in harness.aws.stream_records(LEDGER, None, 1_000) {
        let item = serde_json::from_value(record["dynamodb"]["NewImage"].clone()).unwrap();
        let item: serde_json::Value =
            serde_dynamo::from_item::<serde_dynamo::Item, _>(item).unwrap();
        let event = OutgoingEvent::about(item.clone()).unwrap();
        assert_eq!(of_both.admits(&record), event.is_some(), "{item:#}");
        let is_about_rotation = event
            .as_ref()
            .is_some_and(|event| event.detail_type == "Role Rotation Status Changed");
        assert_eq!(of_rotations.admits(&record), is_about_rotation, "{item:#}");
        if event.is_some() {
            published[usize::from(is_about_rotation)] += 1;
        }
    }
    assert_eq!(published, [5, 6]);
}
