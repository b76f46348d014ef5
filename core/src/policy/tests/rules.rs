//! The table `rules.json`: policies and contexts, each with the rule of the documentation that
//! decides. A `page` is one of the IAM User Guide, unless it starts with `EKS`.
//!
//! A row has `statements`, or `allow_if`: the condition under which pods are allowed. `deny_if`
//! adds a statement that denies everyone under a condition. With `tags`, or with none of the
//! following, the request is a pod's. With `context`, it is `sts:AssumeRole` by the service of
//! pods, or by the `role` with an optional `session`, on `resource`.

use serde_json::{Value, json};

use super::{pod_actions, session};
use crate::policy::{
    Caller, Context, Document, KeyFact, Reason, Request, SessionTags, TrustVerdict, Verdict,
    evaluate, pod_can_assume,
};

const RULES: &str = include_str!("rules.json");

#[test]
fn each_rule_of_the_documentation_decides_its_row() {
    let rows: Vec<Value> = serde_json::from_str(RULES).unwrap();
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let found = verdict(row);
            let expected = row["expected"].as_str().unwrap();
            // A row may leave out what decides.
            let is_expected = found == expected || found.starts_with(&format!("{expected}: "));
            (!is_expected).then(|| format!("{}: {expected}\n  {found}", row["rule"]))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows.len() >= 100, "{}", rows.len());
}

/// Returns the verdict as text, with what decides.
fn verdict(row: &Value) -> String {
    let document = document(row);
    if row.get("context").is_some() {
        return match evaluate(&[document], &request(row)) {
            Verdict::Allowed => "allowed".to_owned(),
            Verdict::Denied(denial) => format!("denied: {denial}"),
            Verdict::Unknown(reasons) => unknown(&reasons),
        };
    }
    let tags = match row["tags"].as_str() {
        Some("disabled") => SessionTags::Disabled,
        Some("unknown") => SessionTags::Unknown,
        _ => SessionTags::Sent,
    };
    match pod_can_assume(&document, &session(tags)) {
        TrustVerdict::Allowed => "allowed".to_owned(),
        TrustVerdict::Denied { action, denial } => format!("denied: {action}: {denial}"),
        TrustVerdict::Unknown(reasons) => unknown(&reasons),
    }
}

fn unknown(reasons: &[Reason]) -> String {
    let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    format!("unknown: {}", reasons.join(", "))
}

fn document(row: &Value) -> Document {
    let mut statements = Vec::new();
    if let Some(condition) = row.get("allow_if") {
        statements.push(json!({
            "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": pod_actions(), "Condition": condition,
        }));
    }
    statements.extend(row["statements"].as_array().cloned().unwrap_or_default());
    if let Some(condition) = row.get("deny_if") {
        statements.push(json!({
            "Effect": "Deny", "Principal": "*", "Action": "*", "Condition": condition,
        }));
    }
    let mut document = json!({ "Statement": statements, "Version": "2012-10-17" });
    match row.get("version") {
        Some(Value::Null) => _ = document.as_object_mut().unwrap().remove("Version"),
        Some(version) => document["Version"] = version.clone(),
        None => {}
    }
    Document::parse(&document.to_string()).unwrap()
}

fn request(row: &Value) -> Request {
    let text = |name: &str| row[name].as_str().map(ToOwned::to_owned);
    let caller = match row["role"].as_str() {
        None => Caller::Service("pods.eks.amazonaws.com".to_owned()),
        Some(role) => Caller::RoleSession {
            role: role.parse().unwrap(),
            session_name: text("session"),
        },
    };
    let facts = row["context"].as_object().unwrap().iter();
    let context = facts.fold(Context::new(), |context, (key, fact)| {
        let fact = match fact.as_str() {
            Some("absent") => KeyFact::Absent,
            Some("exists") => KeyFact::Exists,
            Some(_) => KeyFact::Unknown,
            None => KeyFact::Present(serde_json::from_value(fact.clone()).unwrap()),
        };
        context.with(key, fact)
    });
    Request {
        caller,
        action: "sts:AssumeRole".to_owned(),
        resource: text("resource"),
        context,
    }
}
