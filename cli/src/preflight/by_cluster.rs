//! Verdicts about associations as findings: one for each cluster and reason, with how many there
//! are and which ones, for example.

use std::collections::BTreeMap;

use crate::preflight::finding::{Check, Checked, Finding, Key, Level};
use crate::preflight::moves::{Move, associations, examples};

/// What follows for one association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// Why. It must not name the workload: associations with the same reason are one finding.
    Denied(String),
    /// What it depends on.
    Unknown(String),
}

/// Verdicts about associations. Without any that is not allowed, `fine` is what a person reads.
pub fn findings<'a>(
    check: Check<'_>,
    verdicts: impl IntoIterator<Item = (&'a Move<'a>, Verdict)>,
    fine: impl FnOnce(usize) -> String,
) -> Checked {
    let mut allowed = 0;
    let mut groups: BTreeMap<(Level, String, String), Vec<String>> = BTreeMap::new();
    for (moved, verdict) in verdicts {
        let (level, reason) = match verdict {
            Verdict::Allowed => {
                allowed += 1;
                continue;
            }
            Verdict::Denied(reason) => (Level::Denied, reason),
            Verdict::Unknown(reason) => (Level::Unknown, reason),
        };
        let group = groups.entry((level, moved.place(), reason)).or_default();
        group.push(moved.workload());
    }
    let findings = groups
        .into_iter()
        .map(|((level, place, reason), workloads)| {
            finding(
                check,
                level,
                &Group {
                    place,
                    reason,
                    workloads,
                },
            )
        });
    Checked {
        findings: findings.collect(),
        fine: (allowed > 0).then(|| fine(allowed)).into_iter().collect(),
    }
}

/// Associations of a cluster with the same reason.
struct Group {
    place: String,
    reason: String,
    workloads: Vec<String>,
}

fn finding(check: Check<'_>, level: Level, group: &Group) -> Finding {
    let Group {
        place,
        reason,
        workloads,
    } = group;
    let count = associations(workloads.len());
    let text = match level {
        Level::Denied => format!("{place}: {count} would be refused: {reason}"),
        Level::Unknown | Level::Note => format!("{place}: {count}: cannot tell: {reason}"),
    };
    let key = format!("{place} {reason}");
    check
        .finding(level, Key(&key), text)
        .details([examples(workloads)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::testing::{item, roles};

    #[test]
    fn associations_of_a_cluster_with_the_same_reason_are_one_finding() {
        let roles = roles(["app-2025", "app-2026"]);
        let items = [
            item(("prod-1", "pay/api"), "app-2025"),
            item(("prod-1", "pay/db"), "app-2025"),
            item(("prod-1", "pay/web"), "app-2025"),
            item(("prod-2", "pay/api"), "app-2025"),
            item(("prod-3", "pay/api"), "app-2025"),
        ];
        let moves: Vec<_> = items.iter().filter_map(|it| Move::of(it, &roles)).collect();
        let refused = || Verdict::Denied("aws:SourceArn is limited to prod-3".to_owned());
        let verdicts = [
            refused(),
            refused(),
            Verdict::Unknown("aws:PrincipalOrgID".to_owned()),
            refused(),
            Verdict::Allowed,
        ];
        let check = Check {
            name: "trust",
            roles: &roles,
        };
        let checked = findings(check, moves.iter().zip(verdicts), |count| count.to_string());
        let texts: Vec<_> = checked.findings.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "prod-1 in us-east-1: 2 associations would be refused: aws:SourceArn is limited to \
                 prod-3",
                "prod-2 in us-east-1: 1 association would be refused: aws:SourceArn is limited to \
                 prod-3",
                "prod-1 in us-east-1: 1 association: cannot tell: aws:PrincipalOrgID",
            ]
        );
        assert_eq!(checked.findings[0].details, ["for example pay/api, pay/db"]);
        assert_eq!(checked.fine, ["1"]);
    }
}
