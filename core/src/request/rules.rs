//! What a stack allows in a request, besides its form: the roles it may name and where it may come
//! from. The operator sets these rules with the stack's parameters.

use serde_json::Value;

use crate::request::{Rejection, RotationRequest};
use crate::resource::{OwnAccount, RoleArn};

/// The source of the events that the stack itself sends. No request may have it.
pub const SOURCE_OF_STACK: &str = "rerole";

/// What a stack allows in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRules {
    /// The `source` of the events that may request rotations.
    pub source: String,
    /// The IAM path under which a new role must lie.
    pub role_path: String,
    /// The IAM path under which an old role must lie.
    pub old_role_path: String,
}

impl RequestRules {
    /// Checks the two roles of a request. They may be in any account: target roles may be in
    /// another account than the cluster, and EKS itself requires the cluster's account for other
    /// roles.
    pub(super) fn check_roles(&self, request: &RotationRequest) -> Result<(), Rejection> {
        let (old, new) = (&request.old_role_arn, &request.new_role_arn);
        let of_new = if old == new {
            Some("a role other than oldRoleArn".to_owned())
        } else if old.partition() != new.partition() {
            Some(format!(
                "a role in oldRoleArn's partition, {}",
                old.partition()
            ))
        } else if old.account() != new.account() {
            Some(format!("a role in oldRoleArn's account, {}", old.account()))
        } else {
            outside(new, ("ROLE_PATH", &self.role_path))
        };
        let of_old = outside(old, ("OLD_ROLE_PATH", &self.old_role_path));
        for (field, role, allowed) in [
            ("detail.newRoleArn", new, of_new),
            ("detail.oldRoleArn", old, of_old),
        ] {
            if let Some(allowed) = allowed {
                return Err(Rejection::new(field, &Value::from(role.as_str()), allowed));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl RequestRules {
    /// Returns rules under which old and new roles must lie under `role_path`.
    pub(crate) fn under(role_path: &str) -> Self {
        Self {
            source: "platform.iam".to_owned(),
            role_path: role_path.to_owned(),
            old_role_path: role_path.to_owned(),
        }
    }
}

/// Checks that the roles of a request are in the function's partition. Their account may be another
/// one, but no call leaves the partition.
pub(super) fn check_partition(
    request: &RotationRequest,
    own_account: Option<&OwnAccount>,
) -> Result<(), Rejection> {
    let role = &request.old_role_arn;
    match own_account.filter(|own| own.partition != role.partition()) {
        None => Ok(()),
        Some(own) => Err(Rejection::new(
            "detail.oldRoleArn",
            &Value::from(role.as_str()),
            format!("a role in the stack's partition, {}", own.partition),
        )),
    }
}

/// Returns what is allowed instead, if the role is not under `path`, which is the value of
/// `variable`.
fn outside(role: &RoleArn, (variable, path): (&str, &str)) -> Option<String> {
    (!role.path().starts_with(path)).then(|| format!("a role under the path {path} ({variable})"))
}
