//! What the demonstration promises, checked one promise at a time against EKS, both tables and both replies. Pure: the
//! evidence is gathered elsewhere.

use std::collections::BTreeMap;
use std::fmt;

use rerole::outcome::Outcome;
use rerole::status::{Counts, Status};
use rerole_sim::{Association, rfc3339_millis};

use super::evidence::Evidence;

/// A promise, and whether it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    promise: String,
    problem: Option<String>,
}

impl Check {
    pub fn held(&self) -> bool {
        self.problem.is_none()
    }

    /// Holds where `offenders` is empty.
    fn of_each(promise: String, mut offenders: impl Iterator<Item = String>) -> Self {
        let problem = offenders.next().map(|first| match offenders.count() {
            0 => first,
            more => format!("{first}, and {more} more"),
        });
        Self { promise, problem }
    }

    fn equal<T: fmt::Debug + PartialEq>(promise: String, found: &T, expected: &T) -> Self {
        let problem = (found != expected).then(|| format!("found {found:?}, expected {expected:?}"));
        Self { promise, problem }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            None => write!(f, "ok      {}", self.promise),
            Some(problem) => write!(f, "FAILED  {}: {problem}", self.promise),
        }
    }
}

/// Every promise, in the order in which things happened.
pub fn all(evidence: &Evidence) -> Vec<Check> {
    vec![
        moved(evidence),
        untouched(evidence),
        index_agrees(evidence),
        rows_settled(evidence),
        rows_add_up(evidence),
        status(evidence),
        second_same(evidence),
        second_writes_nothing(evidence),
    ]
}

fn moved(evidence: &Evidence) -> Check {
    let has_moved = |before: &Association, after: &Association| {
        let expected =
            Association { role_arn: evidence.new_role.clone(), modified_at: after.modified_at, ..before.clone() };
        *after == expected && after.modified_at > before.modified_at
    };
    let to_move = || evidence.before.iter().filter(|(arn, _)| evidence.has_to_move(arn));
    Check::of_each(
        format!("{} associations are on the new role in EKS, and nothing else about them changed", to_move().count()),
        to_move().filter_map(|(arn, before)| match evidence.after.get(arn) {
            Some(after) if has_moved(before, after) => None,
            Some(after) => Some(format!("{arn} is on {}, or changed otherwise", after.role_arn)),
            None => Some(format!("{arn} is gone")),
        }),
    )
}

fn untouched(evidence: &Evidence) -> Check {
    let others = || evidence.before.iter().filter(|(arn, _)| !evidence.has_to_move(arn));
    let changed = others().filter(|(arn, before)| evidence.after.get(*arn) != Some(before));
    let new = evidence.after.keys().filter(|arn| !evidence.before.contains_key(*arn));
    Check::of_each(
        format!(
            "the other {} are as they were in EKS ({} drifted, {} owned by an add-on, {} refused)",
            others().count(),
            evidence.drifted.len(),
            evidence.owned_by_addon.len(),
            evidence.refused.len(),
        ),
        changed.map(|(arn, _)| format!("{arn} changed")).chain(new.map(|arn| format!("{arn} is new"))),
    )
}

fn index_agrees(evidence: &Evidence) -> Check {
    let member = |item: &serde_json::Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let index: BTreeMap<String, (String, String)> = evidence
        .index
        .iter()
        .map(|item| (member(item, "associationArn"), (member(item, "roleArn"), member(item, "modifiedAt"))))
        .collect();
    let in_eks = evidence.after.iter();
    let differing = in_eks.filter_map(|(arn, after)| match index.get(arn) {
        None => Some(format!("{arn} is missing")),
        Some((role, modified_at)) => {
            let agrees = *role == after.role_arn && *modified_at == rfc3339_millis(after.modified_at);
            (!agrees).then(|| format!("{arn} is shown on {role} at {modified_at}"))
        }
    });
    let gone = index.keys().filter(|arn| !evidence.after.contains_key(*arn));
    Check::of_each(
        format!("the index agrees with EKS on all {}", evidence.after.len()),
        differing.chain(gone.map(|arn| format!("{arn} is not in EKS"))),
    )
}

fn rows_settled(evidence: &Evidence) -> Check {
    let mut outcomes: BTreeMap<&str, Vec<Outcome>> = BTreeMap::new();
    for row in &evidence.rows {
        outcomes.entry(&row.association_arn).or_default().push(row.outcome);
    }
    let wrong = evidence.rotating.iter().filter_map(|arn| {
        let (found, expected) =
            (outcomes.get(arn.as_str()).cloned().unwrap_or_default(), evidence.expected_outcome(arn));
        (found != [expected]).then(|| format!("{arn} has {found:?}, expected {expected:?}"))
    });
    let stray = outcomes.keys().filter(|arn| !evidence.rotating.contains(**arn));
    Check::of_each(
        format!(
            "each of the {} in the rotation has one row in the ledger, settled as expected",
            evidence.rotating.len()
        ),
        wrong.chain(stray.map(|arn| format!("{arn} has a row"))),
    )
}

fn rows_add_up(evidence: &Evidence) -> Check {
    let mut counts = Counts::default();
    for row in &evidence.rows {
        counts.add(row.outcome);
    }
    Check::equal("the rows add up to the counts in the reply".to_owned(), &evidence.first.counts, &counts)
}

fn status(evidence: &Evidence) -> Check {
    let expected = if evidence.refused.is_empty() { Status::Succeeded } else { Status::CompletedWithFailures };
    Check::equal(format!("the rotation's status is {expected:?}"), &evidence.first.status, &expected)
}

fn second_same(evidence: &Evidence) -> Check {
    Check::equal("the second delivery has the first one's reply".to_owned(), &evidence.second, &evidence.first)
}

fn second_writes_nothing(evidence: &Evidence) -> Check {
    Check::equal("the second delivery sent no write to EKS".to_owned(), &evidence.second_eks_writes, &0)
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
