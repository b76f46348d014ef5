//! How the members of a `detail` are read, in requests and in commands.

use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::request::{CLAIM_FORM, Claim, NumericText, Rejection};

/// Deserializes a member that may be absent, but not null.
pub(crate) fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Deserializes the detail. A type error becomes a rejection that names the field.
pub(crate) fn deserialize<T: DeserializeOwned>(detail: &Value) -> Result<T, Rejection> {
    // Serde would also accept an array, with the members in order. No operator means that.
    if !detail.is_object() {
        return Err(Rejection::new("detail", detail, "a JSON object"));
    }
    serde_path_to_error::deserialize(detail).map_err(|error| {
        let path = error.path().to_string();
        let value = error
            .path()
            .iter()
            .try_fold(detail, |value, segment| match segment {
                serde_path_to_error::Segment::Map { key } => value.get(key),
                serde_path_to_error::Segment::Seq { index } => value.get(index),
                _ => None,
            });
        let field = if path == "." {
            "detail".to_owned()
        } else {
            format!("detail.{path}")
        };
        Rejection::new(
            field,
            value.unwrap_or(&Value::Null),
            format!("a valid detail: {}", error.inner()),
        )
    })
}

/// Parses a limit, which has this form.
pub(crate) fn limit<T: FromStr>(
    field: &str,
    text: Option<NumericText>,
    form: &str,
) -> Result<Option<T>, Rejection> {
    let parse = |NumericText(text)| {
        text.parse()
            .map_err(|_| Rejection::new(field, &Value::from(text), form))
    };
    text.map(parse).transpose()
}

/// Parses a claim.
pub(crate) fn claim(field: &str, text: Option<String>) -> Result<Option<Claim>, Rejection> {
    let parse = |text: String| {
        Claim::new(&text).ok_or_else(|| Rejection::new(field, &Value::from(text), CLAIM_FORM))
    };
    text.map(parse).transpose()
}

/// What the JSON Schemas of requests and of commands have in common.
#[cfg(test)]
pub(crate) mod schema {
    use schemars::{JsonSchema, Schema, schema_for};
    use serde_json::{Value, json};

    pub(crate) const CLAIM_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]{1,256}$";

    /// Returns the alternatives of `maxErrors`.
    pub(crate) fn max_errors() -> Value {
        json!([
            { "type": "string", "pattern": r"^((0|[1-9][0-9]{0,6})|(0|[1-9][0-9]?|100)%)$" },
            { "type": "integer", "minimum": 0, "maximum": 9_999_999 },
        ])
    }

    /// Returns the alternatives of `maxConcurrency`.
    pub(crate) fn max_concurrency() -> Value {
        json!([
            { "type": "string", "pattern": r"^([1-9][0-9]?|1[01][0-9]|12[0-8])$" },
            { "type": "integer", "minimum": 1, "maximum": 128 },
        ])
    }

    /// Returns the schema of the type. The default of an optional member is that it is absent, not
    /// null.
    pub(crate) fn of<T: JsonSchema>() -> Schema {
        let mut schema = schema_for!(T);
        let properties = schema.get_mut("properties");
        let properties = properties.and_then(Value::as_object_mut).unwrap();
        for property in properties.values_mut() {
            let property = property.as_object_mut().unwrap();
            if property.get("default").is_some_and(Value::is_null) {
                property.remove("default");
            }
        }
        schema
    }
}
