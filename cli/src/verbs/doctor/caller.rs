//! Whether the caller may request rotations and command them: the ARN against the patterns of the
//! stack's bus.

use wildmatch::WildMatch;

use crate::stack::{Name, Stack};
use crate::verbs::doctor::finding::{Check, Finding};

/// Whether a caller is one of those that a list names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Yes,
    /// By the name of its role. The ARN of an assumed role has no path, and a pattern may have one.
    ByName,
    No,
}

/// What a caller may do, and the parameter that says who may.
#[derive(Debug, Clone, Copy)]
struct Right {
    what: &'static str,
    parameter: &'static str,
}

const REQUEST: Right = Right {
    what: "request rotations",
    parameter: "RequesterArns",
};
const COMMAND: Right = Right {
    what: "command rotations",
    parameter: "OperatorArns",
};

/// Checks what the caller may put on the bus.
pub fn check(stack: &Stack) -> Vec<Finding> {
    let check = Check("you");
    let caller = &stack.caller_arn;
    let bus = stack
        .outputs
        .get(Name::RotationEventBusName)
        .unwrap_or_default();
    if bus != stack.origin.stack {
        return vec![check.ok(format!(
            "{caller}; the policy of your own bus {bus} decides"
        ))];
    }
    let requesters = stack.outputs.list(Name::RequesterArns);
    let operators = stack.outputs.list(Name::OperatorArns);
    let operators = if operators.is_empty() {
        &requesters
    } else {
        &operators
    };
    if requesters.is_empty() {
        let todo = "look at the parameters RequesterArns and OperatorArns of the stack";
        return vec![
            check
                .unknown(format!("{caller}; the stack does not say who may what"))
                .todo(todo),
        ];
    }
    vec![
        finding(caller, named(caller, &requesters), REQUEST),
        finding(caller, named(caller, operators), COMMAND),
    ]
}

fn finding(caller: &str, named: Named, right: Right) -> Finding {
    let Right { what, parameter } = right;
    let check = Check("you");
    match named {
        Named::Yes => check.ok(format!("{caller} may {what}")),
        Named::ByName => check.ok(format!(
            "{caller} may {what}, by the name of the role; its path cannot be told"
        )),
        Named::No => check
            .warning(format!("{caller} may not {what}"))
            .todo(format!(
                "use a role that {parameter} of the stack names, or add yours"
            )),
    }
}

/// Holds a caller against patterns of ARNs.
fn named(caller: &str, patterns: &[&str]) -> Named {
    if patterns
        .iter()
        .any(|pattern| WildMatch::new(pattern).matches(caller))
    {
        return Named::Yes;
    }
    let is_named = match assumed_role(caller) {
        Some((account, name)) => patterns.iter().any(|it| may_name(it, (account, name))),
        None => false,
    };
    if is_named { Named::ByName } else { Named::No }
}

/// Account and name of the role that the caller has assumed, from
/// `arn:aws:sts::<account>:assumed-role/<name>/<session>`.
fn assumed_role(caller: &str) -> Option<(&str, &str)> {
    let mut parts = caller.splitn(6, ':').skip(2);
    let (service, _, account, resource) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let name = resource.strip_prefix("assumed-role/")?.split('/').next()?;
    (service == "sts").then_some((account, name))
}

/// Whether a pattern matches a role of this account and name, in some path.
fn may_name(pattern: &str, (account, name): (&str, &str)) -> bool {
    let Some((head, resource)) = pattern.split_once(":role/") else {
        return false;
    };
    if !head.ends_with(&format!(":{account}")) {
        return false;
    }
    // The name starts after a slash, or where a wildcard stands for the end of the path.
    let starts = resource.char_indices().filter_map(|(at, c)| match c {
        '/' | '?' => Some(at + 1),
        '*' => Some(at),
        _ => None,
    });
    let mut starts = std::iter::once(0).chain(starts);
    starts.any(|at| WildMatch::new(&resource[at..]).matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_held_against_patterns_by_arn_or_by_the_name_of_its_role() {
        let role = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
        let assumed = "arn:aws:sts::111122223333:assumed-role/deployer/session";
        let user = "arn:aws:iam::111122223333:user/people/ann";
        for (caller, pattern, expected) in [
            (
                user,
                "arn:aws:iam::111122223333:user/people/*".to_owned(),
                Named::Yes,
            ),
            (
                user,
                "arn:aws:iam::111122223333:user/people/b*".to_owned(),
                Named::No,
            ),
            (user, role("people/ann"), Named::No),
            (assumed, role("deployer"), Named::ByName),
            (assumed, role("ci/deployer"), Named::ByName),
            (assumed, role("ci/deploy*"), Named::ByName),
            (assumed, role("ci/*"), Named::ByName),
            // The path may be ci-prod/.
            (assumed, role("ci*"), Named::ByName),
            (assumed, role("ci*er"), Named::ByName),
            (assumed, role("ci/deployer?"), Named::No),
            (assumed, role("ci/deploye?"), Named::ByName),
            (assumed, role("other"), Named::No),
            (assumed, role("ci/*-admin"), Named::No),
            (
                assumed,
                "arn:aws:iam::444455556666:role/deployer".to_owned(),
                Named::No,
            ),
            (
                "arn:aws:iam::111122223333:root",
                role("deployer"),
                Named::No,
            ),
        ] {
            assert_eq!(named(caller, &[&pattern]), expected, "{caller} {pattern}");
        }
    }
}
