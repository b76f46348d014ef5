//! IAM Access Analyzer's answer to the question whether the old role's policies allow anything that
//! the new role's do not. It is shown beside the findings and changes none of them: it sees no
//! permissions boundaries, and AWS charges for each question.

use aws_sdk_accessanalyzer::Client;
use aws_sdk_accessanalyzer::types::{AccessCheckPolicyType, CheckNoNewAccessResult, ReasonSummary};
use rerole::aws::call_error::call_error;
use rerole_core::call::Operation;
use serde_json::{Map, Value, json};

use crate::iam::ReadRole;
use crate::iam::{Policies, Policy};
use crate::preflight::facts::Facts;
use crate::stack::Stack;
use crate::words;

/// The version of a document that has none.
const DEFAULT_VERSION: &str = "2008-10-17";
const REASONS_SHOWN: usize = 5;

/// Asks, and returns the answer in a line.
pub async fn ask(stack: &Stack, facts: &Facts) -> String {
    let documents = document(&facts.old).and_then(|old| Ok((old, document(&facts.new)?)));
    let (old, new) = match documents {
        Ok(documents) => documents,
        Err(why) => return format!("Access Analyzer was not asked: {why}"),
    };
    let operation = Operation::on("check", &"new access (access-analyzer:CheckNoNewAccess)");
    // The question is the other way round: is there anything in the old role's policies that the
    // new role's do not have?
    let asked = Client::new(&stack.sdk)
        .check_no_new_access()
        .existing_policy_document(new)
        .new_policy_document(old)
        .policy_type(AccessCheckPolicyType::IdentityPolicy)
        .send()
        .await;
    match asked.map_err(|error| call_error(operation, &error)) {
        Err(error) => format!("Access Analyzer could not be asked: {error}"),
        Ok(answer) => told(answer.result.as_ref(), answer.reasons()),
    }
}

fn told(result: Option<&CheckNoNewAccessResult>, reasons: &[ReasonSummary]) -> String {
    match result {
        Some(CheckNoNewAccessResult::Pass) => {
            "Access Analyzer: the new role's policies allow all that the old role's do".to_owned()
        }
        Some(CheckNoNewAccessResult::Fail) => {
            let reasons = reasons.iter().filter_map(|it| it.description.clone());
            let reasons: Vec<_> = reasons.collect();
            let reasons = match reasons.as_slice() {
                [] => String::new(),
                some => format!(": {}", words::list(some, REASONS_SHOWN)),
            };
            format!(
                "Access Analyzer: the old role's policies allow what the new role's do not{reasons}"
            )
        }
        _ => "Access Analyzer gave no answer that this version knows".to_owned(),
    }
}

/// All policies of a role as one document.
fn document(role: &ReadRole) -> Result<String, String> {
    match role {
        Err(why) => Err(why.to_string()),
        Ok(None) => Err("a role does not exist".to_owned()),
        Ok(Some(role)) => merged(&role.policies),
    }
}

/// One document with the statements of all. IDs of statements are left out: in one document, none
/// may be there twice.
fn merged(policies: &Policies) -> Result<String, String> {
    if let Some(gap) = policies.gaps.first() {
        return Err(gap.to_string());
    }
    let mut version: Option<String> = None;
    let mut all = Vec::new();
    for policy in &policies.identity {
        let mut document = parsed(policy)?;
        let of_this = document.remove("Version");
        let of_this = of_this.as_ref().and_then(Value::as_str);
        let of_this = of_this.unwrap_or(DEFAULT_VERSION);
        if version.get_or_insert_with(|| of_this.to_owned()) != of_this {
            let why = "the policies of a role have different versions, so they are no one document";
            return Err(why.to_owned());
        }
        let statements = match document.remove("Statement") {
            Some(Value::Array(statements)) => statements,
            Some(statement) => vec![statement],
            None => Vec::new(),
        };
        all.extend(statements.into_iter().map(without_id));
    }
    if all.is_empty() {
        return Err("a role has no policies".to_owned());
    }
    Ok(json!({ "Version": version, "Statement": all }).to_string())
}

fn parsed(policy: &Policy) -> Result<Map<String, Value>, String> {
    let Policy { name, document } = policy;
    let document = document
        .as_ref()
        .map_err(|why| format!("policy {name}: {why}"))?;
    serde_json::from_str(document).map_err(|error| format!("policy {name}: {error}"))
}

fn without_id(mut statement: Value) -> Value {
    if let Some(members) = statement.as_object_mut() {
        members.remove("Sid");
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::Unreadable;
    use crate::preflight::testing::{POD_TRUST, with_policies, with_trust};

    fn policies(documents: &[&str]) -> Policies {
        with_policies(with_trust(("app-2025", POD_TRUST)), documents).policies
    }

    #[test]
    fn all_policies_are_one_document_without_ids() {
        let one = r#"{"Version": "2012-10-17", "Statement": [{"Sid": "A", "Effect": "Allow",
            "Action": "s3:*", "Resource": "*"}]}"#;
        let other = r#"{"Version": "2012-10-17", "Statement": {"Sid": "A", "Effect": "Deny",
            "Action": "s3:PutObject", "Resource": "*"}}"#;
        let document: Value =
            serde_json::from_str(&merged(&policies(&[one, other])).unwrap()).unwrap();
        assert_eq!(
            document,
            json!({
                "Version": "2012-10-17",
                "Statement": [
                    { "Effect": "Allow", "Action": "s3:*", "Resource": "*" },
                    { "Effect": "Deny", "Action": "s3:PutObject", "Resource": "*" },
                ],
            })
        );
    }

    #[test]
    fn what_is_no_one_document_is_not_asked() {
        let old = r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#;
        let new = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*",
            "Resource": "*"}}"#;
        let mut unread = policies(&[new]);
        unread
            .gaps
            .push(Unreadable::new("not readable: iam:ListRolePolicies"));
        for (policies, expected) in [
            (policies(&[old, new]), "different versions"),
            (policies(&[]), "no policies"),
            (policies(&["no JSON"]), "policy-0"),
            (unread, "iam:ListRolePolicies"),
        ] {
            let why = merged(&policies).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn a_failed_check_says_why() {
        let reason = ReasonSummary::builder().description("New access in statement 1");
        let text = told(Some(&CheckNoNewAccessResult::Fail), &[reason.build()]);
        assert!(
            text.ends_with("new role's do not: New access in statement 1"),
            "{text}"
        );
    }
}
