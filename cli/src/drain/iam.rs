//! Reads from IAM when a role was last used, whom it trusts, and which target roles name it in
//! their trust policies. What cannot be read is said, and fails nothing.

use std::collections::BTreeSet;

use rerole_core::policy::{Document, Effect, POD_SERVICE, Principal, Selection};
use rerole_core::resource::RoleArn;
use serde_json::Value;

use crate::drain::facts::RoleFacts;
use crate::iam::{Iam, Role};
use crate::stack::Stack;

/// Target roles whose trust policies are read. Each takes a call, and a fleet has few.
const TARGET_ROLES_MAX: usize = 20;

/// Reads what IAM has of the role, and of the target roles of its workloads.
pub async fn read(stack: &Stack, role: &RoleArn, target_roles: &[String]) -> RoleFacts {
    let iam = Iam::of(stack);
    let mut facts = RoleFacts::default();
    match iam.role(role).await {
        Ok(Some(found)) => facts.note(found),
        Ok(None) => facts.exists = Some(false),
        Err(why) => {
            let what = format!("when the role was last used, and whom it trusts: {why}");
            facts.unread.push(what);
        }
    }
    for target in target_roles.iter().take(TARGET_ROLES_MAX) {
        facts.note_target(&iam, role, target).await;
    }
    let more = target_roles.len().saturating_sub(TARGET_ROLES_MAX);
    if more > 0 {
        let what = format!("the trust policies of {more} more target roles, which were not read");
        facts.unread.push(what);
    }
    facts
}

impl RoleFacts {
    fn note(&mut self, role: Role) {
        self.exists = Some(true);
        self.session_max_secs = role.max_session.map(|it| it.as_secs());
        if let Some((at, region)) = role.last_used {
            self.last_used_at = Some(at);
            self.last_used_region = region;
        }
        match role.trust.map_err(|why| why.to_string()).and_then(others) {
            Ok(trusts) => self.trusts = trusts,
            Err(why) => self.unread.push(format!("whom the role trusts: {why}")),
        }
    }

    async fn note_target(&mut self, iam: &Iam, role: &RoleArn, target: &str) {
        let Ok(arn) = target.parse() else {
            return;
        };
        let trust = match iam.role(&arn).await {
            Ok(found) => found.map(|it| it.trust).transpose(),
            Err(why) => Err(why),
        };
        match trust {
            Ok(Some(trust)) if names(&trust, role) => {
                self.trusted_by.push(target.to_owned());
            }
            Ok(_) => {}
            Err(why) => {
                let what = format!("the trust policy of target role {target}: {why}");
                self.unread.push(what);
            }
        }
    }
}

/// Whom a trust policy lets assume the role, besides EKS for pods.
fn others(trust: String) -> Result<Vec<String>, String> {
    let document = Document::parse(&trust).map_err(|error| error.to_string())?;
    let allows = document.statements.iter();
    let allows = allows.filter(|it| it.effect == Effect::Allow);
    let mut others = BTreeSet::new();
    for statement in allows {
        match &statement.principals {
            Some(Selection::Only(principals)) => {
                let is_pods = |it: &&Principal| **it == Principal::Service(POD_SERVICE.to_owned());
                let principals = principals.iter().filter(|it| !is_pods(it));
                others.extend(principals.map(ToString::to_string));
            }
            Some(Selection::AllBut(_)) | None => {
                others.insert("all but some principals".to_owned());
            }
        }
    }
    Ok(others.into_iter().collect())
}

/// Whether a trust policy has this ARN as a value.
fn names(policy: &str, role: &RoleArn) -> bool {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    has_value(&policy, role.as_str())
}

fn has_value(value: &Value, text: &str) -> bool {
    match value {
        Value::String(it) => it == text,
        Value::Array(items) => items.iter().any(|it| has_value(it, text)),
        Value::Object(members) => members.values().any(|it| has_value(it, text)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:iam::111122223333:role/platform/app-2025";

    #[test]
    fn a_trust_policy_names_a_role_wherever_its_arn_is_a_value() {
        let role = ARN.parse().unwrap();
        for (policy, expected) in [
            (format!(r#"{{"Principal":{{"AWS":["a","{ARN}"]}}}}"#), true),
            (
                format!(r#"{{"Condition":{{"ArnEquals":{{"aws:PrincipalArn":"{ARN}"}}}}}}"#),
                true,
            ),
            (format!(r#"{{"Principal":{{"AWS":"{ARN}-b"}}}}"#), false),
            ("no JSON".to_owned(), false),
        ] {
            assert_eq!(names(&policy, &role), expected, "{policy}");
        }
    }

    #[test]
    fn whom_a_role_trusts_besides_pods_is_named() {
        let trust = |principal: &str| {
            format!(
                r#"{{"Version": "2012-10-17", "Statement": [
                {{"Effect": "Allow", "Principal": {{"Service": "pods.eks.amazonaws.com"}},
                "Action": "sts:*"}}, {{"Effect": "Allow", {principal}, "Action": "sts:*"}}]}}"#
            )
        };
        for (principal, expected) in [
            (
                r#""Principal": {"Service": "pods.eks.amazonaws.com"}"#,
                vec![],
            ),
            (
                r#""Principal": {"Service": "ec2.amazonaws.com", "AWS": "111122223333"}"#,
                vec!["111122223333", "ec2.amazonaws.com"],
            ),
            (
                r#""NotPrincipal": {"AWS": "*"}"#,
                vec!["all but some principals"],
            ),
        ] {
            assert_eq!(others(trust(principal)).unwrap(), expected, "{principal}");
        }
        assert!(others("{}".to_owned()).is_err());
    }
}
