//! Which requests ask for the same rotation.

use expect_test::expect;
use serde_json::json;

use super::*;
use crate::request::testing::requested;

fn request(changes: &Value) -> RotationRequest {
    requested(changes).request
}

#[test]
fn limits_and_claims_and_the_order_of_a_list_do_not_make_another_request() {
    let first = request(&json!({ "clusterNames": ["a", "b"] }));
    for same in [
        json!({ "clusterNames": ["b", "a", "b"] }),
        json!({ "clusterNames": ["a", "b"], "maxErrors": 3, "maxConcurrency": "2" }),
        json!({ "clusterNames": ["a", "b"], "requestedBy": "ada", "reason": "CHG-1" }),
    ] {
        assert!(request(&same).has_identity_of(&first), "{same}");
    }
    for other in [
        json!({}),
        json!({ "clusterNames": ["a"] }),
        json!({ "clusterNames": ["a", "b"], "regions": ["*"] }),
        json!({ "clusterNames": ["a", "b"], "serviceAccounts": ["api"] }),
        json!({ "clusterNames": ["a", "b"], "dryRun": true }),
    ] {
        assert!(!request(&other).has_identity_of(&first), "{other}");
    }
}

#[test]
fn a_conflicting_request_is_rejected_with_each_difference_and_both_values() {
    let recorded = request(&json!({ "namespaces": ["pay"], "maxErrors": "0" }));
    let requested = request(&json!({
        "newRoleArn": "arn:aws:iam::111122223333:role/other", "regions": ["us-*"],
        "namespaces": ["pay", "!dev"],
    }));
    let rejection = requested.id_taken(&recorded, Timestamp::from_millis(0));
    expect![[r#"detail.rotationId "r-1" is not allowed; allowed: an ID of its own: rotation r-1 started at 1970-01-01T00:00:00.000Z with another request, in which namespaces is ["!dev","pay"] here and ["pay"] there, and newRoleArn is "arn:aws:iam::111122223333:role/other" here and "arn:aws:iam::111122223333:role/new" there, and regions is ["us-*"] here and (nothing) there"#]]
    .assert_eq(&rejection.to_string());
}

/// Values are shortened where they are shown, after they have been compared.
#[test]
fn a_difference_after_a_long_common_beginning_is_named() {
    let names = |last: &str| {
        let mut names: Vec<String> = (10..60).map(|number| format!("cluster-{number}")).collect();
        names.push(last.to_owned());
        request(&json!({ "clusterNames": names }))
    };
    let rejection = names("x").id_taken(&names("y"), Timestamp::from_millis(0));
    let text = rejection.to_string();
    assert!(
        text.contains("in which clusterNames is [\"cluster-10\","),
        "{text}"
    );
}
