//! Random events do not make the parser panic.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ARN, CLUSTER_ARN, event};
use crate::indexing::cloudtrail::parse;

/// The members that get random values.
const PATHS: &[&str] = &[
    "id",
    "region",
    "resources",
    "detail",
    "detail.awsRegion",
    "detail.errorCode",
    "detail.eventName",
    "detail.eventTime",
    "detail.recipientAccountId",
    "detail.requestParameters",
    "detail.requestParameters.name",
    "detail.requestParameters.associationId",
    "detail.resources",
    "detail.responseElements",
    "detail.userIdentity",
];

/// Returns JSON whose names and texts are often those that the parser reads.
fn json_value() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("association".to_owned()),
        Just("associationArn".to_owned()),
        Just("associationId".to_owned()),
        Just("ARN".to_owned()),
        Just("name".to_owned()),
        Just("modifiedAt".to_owned()),
        ".*",
    ];
    let text = prop_oneof![
        Just(ARN.to_owned()),
        Just(CLUSTER_ARN.to_owned()),
        Just("DeleteCluster".to_owned()),
        Just("UpdateAddon".to_owned()),
        "[A-Z][a-z]{2} [0-9]{1,2}, [0-9]{4}, [0-9]{1,2}:[0-9]{2}:[0-9]{2} [AP]M",
        "(arn:|aws|:|/|cluster|%[0-9a-f]{0,2}|[a-z0-9-]){0,12}",
        ".*",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_event_makes_the_parser_panic(
        path in prop::sample::select(PATHS),
        value in json_value(),
    ) {
        let _: Result<_, _> = parse(&value, None);
        let _: Result<_, _> = parse(&event(&json!({ path: value })), None);
    }
}
