//! Whether the rotate function may hand the roles to pods: `iam:PassRole`, which EKS requires of
//! its caller.

use rerole_core::policy::{Caller, Context, POD_SERVICE, Request};
use rerole_core::resource::RoleArn;

use crate::iam::{ReadRole, RoleWithPolicies};
use crate::preflight::by_cluster::Verdict;
use crate::preflight::finding::{Check, Checked, Key};
use crate::preflight::moves::Move;
use crate::preflight::own_policies::{OwnPolicies, Part};
use crate::preflight::role::short;
use crate::request::Roles;

/// Checks both roles. That the old one may not be passed matters to a rollback only.
pub fn check(roles: &Roles, function: &ReadRole, moves: &[Move<'_>]) -> Checked {
    let check = Check {
        name: "pass",
        roles,
    };
    let function = match function {
        Ok(Some(function)) => function,
        Ok(None) => {
            let text = "the role of the rotate function does not exist, so no role can be passed";
            return Checked::found(check.denied(Key("function"), text));
        }
        Err(why) => {
            let text = format!("whether the rotate function may pass the roles: {why}");
            return Checked::found(check.unknown(Key("function"), text));
        }
    };
    let mut checked = of_new(check, function, moves);
    checked.extend(of_old(check, function));
    checked
}

fn of_new(check: Check<'_>, function: &RoleWithPolicies, moves: &[Move<'_>]) -> Checked {
    let name = short(&check.roles.new);
    match may_pass(function, &check.roles.new) {
        Verdict::Allowed => Checked::fine(format!(
            "the policies of the rotate function's role let it pass {name} to pods (iam:PassRole)"
        )),
        Verdict::Denied(why) => {
            let text = format!("the rotate function may not pass {name} (iam:PassRole): {why}");
            let key = format!("new {why}");
            Checked::found(if is_target_only(moves) {
                let doubt = "whether a target role must be passed is not documented";
                check.unknown(Key(&key), format!("{text}; {doubt}"))
            } else {
                check.denied(Key(&key), text)
            })
        }
        Verdict::Unknown(why) => {
            let text = format!("whether the rotate function may pass {name} (iam:PassRole): {why}");
            Checked::found(check.unknown(Key(&format!("new {why}")), text))
        }
    }
}

/// Whether associations have the new role as their target role, and none as their own role.
fn is_target_only(moves: &[Move<'_>]) -> bool {
    !moves.is_empty() && moves.iter().all(|it| !it.is_role_new)
}

fn of_old(check: Check<'_>, function: &RoleWithPolicies) -> Checked {
    let name = short(&check.roles.old);
    let text = match may_pass(function, &check.roles.old) {
        Verdict::Allowed => return Checked::default(),
        Verdict::Denied(why) => {
            format!("a rollback would fail: the rotate function may not pass {name}: {why}")
        }
        Verdict::Unknown(why) => {
            format!("a rollback may fail: whether the rotate function may pass {name}: {why}")
        }
    };
    Checked::found(check.note(Key("old"), text))
}

fn may_pass(function: &RoleWithPolicies, role: &RoleArn) -> Verdict {
    let own = &function.role.arn;
    let request = Request {
        caller: Caller::RoleSession {
            role: own.clone(),
            session_name: None,
        },
        action: "iam:PassRole".to_owned(),
        resource: Some(role.to_string()),
        context: Context::new()
            .with_value("iam:PassedToService", POD_SERVICE)
            .with_value("aws:PrincipalArn", own.as_str())
            .with_value("aws:PrincipalAccount", own.account()),
    };
    let policies = OwnPolicies::of(&function.policies);
    policies.judge(&request, Part::MustAllow).verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::Unreadable;
    use crate::preflight::finding::Level;
    use crate::preflight::testing::{POD_TRUST, item, role, roles, with_policies, with_trust};

    fn passing(resource: &str, service: &str) -> RoleWithPolicies {
        let policy = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow",
            "Action": "iam:PassRole", "Resource": "arn:aws:iam::111122223333:role{resource}",
            "Condition": {{"StringEquals": {{"iam:PassedToService": "{service}"}}}}}}}}"#
        );
        let role = with_trust(("rotate", POD_TRUST));
        with_policies(role, &[&policy])
    }

    #[test]
    fn only_the_new_role_has_to_be_passed() {
        for (function, expected) in [
            (Ok(Some(passing("/platform/*", POD_SERVICE))), vec![]),
            (
                Ok(Some(passing("/platform/app-2026", POD_SERVICE))),
                vec![Level::Note],
            ),
            (
                Ok(Some(passing("/platform/app-2025", POD_SERVICE))),
                vec![Level::Denied],
            ),
            (
                Ok(Some(passing("/platform/*", "ec2.amazonaws.com"))),
                vec![Level::Denied, Level::Note],
            ),
            (Ok(None), vec![Level::Denied]),
            (
                Err(Unreadable::new("not readable: iam:GetRole")),
                vec![Level::Unknown],
            ),
        ] {
            let checked = check(&roles(["app-2025", "app-2026"]), &function, &[]);
            let levels: Vec<_> = checked.findings.iter().map(|it| it.level).collect();
            assert_eq!(levels, expected, "{function:?}");
        }
    }

    #[test]
    fn whether_a_target_role_must_be_passed_is_unknown() {
        let roles = roles(["app-2025", "app-2026"]);
        let mut item = item(("prod-1", "pay/api"), "front");
        item.target_role_arn = Some(role("app-2025").to_string());
        let moves = [Move::of(&item, &roles).unwrap()];
        let function = Ok(Some(passing("/platform/app-2025", POD_SERVICE)));
        let checked = check(&roles, &function, &moves);
        assert_eq!(checked.findings[0].level, Level::Unknown, "{checked:?}");
    }
}
