//! The claims that the demo checks, against EKS, both tables, the bus, and the responses. Pure
//! functions: `scene` collects the evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use rerole_core::rotation::{Counts, Outcome, Status};
use rerole_sim::{Association, rfc3339_millis};
use serde_json::Value;

use crate::demo::evidence::{Evidence, Timeline, TimelineEntry};

/// No update is sent later than this after a pause was recorded.
const PAUSE_MAX: Duration = Duration::from_secs(10);

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
    let mut checks = vec![
        pause_is_prompt(evidence),
        pause_holds(evidence),
        moved(evidence),
        untouched(evidence),
        rows_settled(evidence),
        rows_add_up(evidence),
        status(evidence),
        second_response_is_the_same(evidence),
        second_writes_nothing(evidence),
    ];
    if evidence.rollback.is_some() {
        checks.extend([
            rollback_status(evidence),
            restored(evidence),
            nothing_else_restored(evidence),
        ]);
    }
    checks.extend([timelines(evidence), index_agrees(evidence)]);
    checks
}

fn pause_is_prompt(evidence: &Evidence) -> Check {
    let pause = evidence.pause;
    let limit = pause.recorded_at + PAUSE_MAX;
    let late = evidence
        .updates
        .iter()
        .filter(|update| (limit..pause.resumed_at).contains(&update.sent_at));
    Check::no_problems(
        format!(
            "no update was sent later than {} s after the pause was recorded",
            PAUSE_MAX.as_secs()
        ),
        late.map(|update| format!("{} was updated at {}", update.association, update.sent_at)),
    )
}

fn pause_holds(evidence: &Evidence) -> Check {
    let updates = evidence.updates.iter();
    let updates = updates.filter(|update| evidence.pause.covers(update));
    Check::no_problems(
        "no update was sent from the end of the slice until the rotation was resumed".to_owned(),
        updates.map(|update| format!("{} was updated at {}", update.association, update.sent_at)),
    )
}

fn moved(evidence: &Evidence) -> Check {
    let moving = || of_fleet(&evidence.before, |arn| evidence.must_move(arn));
    Check::no_problems(
        format!(
            "{} associations are on the new role in EKS, and nothing else about them changed",
            moving().count()
        ),
        moving().filter_map(|(arn, before)| {
            let role = &evidence.new_role;
            is_on(role, before, evidence.moved.get(arn)).err()
        }),
    )
}

fn untouched(evidence: &Evidence) -> Check {
    let others = || of_fleet(&evidence.before, |arn| !evidence.must_move(arn));
    let moved = &evidence.moved;
    let changed = others().filter(|(arn, before)| moved.get(*arn) != Some(before));
    let new = moved
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

/// The part of a fleet for which this holds.
fn of_fleet(
    fleet: &BTreeMap<String, Association>,
    is_wanted: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (&String, &Association)> {
    fleet.iter().filter(move |(arn, _)| is_wanted(arn))
}

/// Whether an association was moved to this role since `before`, and nothing else about it changed.
fn is_on(role: &str, before: &Association, after: Option<&Association>) -> Result<(), String> {
    let arn = &before.association_arn;
    let Some(after) = after else {
        return Err(format!("{arn} no longer exists"));
    };
    let expected = Association {
        role_arn: role.to_owned(),
        modified_at: after.modified_at,
        ..before.clone()
    };
    if *after == expected && after.modified_at > before.modified_at {
        return Ok(());
    }
    Err(format!(
        "{arn} is on {}, or something else about it changed",
        after.role_arn
    ))
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
        "the rows add up to the counts in the rotation's result".to_owned(),
        Values {
            found: &evidence.summary.counts,
            expected: &counts,
        },
    )
}

fn status(evidence: &Evidence) -> Check {
    let expected = evidence.expected_status();
    Check::equal(
        format!("the rotation's status is {expected:?}"),
        Values {
            found: &evidence.summary.status,
            expected: &expected,
        },
    )
}

fn second_response_is_the_same(evidence: &Evidence) -> Check {
    Check::equal(
        "requested again, the rotation has the same result".to_owned(),
        Values {
            found: &evidence.second,
            expected: &evidence.summary,
        },
    )
}

fn second_writes_nothing(evidence: &Evidence) -> Check {
    Check::equal(
        "the second request sent no write to EKS".to_owned(),
        Values {
            found: &evidence.second_eks_writes,
            expected: &0,
        },
    )
}

fn rollback_status(evidence: &Evidence) -> Check {
    let found = evidence.rollback.as_ref().map(|it| it.summary.status);
    Check::equal(
        format!("the rollback's status is {:?}", Status::RolledBack),
        Values {
            found: &found,
            expected: &Some(Status::RolledBack),
        },
    )
}

fn restored(evidence: &Evidence) -> Check {
    let moved = || of_fleet(&evidence.moved, |arn| evidence.must_move(arn));
    let wrong = moved().filter_map(|(arn, moved)| {
        let role = &evidence.before.get(arn)?.role_arn;
        is_on(role, moved, evidence.after.get(arn)).err()
    });
    Check::no_problems(
        format!(
            "the rollback gave the {} that had moved exactly their old role again",
            moved().count()
        ),
        wrong,
    )
}

fn nothing_else_restored(evidence: &Evidence) -> Check {
    let moved = of_fleet(&evidence.moved, |arn| evidence.must_move(arn));
    let subject = |it: &Association| format!("{}/{}", it.cluster_name, it.association_id);
    let moved: BTreeSet<_> = moved.map(|(_, association)| subject(association)).collect();
    let updates = evidence.rollback.iter().flat_map(|it| &it.updates);
    let updates = updates.filter(|update| !moved.contains(&update.association));
    let others = || of_fleet(&evidence.moved, |arn| !evidence.must_move(arn));
    let changed = others().filter(|(arn, moved)| evidence.after.get(*arn) != Some(moved));
    let after = evidence.after.keys();
    let new = after.filter(|arn| !evidence.moved.contains_key(*arn));
    Check::no_problems(
        format!(
            "it sent no update of the other {}, and they are as they were",
            others().count()
        ),
        updates
            .map(|update| format!("{} was updated", update.association))
            .chain(changed.map(|(arn, _)| format!("{arn} changed")))
            .chain(new.map(|arn| format!("{arn} is new"))),
    )
}

fn timelines(evidence: &Evidence) -> Check {
    let end = format!("{:?}", evidence.expected_status());
    let rotation = [
        "Planning",
        "InProgress",
        "Paused",
        "LimitsChanged",
        "InProgress",
        &end,
    ];
    let rollback = ["Planning", "InProgress", "RolledBack"];
    let rollback = evidence
        .rollback
        .as_ref()
        .and_then(|it| timeline_problem(&it.timeline, &rollback));
    let rotation = timeline_problem(&evidence.timeline, &rotation);
    Check::no_problems(
        "the timeline has every status in order, and each entry is an event on the bus".to_owned(),
        rotation.into_iter().chain(rollback),
    )
}

fn timeline_problem(timeline: &Timeline, expected: &[&str]) -> Option<String> {
    let recorded: Vec<_> = timeline.recorded.iter().map(TimelineEntry::label).collect();
    if recorded != expected {
        return Some(format!("found {recorded:?}, expected {expected:?}"));
    }
    let is_published = timeline.published == timeline.recorded;
    (!is_published).then(|| format!("the events have {:?}", timeline.published))
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

#[cfg(test)]
mod tests;
