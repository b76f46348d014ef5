//! What a stack allows in a request, besides its form: the roles it may name and where it may come
//! from. The operator sets these rules with the stack's parameters.

use serde_json::Value;

use crate::request::detail::parse_detail;
use crate::request::{Rejection, RotationRequest};
use crate::resource::RoleArn;

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
    /// Checks a request that the ledger has, in the same way as one in an event: it is written as
    /// the `detail` of an event and parsed again. Only the source is not checked again, so an
    /// operator can change it while a rotation is open.
    ///
    /// # Errors
    /// If the request breaks a rule: the first such rule.
    pub fn check(&self, recorded: &RotationRequest) -> Result<(), Rejection> {
        // Every member has a JSON form. A null would be rejected.
        let detail = serde_json::to_value(recorded).unwrap_or(Value::Null);
        parse_detail(&detail, None, self).map(drop)
    }

    /// Checks the two roles of a request. They may be in any account: target roles may be in
    /// another account than the cluster, and EKS itself requires the cluster's account for other
    /// roles.
    pub(super) fn check_roles(&self, old: &RoleArn, new: &RoleArn) -> Result<(), Rejection> {
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
            outside(new, &self.role_path, "ROLE_PATH")
        };
        let of_old = outside(old, &self.old_role_path, "OLD_ROLE_PATH");
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

/// Returns what is allowed instead, if the role is not under `path`, which is the value of
/// `variable`.
fn outside(role: &RoleArn, path: &str, variable: &str) -> Option<String> {
    (!role.path().starts_with(path)).then(|| format!("a role under the path {path} ({variable})"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::request::testing::{requested, role, rules};

    #[test]
    fn a_recorded_request_is_checked_like_one_in_an_event() {
        let changes = json!({
            "regions": ["!eu-*"], "clusterNames": ["prod-*"], "dryRun": true, "maxErrors": "5",
            "maxConcurrency": "3", "requestedBy": "an operator",
        });
        let valid = requested(&changes).request;
        let narrower = |role_path: &str, old_role_path: &str| RequestRules {
            role_path: role_path.to_owned(),
            old_role_path: old_role_path.to_owned(),
            ..rules("/")
        };
        let field = |rules: RequestRules, request: &RotationRequest| {
            rules.check(request).map_err(|rejection| rejection.field)
        };
        assert_eq!(field(rules("/"), &valid), Ok(()));
        let (new, old) = ("detail.newRoleArn", "detail.oldRoleArn");
        assert_eq!(field(narrower("/platform/", "/"), &valid), Err(new.into()));
        assert_eq!(field(narrower("/", "/platform/"), &valid), Err(old.into()));
        for (changes, expected) in [
            (json!({ "newRoleArn": valid.old_role_arn }), new),
            (json!({ "newRoleArn": role("aws-reserved/sso") }), new),
            (json!({ "clusterNames": [] }), "detail.clusterNames"),
        ] {
            let mut planted = serde_json::to_value(&valid).unwrap();
            for (name, value) in changes.as_object().unwrap() {
                planted[name] = value.clone();
            }
            let planted = serde_json::from_value(planted).unwrap();
            assert_eq!(field(rules("/"), &planted), Err(expected.into()));
        }
    }
}
