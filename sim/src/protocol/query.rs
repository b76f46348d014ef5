//! AWS Query: requests are forms with dotted names, responses are XML.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::clock::rfc3339_millis;
use crate::protocol::members::is_time;

/// The members of a form. `Names.member.1=a` is the first entry of the list `Names`.
pub(crate) fn decode(body: &[u8]) -> Value {
    let mut root = Value::Object(Map::new());
    for (name, text) in form_urlencoded::parse(body) {
        let mut at = &mut root;
        for part in name.split('.') {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            at = &mut at[part];
        }
        *at = Value::String(text.into_owned());
    }
    with_lists(root)
}

/// Objects of the form `{"member": {"1": …}}` as lists.
fn with_lists(value: Value) -> Value {
    let Value::Object(mut members) = value else {
        return value;
    };
    if members.len() == 1
        && let Some(Value::Object(entries)) = members.get_mut("member")
    {
        let mut numbered: Vec<(u32, Value)> = entries
            .iter_mut()
            .filter_map(|(number, entry)| Some((number.parse().ok()?, entry.take())))
            .collect();
        numbered.sort_by_key(|(number, _)| *number);
        return Value::Array(numbered.into_iter().map(|(_, it)| with_lists(it)).collect());
    }
    let members = members.into_iter();
    Value::Object(members.map(|(name, it)| (name, with_lists(it))).collect())
}

/// A success of the operation.
pub(crate) fn encode(operation: &str, xmlns: &str, body: &Value, request_id: &str) -> Vec<u8> {
    let mut xml = format!("<{operation}Response xmlns=\"{xmlns}\"><{operation}Result>");
    write_members(&mut xml, body);
    let _ = write!(
        xml,
        "</{operation}Result><ResponseMetadata><RequestId>{request_id}</RequestId>\
         </ResponseMetadata></{operation}Response>"
    );
    xml.into_bytes()
}

/// An error with the code of a client's fault.
pub(crate) fn encode_error(xmlns: &str, code: &str, message: &str, request_id: &str) -> Vec<u8> {
    let xml = format!(
        "<ErrorResponse xmlns=\"{xmlns}\"><Error><Type>Sender</Type><Code>{}</Code>\
         <Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        escaped(code),
        escaped(message)
    );
    xml.into_bytes()
}

fn write_members(xml: &mut String, value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                write_element(xml, name, value);
            }
        }
        Value::Array(entries) => {
            for entry in entries {
                write_element(xml, "member", entry);
            }
        }
        Value::Null => {}
        Value::String(text) => xml.push_str(&escaped(text)),
        Value::Bool(_) | Value::Number(_) => xml.push_str(&value.to_string()),
    }
}

fn write_element(xml: &mut String, name: &str, value: &Value) {
    let _ = write!(xml, "<{name}>");
    match value.as_f64().filter(|_| is_time(name)) {
        Some(secs) => xml.push_str(&iso_8601(secs)),
        None => write_members(xml, value),
    }
    let _ = write!(xml, "</{name}>");
}

fn iso_8601(epoch_secs: f64) -> String {
    // Half a millisecond, since a float is slightly more or less than the time.
    let since_epoch = Duration::from_secs_f64(epoch_secs) + Duration::from_micros(500);
    rfc3339_millis(SystemTime::UNIX_EPOCH + since_epoch)
}

fn escaped(text: &str) -> String {
    let escape = |c| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        other => String::from(other),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{decode, encode, encode_error};

    #[test]
    fn forms_have_lists_and_structures() {
        let form = "Action=Do&Names.member.10=j&Names.member.2=b+c&At.X=1%2F2&Pairs.member.1.Key=k";
        let expected = json!({
            "Action": "Do",
            "Names": ["b c", "j"],
            "At": { "X": "1/2" },
            "Pairs": [{ "Key": "k" }],
        });
        assert_eq!(decode(form.as_bytes()), expected);
    }

    #[test]
    fn members_become_elements() {
        let body = json!({ "CreationTime": 1.5, "List": [{ "N": 1 }, "a<b"], "None": null });
        let xml = String::from_utf8(encode("Do", "ns", &body, "id")).unwrap();
        let expected = "<DoResponse xmlns=\"ns\"><DoResult>\
             <CreationTime>1970-01-01T00:00:01.500Z</CreationTime>\
             <List><member><N>1</N></member><member>a&lt;b</member></List><None></None>\
             </DoResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata>\
             </DoResponse>";
        assert_eq!(xml, expected);
        let error = String::from_utf8(encode_error("ns", "Code", "a & b", "id")).unwrap();
        assert!(
            error.contains("<Code>Code</Code><Message>a &amp; b</Message>"),
            "{error}"
        );
    }
}
