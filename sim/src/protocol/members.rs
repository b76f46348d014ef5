//! What the formats have in common: which members are times, and members that are absent.

use serde_json::Value;

/// Whether a number is a time in seconds since 1970, by the name of its member. JSON has times as
/// numbers; XML and CBOR have formats of their own for them.
pub(crate) fn is_time(member: &str) -> bool {
    ["Time", "Timestamp", "Expiration"]
        .iter()
        .any(|end| member.ends_with(end))
}

/// The value without the members that are null, at any depth.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let present = members.into_iter().filter(|(_, value)| !value.is_null());
            let present = present.map(|(name, value)| (name, without_nulls(value)));
            Value::Object(present.collect())
        }
        Value::Array(entries) => Value::Array(entries.into_iter().map(without_nulls).collect()),
        other => other,
    }
}
