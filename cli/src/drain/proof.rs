//! How an operator proves that nothing uses a role: a policy that denies the role everything. It
//! applies to sessions that exist as well, which no change of a trust policy does. rerole only says
//! how; it does not do it.

use rerole_core::resource::RoleArn;
use serde::Serialize;

use crate::stack::Stack;

/// The name of the policy. A role can have several, so it replaces no other one.
const POLICY_NAME: &str = "rerole-drain-proof";
/// Compact, since it is part of a command.
const POLICY: &str = concat!(
    r#"{"Version":"2012-10-17","Statement":[{"Sid":"NothingUsesThisRole","#,
    r#""Effect":"Deny","Action":"*","Resource":"*"}]}"#,
);
/// What happens, and where it shows.
pub const EFFECT: &str = "The policy takes effect within seconds, also for sessions that exist. \
    Pods still receive credentials, and each call with them is denied.";
/// Where a use shows.
pub const WATCH: &str = "Watch the errors of your workloads, and in your trail the events with \
    errorCode AccessDenied whose sessionContext.sessionIssuer.arn is the role. LookupEvents cannot \
    find them by the role.";

/// The commands for a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Proof {
    /// The policy that denies everything.
    pub policy: String,
    /// The command that attaches it to the role.
    pub deny: String,
    /// The command that removes it.
    pub undo: String,
}

impl Proof {
    /// The commands for a role, if it is in the stack's account. Its name needs no quotes.
    pub fn of(stack: &Stack, role: &RoleArn) -> Option<Self> {
        let is_own = role.account() == stack.origin.account;
        is_own.then(|| {
            let policy = format!("--role-name {} --policy-name {POLICY_NAME}", role.name());
            let deny = format!("aws iam put-role-policy {policy} --policy-document '{POLICY}'");
            let undo = format!("aws iam delete-role-policy {policy}");
            Self {
                policy: POLICY.to_owned(),
                deny: stack.pasted_to_aws(&deny),
                undo: stack.pasted_to_aws(&undo),
            }
        })
    }
}
