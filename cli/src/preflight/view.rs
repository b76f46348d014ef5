//! The result of a preflight: all findings, which of them are accepted, and what follows.

use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::exit::Exit;
use crate::preflight::finding::{Checked, Finding, Level};
use crate::request::Roles;

/// What no preflight can know. A request of a pod is allowed only if all of these allow it as well.
const LIMITS: [&str; 6] = [
    "service control policies and resource control policies of the organization",
    "policies of resources, such as buckets and keys, which may name either role",
    "session policies of associations (policy)",
    "the name and UID of a pod, on which a trust policy may depend",
    "policies of VPC endpoints",
    "what changes after this: IAM takes seconds until a change is in force everywhere",
];

/// What the findings come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Verdict {
    /// Pods would lose access, or the rotation would fail: a finding is denied, and not accepted.
    Denied,
    /// Nothing is denied, or it is accepted. Something could not be told.
    Unknown,
    /// Nothing is denied, or it is accepted.
    NothingDenied,
}

/// Whether the new role will work in place of the old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Preflight {
    pub verdict: Verdict,
    pub old_role_arn: String,
    pub new_role_arn: String,
    /// When the roles were read.
    #[cfg_attr(test, schemars(with = "String"))]
    pub as_of: Timestamp,
    /// How many associations were looked at.
    pub associations: u64,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// What was checked, and is fine.
    pub fine: Vec<String>,
    /// What cannot be known.
    pub limits: Vec<String>,
    /// IDs that were accepted, and that no finding has.
    pub accepted_without_finding: Vec<String>,
    /// What IAM Access Analyzer says of the same policies. Null if it was not asked.
    pub access_analyzer: Option<String>,
    /// Whether one of the roles does not exist.
    #[serde(skip)]
    pub is_role_gone: bool,
}

/// What a preflight was about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub roles: &'a Roles,
    pub as_of: Timestamp,
    /// How many associations were looked at.
    pub associations: usize,
    pub is_role_gone: bool,
}

impl Preflight {
    /// Judges what the checks have found.
    pub fn new(about: About<'_>, checked: Checked, accepted: &[String]) -> Self {
        let roles = about.roles;
        let Checked { mut findings, fine } = checked;
        findings.sort_by(|one, other| (one.level, one.check).cmp(&(other.level, other.check)));
        for finding in &mut findings {
            finding.accepted = accepted.contains(&finding.id);
        }
        let is_unknown = |id: &&String| !findings.iter().any(|it| it.id == **id);
        let accepted_without_finding = accepted.iter().filter(is_unknown).cloned().collect();
        let is = |level| findings.iter().any(|it| it.level == level && !it.accepted);
        let verdict = if is(Level::Denied) {
            Verdict::Denied
        } else if is(Level::Unknown) {
            Verdict::Unknown
        } else {
            Verdict::NothingDenied
        };
        Self {
            verdict,
            old_role_arn: roles.old.to_string(),
            new_role_arn: roles.new.to_string(),
            as_of: about.as_of,
            associations: about.associations as u64,
            findings,
            fine,
            limits: LIMITS.map(str::to_owned).to_vec(),
            accepted_without_finding,
            access_analyzer: None,
            is_role_gone: about.is_role_gone,
        }
    }

    pub fn is_denied(&self) -> bool {
        self.verdict == Verdict::Denied
    }

    pub fn exit(&self) -> Exit {
        match self.verdict {
            Verdict::Denied => Exit::FinishedOtherwise,
            Verdict::Unknown | Verdict::NothingDenied => Exit::Done,
        }
    }

    /// The findings of a level.
    pub fn of(&self, level: Level) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |it| it.level == level)
    }

    /// The findings because of which nothing is sent.
    pub fn denied(&self) -> impl Iterator<Item = &Finding> {
        self.of(Level::Denied).filter(|it| !it.accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::finding::{Check, Key};
    use crate::preflight::testing::roles;
    use crate::testing::now;

    fn judged(levels: &[Level], accept: impl Fn(&[Finding]) -> Vec<String>) -> Preflight {
        let roles = roles(["app-2025", "app-2026"]);
        let check = Check {
            name: "trust",
            roles: &roles,
        };
        let findings = levels.iter().zip('a'..);
        let findings = findings
            .map(|(level, key)| check.finding(*level, Key(&key.to_string()), key.to_string()));
        let checked = Checked {
            findings: findings.collect(),
            fine: Vec::new(),
        };
        let accepted = accept(&checked.findings);
        let about = About {
            roles: &roles,
            as_of: now(),
            associations: 1,
            is_role_gone: false,
        };
        Preflight::new(about, checked, &accepted)
    }

    #[test]
    fn only_what_is_denied_and_not_accepted_changes_the_exit_code() {
        use Level::{Denied, Note, Unknown};
        for (levels, accepted, verdict, exit) in [
            (vec![], 0, Verdict::NothingDenied, Exit::Done),
            (vec![Note], 0, Verdict::NothingDenied, Exit::Done),
            (vec![Unknown, Note], 0, Verdict::Unknown, Exit::Done),
            (
                vec![Denied, Unknown],
                0,
                Verdict::Denied,
                Exit::FinishedOtherwise,
            ),
            (vec![Denied, Unknown], 1, Verdict::Unknown, Exit::Done),
            (
                vec![Denied, Denied],
                1,
                Verdict::Denied,
                Exit::FinishedOtherwise,
            ),
            (vec![Denied, Denied], 2, Verdict::NothingDenied, Exit::Done),
        ] {
            let preflight = judged(&levels, |findings| {
                findings
                    .iter()
                    .take(accepted)
                    .map(|it| it.id.clone())
                    .collect()
            });
            assert_eq!(preflight.verdict, verdict, "{levels:?} {accepted}");
            assert_eq!(preflight.exit(), exit, "{levels:?} {accepted}");
        }
    }

    #[test]
    fn the_worst_comes_first() {
        use Level::{Denied, Note, Unknown};
        let preflight = judged(&[Note, Unknown, Denied], |_| Vec::new());
        let levels: Vec<_> = preflight.findings.iter().map(|it| it.level).collect();
        assert_eq!(levels, [Denied, Unknown, Note]);
    }

    #[test]
    fn an_accepted_id_that_no_finding_has_is_said() {
        let preflight = judged(&[Level::Denied], |_| vec!["trust-0000".to_owned()]);
        assert_eq!(preflight.accepted_without_finding, ["trust-0000"]);
        assert!(preflight.is_denied());
    }
}
