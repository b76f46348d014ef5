//! The forms of times, and the version that a call made.

use serde_json::{Value, json};

use super::change;
use crate::indexing::cloudtrail::time::parse_time;
use crate::timestamp::Timestamp;

#[test]
fn a_time_is_parsed_in_each_of_its_forms() {
    for (value, expected) in [
        (json!(1_795_468_620), Some("2026-11-23T21:17:00.000Z")),
        (json!(1_795_468_620.402), Some("2026-11-23T21:17:00.402Z")),
        (json!("1795468620.402"), Some("2026-11-23T21:17:00.402Z")),
        (
            json!("2026-11-23T21:17:00Z"),
            Some("2026-11-23T21:17:00.000Z"),
        ),
        (
            json!("2026-11-23T22:17:00.402+01:00"),
            Some("2026-11-23T21:17:00.402Z"),
        ),
        (
            json!("Nov 23, 2026, 9:17:00 PM"),
            Some("2026-11-23T21:17:00.000Z"),
        ),
        (
            json!("Nov 23, 2026 9:17:00 PM"),
            Some("2026-11-23T21:17:00.000Z"),
        ),
        // Java 20 and later put a narrow no-break space before PM.
        (
            json!("Nov 23, 2026, 9:17:00\u{202f}PM"),
            Some("2026-11-23T21:17:00.000Z"),
        ),
        (json!("Nov 31, 2026, 9:17:00 PM"), None),
        (json!("yesterday"), None),
        (json!("NaN"), None),
        (json!("inf"), None),
        (json!(-1), None),
        (json!(1e300), None),
        (json!([]), None),
        (json!(null), None),
    ] {
        assert_eq!(
            parse_time(&value).map(|time| time.to_string()).as_deref(),
            expected,
            "{value}"
        );
    }
}

#[test]
fn a_call_is_recognized_by_the_version_that_it_made() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let made = |event_name: &str, modified_at: Value| {
        change(&json!({
            "detail.eventName": event_name,
            "detail.responseElements": { "association": { "modifiedAt": modified_at } },
        }))
    };
    let exact = made("UpdatePodIdentityAssociation", json!(1_795_468_620.402));
    assert!(exact.made(at("2026-11-23T21:17:00.402Z")));
    assert!(!exact.made(at("2026-11-23T21:17:00.403Z")));
    let whole_second = made(
        "CreatePodIdentityAssociation",
        json!("Nov 23, 2026, 9:17:00 PM"),
    );
    assert!(whole_second.made(at("2026-11-23T21:17:00.402Z")));
    assert!(!whole_second.made(at("2026-11-23T21:17:01.000Z")));
    let deletion = made("DeletePodIdentityAssociation", json!(1_795_468_620.402));
    assert!(!deletion.made(at("2026-11-23T21:17:00.402Z")));
    assert!(!change(&json!({})).made(at("2026-11-23T21:17:00.402Z")));
}
