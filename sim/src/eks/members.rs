//! Members of request bodies that several operations have.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::eks::error::EksError;

/// AWS's limits of the tags on one resource. Lengths are in characters.
const TAGS_MAX: usize = 50;
const TAG_KEY_LEN_MAX: usize = 128;
const TAG_VALUE_LEN_MAX: usize = 256;

/// A member that must be present and not empty.
pub(crate) fn required<'a>(body: &'a Value, name: &str) -> Result<&'a str, EksError> {
    text(body, name)?
        .filter(|text| !text.is_empty())
        .ok_or_else(|| {
            EksError::invalid_parameter(format!("{name} is required and must not be empty"))
        })
}

/// A member that is a string if it is present.
pub(crate) fn text<'a>(body: &'a Value, name: &str) -> Result<Option<&'a str>, EksError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(EksError::serialization(format!("{name} must be a string"))),
    }
}

/// A member that is true or false if it is present.
pub(crate) fn flag(body: &Value, name: &str) -> Result<Option<bool>, EksError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(EksError::serialization(format!(
            "{name} must be true or false"
        ))),
    }
}

/// The strings in the list of this name.
pub(crate) fn strings(members: &Map<String, Value>, name: &str) -> Vec<String> {
    let list = members
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The tags of a request, within AWS's limits.
pub(crate) fn tags(body: &Value) -> Result<BTreeMap<String, String>, EksError> {
    let tags = match body.get("tags") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(tags)) => tags,
        Some(_) => return Err(EksError::serialization("tags must be a map")),
    };
    if tags.len() > TAGS_MAX {
        return Err(EksError::invalid_parameter(format!(
            "{} tags given; the most is {TAGS_MAX}",
            tags.len()
        )));
    }
    tags.iter()
        .map(|(key, value)| {
            let value = value
                .as_str()
                .ok_or_else(|| EksError::serialization("a tag's value must be a string"))?;
            check_tag(key, value)?;
            Ok((key.clone(), value.to_owned()))
        })
        .collect()
}

fn check_tag(key: &str, value: &str) -> Result<(), EksError> {
    let reason = if key.is_empty() || key.chars().count() > TAG_KEY_LEN_MAX {
        "keys have 1 to 128 characters"
    } else if value.chars().count() > TAG_VALUE_LEN_MAX {
        "values have at most 256 characters"
    } else if key.to_ascii_lowercase().starts_with("aws:") {
        "aws: is a reserved prefix"
    } else {
        return Ok(());
    };
    Err(EksError::invalid_parameter(format!(
        "The tag {key} is refused: {reason}"
    )))
}
