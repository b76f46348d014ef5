//! The checks of a role before EKS lets pods use it.

use crate::arn::Scope;
use crate::eks::error::EksError;
use crate::eks::resources::RoleState;
use crate::eks::state::EksState;

/// Checks the role for an association in `scope`. The messages are those of AWS.
pub(crate) fn check_role(
    state: &EksState,
    scope: Scope<'_>,
    role_arn: &str,
) -> Result<(), EksError> {
    let Some(account) = account_of_role(role_arn) else {
        return Err(EksError::invalid_parameter(format!(
            "Role ARN {role_arn} is not valid."
        )));
    };
    if account != scope.account {
        return Err(EksError::invalid_parameter(
            "Role provided in the request must be in the same account as the cluster.",
        ));
    }
    let missing = "Role provided in the request does not exist.";
    let bad_trust = "Trust policy of the role provided is invalid.";
    match state
        .role_states
        .get(role_arn)
        .copied()
        .unwrap_or(RoleState::Ready)
    {
        RoleState::Missing => Err(EksError::invalid_parameter(missing)),
        RoleState::MissingUntil(until) if state.now < until => {
            Err(EksError::invalid_parameter(missing))
        }
        RoleState::BadTrust => Err(EksError::invalid_parameter(bad_trust)),
        RoleState::BadTrustUntil(until) if state.now < until => {
            Err(EksError::invalid_parameter(bad_trust))
        }
        RoleState::Ready | RoleState::MissingUntil(_) | RoleState::BadTrustUntil(_) => Ok(()),
    }
}

/// The account of `arn:<partition>:iam::<account>:role/<path and name>`.
pub(crate) fn account_of_role(role_arn: &str) -> Option<&str> {
    let parts: Vec<&str> = role_arn.splitn(6, ':').collect();
    let ["arn", _partition, "iam", _region, account, resource] = parts[..] else {
        return None;
    };
    let is_role = resource
        .strip_prefix("role/")
        .is_some_and(|name| !name.is_empty());
    (account.len() == 12 && is_role).then_some(account)
}
