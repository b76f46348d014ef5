//! Event patterns, as the rules of EventBridge and the filters of Lambda's mappings have them:
//! equality, `prefix`, `exists`, `anything-but` and `$or`. Other comparisons panic.
//!
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>

use serde_json::Value;

/// Whether an event matches a pattern.
///
/// # Panics
/// If the pattern has a comparison that is not known here.
pub fn matches(pattern: &Value, event: &Value) -> bool {
    matches_value(pattern, Some(event))
}

/// `value` is `None` if the event does not have the member.
fn matches_value(pattern: &Value, value: Option<&Value>) -> bool {
    match pattern {
        Value::Object(members) => members.iter().all(|(name, pattern)| {
            if name == "$or" {
                return list(pattern).iter().any(|one| matches_value(one, value));
            }
            matches_value(pattern, value.and_then(|value| value.get(name)))
        }),
        Value::Array(alternatives) => alternatives.iter().any(|alternative| match value {
            // A list matches if one of its values does.
            Some(Value::Array(values)) => {
                values.iter().any(|value| compare(alternative, Some(value)))
            }
            value => compare(alternative, value),
        }),
        other => panic!("{other} is no pattern"),
    }
}

fn compare(alternative: &Value, value: Option<&Value>) -> bool {
    let Value::Object(comparison) = alternative else {
        return value == Some(alternative);
    };
    let mut comparison = comparison.iter();
    match (comparison.next(), comparison.next()) {
        (Some((name, operand)), None) => match name.as_str() {
            "prefix" => {
                let prefix = operand.as_str();
                let text = value.and_then(Value::as_str);
                text.zip(prefix)
                    .is_some_and(|(text, prefix)| text.starts_with(prefix))
            }
            "exists" => operand.as_bool() == Some(value.is_some()),
            // It only matches a member that exists.
            "anything-but" => value.is_some_and(|value| match operand {
                Value::Array(values) => !values.contains(value),
                one => one != value,
            }),
            other => panic!("the pattern has the unknown comparison {other}"),
        },
        _ => panic!("the pattern has a comparison of unknown form: {alternative}"),
    }
}

fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("the pattern has {value} in place of a list"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::matches;

    #[test]
    fn a_pattern_matches_the_events_that_the_user_guide_says() {
        let event =
            json!({ "source": "aws.eks", "detail": { "name": "prod-1", "tags": ["a", "b"] } });
        for (pattern, expected) in [
            (json!({ "source": ["aws.eks", "aws.ec2"] }), true),
            (json!({ "source": ["aws.ec2"] }), false),
            (
                json!({ "detail": { "name": [{ "prefix": "prod-" }] } }),
                true,
            ),
            (
                json!({ "detail": { "name": [{ "prefix": "test-" }] } }),
                false,
            ),
            (json!({ "detail": { "tags": ["b"] } }), true),
            (json!({ "detail": { "name": [{ "exists": true }] } }), true),
            (
                json!({ "detail": { "name": [{ "exists": false }] } }),
                false,
            ),
            (
                json!({ "detail": { "user": { "arn": [{ "exists": false }] } } }),
                true,
            ),
            (json!({ "detail": { "user": ["jane"] } }), false),
            (
                json!({ "detail": { "name": [{ "anything-but": ["prod-2"] }] } }),
                true,
            ),
            (
                json!({ "detail": { "name": [{ "anything-but": "prod-1" }] } }),
                false,
            ),
            (
                json!({ "detail": { "user": [{ "anything-but": ["jane"] }] } }),
                false,
            ),
            (
                json!({ "$or": [{ "source": ["aws.ec2"] }, { "source": ["aws.eks"] }] }),
                true,
            ),
            (
                json!({ "$or": [{ "source": ["aws.ec2"] }, { "id": ["1"] }] }),
                false,
            ),
        ] {
            assert_eq!(matches(&pattern, &event), expected, "{pattern}");
        }
    }
}
