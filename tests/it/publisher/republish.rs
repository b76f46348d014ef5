//! Publishing entries of a timeline again.

use rerole::rotate::error::RotateError;
use serde_json::{Value, json};

use crate::common::environment::LEDGER;
use crate::common::guarantees::events::are_the_timelines;
use crate::common::stream::deliver;
use crate::harness::rotation_event;
use crate::publisher::{publish, stack};

#[tokio::test(start_paused = true)]
async fn entries_are_published_again_and_say_so() {
    let harness = stack(3);
    harness.finish(&rotation_event()).await;
    let mut mapping = publish(&harness).await;
    let before = harness.aws.bus_events();
    let payload = json!({ "republish": { "rotationId": "r-1", "fromSeq": 2 } });
    let response = harness.deliver(&payload).await.unwrap();
    let response = serde_json::to_value(response).unwrap();
    assert_eq!(
        response,
        json!({ "ledgerKey": "r-1", "fromSeq": 2, "toSeq": 3 })
    );
    deliver(&mut mapping, &harness.aws, &harness.publisher()).await;
    are_the_timelines(&harness.aws);
    let events = harness.aws.bus_events();
    let again = &events[before.len()..];
    assert_eq!(again.len(), 2);
    for (event, seq) in again.iter().zip(2..) {
        let earlier = before.iter().find(|event| event.detail["seq"] == seq);
        let mut detail = event.detail.clone();
        let mark = detail.as_object_mut().unwrap().remove("republishedAt");
        assert!(mark.is_some(), "{event:?}");
        assert_eq!(detail, earlier.unwrap().detail);
        assert_eq!(event.time, earlier.unwrap().time);
    }
}

/// Nothing of the record changes but the mark.
#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_not_created() {
    let harness = stack(3);
    harness.finish(&rotation_event()).await;
    let before = harness.aws.items(LEDGER);
    for (key, seq) in [
        ("r-1", 4),
        ("r-2", 1),
        ("rollback/r-1", 1),
        ("stack/state", 1),
    ] {
        let payload = json!({ "republish": { "rotationId": key, "fromSeq": seq } });
        let error = harness.deliver(&payload).await.unwrap_err();
        assert!(matches!(error, RotateError::NoTimeline { .. }), "{error}");
        let problem = error.to_string();
        assert!(
            problem.contains(&format!("{key} has no entry {seq}")),
            "{problem}"
        );
    }
    assert_eq!(harness.aws.items(LEDGER), before);
    let payload = json!({ "republish": { "rotationId": "r-1", "toSeq": 1 } });
    harness.deliver(&payload).await.unwrap();
    let mut after = harness.aws.items(LEDGER);
    let unmark = |item: &mut Value| {
        let is_first = item["entry"] == "timeline#00000001";
        let mark = item.as_object_mut().unwrap().remove("republishedAt");
        assert_eq!(mark.is_some(), is_first, "{item}");
    };
    after.iter_mut().for_each(unmark);
    assert_eq!(after, before);
}
