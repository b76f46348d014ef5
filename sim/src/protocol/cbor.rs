//! CBOR, in which CloudWatch's newer clients speak.

use ciborium::Value as Cbor;
use serde_json::Value;

use crate::protocol::members::is_time;

/// The tag of a time in seconds since 1970.
const EPOCH_TIME: u64 = 1;

/// The members of a request; null if it has none.
pub(crate) fn decode(body: &[u8]) -> Value {
    ciborium::from_reader(body).unwrap_or(Value::Null)
}

pub(crate) fn encode(body: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&to_cbor(body), &mut bytes).expect("a vector can be written");
    bytes
}

fn to_cbor(value: &Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(flag) => Cbor::Bool(*flag),
        Value::Number(number) => number.as_i64().map_or_else(
            || Cbor::Float(number.as_f64().unwrap_or_default()),
            Cbor::from,
        ),
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Array(entries) => Cbor::Array(entries.iter().map(to_cbor).collect()),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let written = if is_time(name) && value.is_number() {
                    Cbor::Tag(EPOCH_TIME, Box::new(to_cbor(value)))
                } else {
                    to_cbor(value)
                };
                (Cbor::Text(name.clone()), written)
            };
            Cbor::Map(members.iter().map(member).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{decode, encode};

    #[test]
    fn times_are_tagged() {
        let bytes = encode(&json!({ "CreationTime": 1.5 }));
        assert_eq!(bytes[14..18], [0xc1, 0xf9, 0x3e, 0x00]);
        assert_eq!(
            decode(&encode(&json!({ "a": ["x", 7] }))),
            json!({ "a": ["x", 7] })
        );
        assert_eq!(decode(b""), json!(null));
    }
}
