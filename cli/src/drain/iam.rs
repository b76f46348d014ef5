//! Reads from IAM when a role was last used, and which target roles name it in their trust
//! policies. What cannot be read is said, and fails nothing.

use aws_sdk_iam::Client;
use aws_sdk_iam::operation::get_role::GetRoleError;
use aws_sdk_iam::types::Role;
use percent_encoding::percent_decode_str;
use rerole::aws::call_error::call_error;
use rerole_core::call::{CallError, ErrorClass, Operation};
use rerole_core::resource::RoleArn;
use rerole_core::timestamp::Timestamp;
use serde_json::Value;

use crate::drain::facts::{RoleFacts, role_name};
use crate::stack::Stack;

/// Target roles whose trust policies are read. Each takes a call, and a fleet has few.
const TARGET_ROLES_MAX: usize = 20;

/// Reads what IAM has of the role, and of the target roles of its workloads.
pub async fn read(stack: &Stack, role: &RoleArn, target_roles: &[String]) -> RoleFacts {
    let client = Client::new(&stack.sdk);
    let account = &stack.origin.account;
    let mut facts = RoleFacts::default();
    if role.account() == account {
        match find(&client, role).await {
            Ok(Some(found)) => facts.note(&found),
            Ok(None) => facts.exists = Some(false),
            Err(error) => facts.unread.push(unread("when it was last used", &error)),
        }
    } else {
        let account = role.account();
        let what = format!("when it was last used: IAM of account {account} was not asked");
        facts.unread.push(what);
    }
    for target in target_roles.iter().take(TARGET_ROLES_MAX) {
        facts.note_target((&client, account), role, target).await;
    }
    let more = target_roles.len().saturating_sub(TARGET_ROLES_MAX);
    if more > 0 {
        let what = format!("the trust policies of {more} more target roles, which were not read");
        facts.unread.push(what);
    }
    facts
}

impl RoleFacts {
    fn note(&mut self, role: &Role) {
        self.exists = Some(true);
        let secs = role.max_session_duration;
        self.session_max_secs = secs.and_then(|it| u64::try_from(it).ok());
        let Some(used) = &role.role_last_used else {
            return;
        };
        let at = used.last_used_date.and_then(|it| it.to_millis().ok());
        self.last_used_at = at.map(Timestamp::from_millis);
        self.last_used_region.clone_from(&used.region);
    }

    async fn note_target(
        &mut self,
        (client, account): (&Client, &str),
        role: &RoleArn,
        target: &str,
    ) {
        let what = format!("the trust policy of target role {target}");
        let own = target.parse::<RoleArn>().ok();
        let Some(own) = own.filter(|it| it.account() == account) else {
            self.unread
                .push(format!("{what}: it is in another account"));
            return;
        };
        match find(client, &own).await {
            Ok(found) => {
                let trust = found.and_then(|it| it.assume_role_policy_document);
                if trust.is_some_and(|it| names(&it, role)) {
                    self.trusted_by.push(target.to_owned());
                }
            }
            Err(error) => self.unread.push(unread(&what, &error)),
        }
    }
}

/// Reads a role, or `None` if IAM does not have it. One with the same name under another path is
/// another role.
async fn find(client: &Client, role: &RoleArn) -> Result<Option<Role>, CallError> {
    let operation = Operation::on("read role", role);
    match client.get_role().role_name(role_name(role)).send().await {
        Ok(found) => Ok(found.role.filter(|it| it.arn == role.as_str())),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(GetRoleError::is_no_such_entity_exception) =>
        {
            Ok(None)
        }
        Err(error) => Err(call_error(operation, &error)),
    }
}

/// Whether a trust policy, which IAM percent-encodes, has this ARN as a value.
fn names(policy: &str, role: &RoleArn) -> bool {
    let policy = percent_decode_str(policy).decode_utf8_lossy();
    let policy: Value = serde_json::from_str(&policy).unwrap_or_default();
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

fn unread(what: &str, error: &CallError) -> String {
    match error.class {
        ErrorClass::Denied => format!("{what}: you may not look (iam:GetRole)"),
        _ => format!("{what}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:iam::111122223333:role/platform/app-2025";

    #[test]
    fn a_trust_policy_names_a_role_wherever_its_arn_is_a_value() {
        let role = ARN.parse().unwrap();
        let encoded = "%7B%22Principal%22%3A%7B%22AWS%22%3A%5B%22a%22%2C%22arn%3Aaws%3Aiam%3A%3A\
            111122223333%3Arole%2Fplatform%2Fapp-2025%22%5D%7D%7D";
        for (policy, expected) in [
            (encoded.to_owned(), true),
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
}
