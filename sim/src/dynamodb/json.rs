//! Plain JSON from and to DynamoDB's typed JSON: `{"n": 1}` and `{"n": {"N": "1"}}`.

use serde_json::{Map, Value, json};

/// A plain object as an item. Null members are left out.
///
/// # Panics
/// If `plain` is not an object.
pub(crate) fn to_item(plain: &Value) -> Value {
    let members = plain.as_object().expect("an item is a JSON object");
    let present = members.iter().filter(|(_, value)| !value.is_null());
    Value::Object(
        present
            .map(|(name, value)| (name.clone(), to_attribute(value)))
            .collect(),
    )
}

/// An item as a plain object. Sets become lists; binary values stay base64 text.
pub(crate) fn from_item(item: &Value) -> Value {
    let members = item.as_object().into_iter().flatten();
    let plain = members.map(|(name, attribute)| (name.clone(), from_attribute(attribute)));
    Value::Object(plain.collect())
}

/// These members of an item, as the key of a request.
pub(crate) fn pick(item: &Value, names: &[String]) -> Value {
    let members: Map<String, Value> = names
        .iter()
        .filter_map(|name| Some((name.clone(), item.get(name)?.clone())))
        .collect();
    Value::Object(members)
}

fn to_attribute(plain: &Value) -> Value {
    match plain {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(value) => json!({ "BOOL": value }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(list) => json!({ "L": list.iter().map(to_attribute).collect::<Vec<_>>() }),
        Value::Object(_) => json!({ "M": to_item(plain) }),
    }
}

fn from_attribute(attribute: &Value) -> Value {
    let Some((kind, value)) = attribute
        .as_object()
        .and_then(|members| members.iter().next())
    else {
        return Value::Null;
    };
    let list = || value.as_array().into_iter().flatten();
    match kind.as_str() {
        "N" => from_number(value),
        "NS" => Value::Array(list().map(from_number).collect()),
        "L" => Value::Array(list().map(from_attribute).collect()),
        "M" => from_item(value),
        "NULL" => Value::Null,
        _ => value.clone(),
    }
}

fn from_number(text: &Value) -> Value {
    text.as_str()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{from_item, to_item};

    #[test]
    fn plain_objects_survive_the_round_trip() {
        let plain = json!({
            "s": "x",
            "n": 1.5,
            "i": 7,
            "b": true,
            "l": [1, null, "y"],
            "m": { "k": false },
        });
        assert_eq!(from_item(&to_item(&plain)), plain);
        assert_eq!(
            to_item(&json!({ "a": null, "n": 3 })),
            json!({ "n": { "N": "3" } })
        );
    }
}
