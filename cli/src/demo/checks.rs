//! The claims that the demo checks, against EKS, both tables, and both responses. Pure functions:
//! `simulation` collects the evidence.

use std::collections::BTreeMap;
use std::fmt;

use rerole_core::rotation::{Counts, Outcome, Status};
use rerole_sim::{Association, rfc3339_millis};
use serde_json::Value;

use crate::demo::evidence::Evidence;

/// A claim, and why it does not hold if it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    claim: String,
    problem: Option<String>,
}

/// What a check compares.
struct Values<'a, T> {
    found: &'a T,
    expected: &'a T,
}

impl Check {
    pub fn held(&self) -> bool {
        self.problem.is_none()
    }

    /// Holds if there is no problem.
    fn no_problems(claim: String, mut problems: impl Iterator<Item = String>) -> Self {
        let problem = problems.next().map(|first| match problems.count() {
            0 => first,
            more => format!("{first}, and {more} more"),
        });
        Self { claim, problem }
    }

    fn equal<T: fmt::Debug + PartialEq>(claim: String, values: Values<'_, T>) -> Self {
        let Values { found, expected } = values;
        let problem =
            (found != expected).then(|| format!("found {found:?}, expected {expected:?}"));
        Self { claim, problem }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            None => write!(f, "ok      {}", self.claim),
            Some(problem) => write!(f, "FAILED  {}: {problem}", self.claim),
        }
    }
}

/// All checks, in the order of the steps of the demo.
pub fn all(evidence: &Evidence) -> Vec<Check> {
    vec![
        moved(evidence),
        untouched(evidence),
        index_agrees(evidence),
        rows_settled(evidence),
        rows_add_up(evidence),
        status(evidence),
        second_response_is_the_same(evidence),
        second_writes_nothing(evidence),
    ]
}

fn moved(evidence: &Evidence) -> Check {
    let has_moved = |before: &Association, after: &Association| {
        let expected = Association {
            role_arn: evidence.new_role.clone(),
            modified_at: after.modified_at,
            ..before.clone()
        };
        *after == expected && after.modified_at > before.modified_at
    };
    let moving = || {
        evidence
            .before
            .iter()
            .filter(|(arn, _)| evidence.must_move(arn))
    };
    Check::no_problems(
        format!(
            "{} associations are on the new role in EKS, and nothing else about them changed",
            moving().count()
        ),
        moving().filter_map(|(arn, before)| match evidence.after.get(arn) {
            Some(after) if has_moved(before, after) => None,
            Some(after) => Some(format!(
                "{arn} is on {}, or something else about it changed",
                after.role_arn
            )),
            None => Some(format!("{arn} no longer exists")),
        }),
    )
}

fn untouched(evidence: &Evidence) -> Check {
    let others = || {
        evidence
            .before
            .iter()
            .filter(|(arn, _)| !evidence.must_move(arn))
    };
    let changed = others().filter(|(arn, before)| evidence.after.get(*arn) != Some(before));
    let new = evidence
        .after
        .keys()
        .filter(|arn| !evidence.before.contains_key(*arn));
    Check::no_problems(
        format!(
            "the other {} are unchanged in EKS ({} drifted, {} owned by an add-on, {} refused)",
            others().count(),
            evidence.drifted.len(),
            evidence.owned_by_addon.len(),
            evidence.refused.len(),
        ),
        changed
            .map(|(arn, _)| format!("{arn} changed"))
            .chain(new.map(|arn| format!("{arn} is new"))),
    )
}

fn index_agrees(evidence: &Evidence) -> Check {
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let index: BTreeMap<String, (String, String)> = evidence
        .index
        .iter()
        .map(|item| {
            let version = (text(item, "roleArn"), text(item, "modifiedAt"));
            (text(item, "associationArn"), version)
        })
        .collect();
    let different = evidence
        .after
        .iter()
        .filter_map(|(arn, after)| match index.get(arn) {
            None => Some(format!("{arn} is missing")),
            Some((role, modified_at)) => {
                let agrees =
                    *role == after.role_arn && *modified_at == rfc3339_millis(after.modified_at);
                (!agrees).then(|| format!("{arn} is shown on {role} at {modified_at}"))
            }
        });
    let deleted = index
        .keys()
        .filter(|arn| !evidence.after.contains_key(*arn));
    Check::no_problems(
        format!("the index agrees with EKS on all {}", evidence.after.len()),
        different.chain(deleted.map(|arn| format!("{arn} is not in EKS"))),
    )
}

fn rows_settled(evidence: &Evidence) -> Check {
    let mut outcomes: BTreeMap<&str, Vec<Outcome>> = BTreeMap::new();
    for row in &evidence.rows {
        outcomes
            .entry(&row.association_arn)
            .or_default()
            .push(row.outcome);
    }
    let wrong = evidence.rotating.iter().filter_map(|arn| {
        let found = outcomes.get(arn.as_str()).cloned().unwrap_or_default();
        let expected = evidence.expected_outcome(arn);
        (found != [expected]).then(|| format!("{arn} has {found:?}, expected {expected:?}"))
    });
    let unexpected = outcomes
        .keys()
        .filter(|arn| !evidence.rotating.contains(**arn));
    Check::no_problems(
        format!(
            "each of the {} rotating associations has one row in the ledger, with the expected \
             outcome",
            evidence.rotating.len()
        ),
        wrong.chain(unexpected.map(|arn| format!("{arn} has a row"))),
    )
}

fn rows_add_up(evidence: &Evidence) -> Check {
    let mut counts = Counts::default();
    for row in &evidence.rows {
        counts.add(row.outcome);
    }
    Check::equal(
        "the rows add up to the counts in the response".to_owned(),
        Values {
            found: &evidence.first.counts,
            expected: &counts,
        },
    )
}

fn status(evidence: &Evidence) -> Check {
    let expected = if !evidence.refused.is_empty() {
        Status::CompletedWithFailures
    } else if !evidence.owned_by_addon.is_empty() {
        Status::Incomplete
    } else {
        Status::Succeeded
    };
    Check::equal(
        format!("the rotation's status is {expected:?}"),
        Values {
            found: &evidence.first.status,
            expected: &expected,
        },
    )
}

fn second_response_is_the_same(evidence: &Evidence) -> Check {
    Check::equal(
        "the second delivery returned the same response as the first".to_owned(),
        Values {
            found: &evidence.second,
            expected: &evidence.first,
        },
    )
}

fn second_writes_nothing(evidence: &Evidence) -> Check {
    Check::equal(
        "the second delivery sent no write to EKS".to_owned(),
        Values {
            found: &evidence.second_eks_writes,
            expected: &0,
        },
    )
}

#[cfg(test)]
mod tests;
