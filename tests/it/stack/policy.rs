//! Evaluates policies as IAM documents it: a Deny wins, a key that is missing fulfils a negated
//! condition and no other, and `ForAnyValue` and `ForAllValues` look at each value of the request's
//! key.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use std::collections::BTreeMap;

use serde_json::Value;
use wildmatch::WildMatch;

use crate::common::grants::one_or_more;

/// A call, as IAM sees it.
#[derive(Debug, Clone)]
pub struct Request {
    pub action: &'static str,
    pub resource: String,
    /// The condition keys. `events:source` has a value for each event of a batch.
    pub keys: BTreeMap<&'static str, Vec<String>>,
}

/// What a policy says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Deny,
    /// No statement is about the call. The policies of the principal decide.
    Silent,
}

impl Request {
    pub fn new(action: &'static str, resource: impl Into<String>) -> Self {
        Self {
            action,
            resource: resource.into(),
            keys: BTreeMap::new(),
        }
    }

    pub fn key(mut self, name: &'static str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.keys.insert(name, values);
        self
    }
}

/// What these statements say of the request.
pub fn verdict(statements: &[Value], request: &Request) -> Verdict {
    let effects: Vec<&str> = statements
        .iter()
        .filter(|statement| applies(statement, request))
        .map(|statement| statement["Effect"].as_str().unwrap())
        .collect();
    if effects.contains(&"Deny") {
        Verdict::Deny
    } else if effects.contains(&"Allow") {
        Verdict::Allow
    } else {
        Verdict::Silent
    }
}

fn applies(statement: &Value, request: &Request) -> bool {
    let any = |member: &str, value: &str| {
        one_or_more(&statement[member])
            .iter()
            .any(|pattern| WildMatch::new(pattern.as_str().unwrap()).matches(value))
    };
    let is_for = match &statement["Principal"] {
        Value::Null => true,
        Value::String(any) => any == "*",
        service => request
            .keys
            .get("aws:PrincipalServiceName")
            .is_some_and(|names| service["Service"] == names[0].as_str()),
    };
    let conditions = statement["Condition"].as_object().into_iter().flatten();
    is_for
        && any("Action", request.action)
        && any("Resource", &request.resource)
        && conditions
            .flat_map(|(operator, keys)| {
                let keys = keys.as_object().unwrap().iter();
                keys.map(move |(key, values)| (operator, key, values))
            })
            .all(|(operator, key, values)| {
                let actual = request.keys.get(key.as_str()).map(Vec::as_slice);
                let expected: Vec<&str> = one_or_more(values)
                    .iter()
                    .map(|value| value.as_str().unwrap())
                    .collect();
                holds(operator, actual, &expected)
            })
}

fn holds(operator: &str, actual: Option<&[String]>, expected: &[&str]) -> bool {
    if operator == "Null" {
        return actual.is_none() == (expected == ["true"]);
    }
    if let Some(operator) = operator.strip_prefix("ForAnyValue:") {
        return actual
            .into_iter()
            .flatten()
            .any(|value| holds(operator, Some(std::slice::from_ref(value)), expected));
    }
    if let Some(operator) = operator.strip_prefix("ForAllValues:") {
        // It also holds for a key that is missing.
        let mut actual = actual.into_iter().flatten();
        return actual.all(|value| holds(operator, Some(std::slice::from_ref(value)), expected));
    }
    let equals = |value: &str| expected.contains(&value);
    let like = |value: &str| expected.iter().any(|pattern| is_arn_like(pattern, value));
    let actual = actual.map(|values| {
        assert_eq!(values.len(), 1, "{operator} is for keys with one value");
        values[0].as_str()
    });
    match operator {
        "StringEquals" => actual.is_some_and(equals),
        "StringNotEquals" => actual.is_none_or(|value| !equals(value)),
        // For ARNs, Equals is the same as Like.
        "ArnEquals" | "ArnLike" => actual.is_some_and(like),
        "ArnNotEquals" | "ArnNotLike" => actual.is_none_or(|value| !like(value)),
        other => panic!("a policy has the unknown operator {other}"),
    }
}

/// Each of the six parts of an ARN is matched by itself.
fn is_arn_like(pattern: &str, arn: &str) -> bool {
    let parts = |text: &'_ str| -> Vec<String> { text.splitn(6, ':').map(str::to_owned).collect() };
    let (pattern, arn) = (parts(pattern), parts(arn));
    pattern.len() == arn.len()
        && pattern
            .iter()
            .zip(&arn)
            .all(|(pattern, part)| WildMatch::new(pattern).matches(part))
}
