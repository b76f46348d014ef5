//! What a command about a rotation will change: how many associations, in which clusters, what
//! becomes of them, and what stays.

use rerole_core::call::CallError;
use rerole_core::command::{Limits, RotationOrder};
use rerole_core::rotation::{Counts, RotationRecord};
use rerole_core::timestamp::Timestamp;

use crate::estimate::{self, Estimate};
use crate::rotation::clusters::{ClusterCounts, Column};
use crate::rotation::counts;
use crate::stack::Stack;
use crate::terminal::{Layout, printable};
use crate::words;

/// What a command will change.
#[derive(Debug)]
pub struct Preview {
    pub order: RotationOrder,
    pub record: RotationRecord,
    pub clusters: ClusterCounts,
    /// How long the work takes that the command starts or continues.
    pub estimate: Option<Estimate>,
    /// What an earlier rollback of the rotation has done.
    pub earlier: Option<Counts>,
}

/// Where a preview is shown.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub account: &'a str,
    pub now: Timestamp,
    pub layout: &'a Layout,
}

impl Preview {
    /// Reads what the command is about. `earlier` is the rollback that the rotation has.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn read(
        stack: &Stack,
        order: RotationOrder,
        record: RotationRecord,
        earlier: Option<&RotationRecord>,
    ) -> Result<Self, CallError> {
        let clusters = match order {
            RotationOrder::Change(_) => ClusterCounts::default(),
            RotationOrder::Retry => ClusterCounts::tried_again(stack, &record).await?,
            RotationOrder::Rollback(_) => ClusterCounts::moved(stack, &record.key).await?,
            RotationOrder::Pause | RotationOrder::Resume | RotationOrder::Cancel => {
                ClusterCounts::pending(stack, &record.key).await?
            }
        };
        let works = matches!(
            order,
            RotationOrder::Resume | RotationOrder::Retry | RotationOrder::Rollback(_)
        );
        let estimate = if works {
            Some(estimate::by_regions(stack, &clusters.by_region()).await?)
        } else {
            None
        };
        Ok(Self {
            order,
            record,
            clusters,
            estimate,
            earlier: earlier.map(counts),
        })
    }

    /// The question whose answer is yes or no.
    pub fn question(&self) -> String {
        let key = &self.record.key;
        match self.order {
            RotationOrder::Rollback(order) if order.dry_run => {
                format!("Find out what a rollback of {key} would do?")
            }
            RotationOrder::Rollback(_) => format!("Roll {key} back?"),
            RotationOrder::Change(_) => format!("Change the limits of {key}?"),
            order => format!("{:?} {key}?", order.name()),
        }
    }

    pub fn text(&self, view: View<'_>) -> String {
        let View {
            account,
            now,
            layout,
        } = view;
        let record = &self.record;
        let key = layout.heading(printable(&record.key.to_string()));
        let mut lines = vec![format!(
            "{:?} {key}: {}, {}",
            self.order.name(),
            layout.status(record.status()),
            self.settled()
        )];
        let mut facts = vec![
            (
                "from",
                words::role(record.old_role_arn.as_str()).in_account(account),
            ),
            (
                "to",
                words::role(record.new_role_arn.as_str()).in_account(account),
            ),
        ];
        facts.extend(self.facts());
        if let Some(estimate) = &self.estimate
            && self.clusters.total() > 0
        {
            facts.push(("takes", estimate.text()));
        }
        let lines_of = |(name, text): (&str, String)| printable(&format!("  {name:<9} {text}"));
        lines.extend(facts.into_iter().map(lines_of));
        if let Some(since) = record.finished_at() {
            lines.insert(
                1,
                format!("  finished  {}", words::time(since).seen_at(now)),
            );
        }
        if let Some(table) = self.clusters.table(layout) {
            lines.push(format!("\n{table}"));
        }
        format!("\n{}\n", lines.join("\n"))
    }

    /// How much is settled. What the rows show is newer than the counts of the rotation, which are
    /// saved every four seconds.
    fn settled(&self) -> String {
        let Counts { total, pending, .. } = counts(&self.record);
        let pending = match self.clusters.count(Column::Pending) {
            0 => pending,
            pending => pending,
        };
        format!("{} of {total} settled", total - pending.min(total))
    }

    /// What becomes of the associations, and what stays.
    fn facts(&self) -> Vec<(&'static str, String)> {
        match self.order {
            RotationOrder::Pause => self.pause(),
            RotationOrder::Resume => self.resume(),
            RotationOrder::Cancel => self.cancel(),
            RotationOrder::Retry => self.retry(),
            RotationOrder::Rollback(_) => self.rollback(),
            RotationOrder::Change(limits) => self.change(limits),
        }
    }

    fn pending(&self) -> String {
        words::count(self.clusters.count(Column::Pending), "association")
    }

    fn pause(&self) -> Vec<(&'static str, String)> {
        if self.record.state.waits_for_turn() {
            return vec![(
                "queue",
                "it keeps its place, and others may start before it".to_owned(),
            )];
        }
        vec![
            (
                "pending",
                format!(
                    "{} stay as they are until `rerole resume {}`",
                    self.pending(),
                    self.record.key
                ),
            ),
            (
                "in flight",
                "finishes; no update is sent later than 10 s after the verdict".to_owned(),
            ),
            ("roles", self.roles_stay_locked()),
        ]
    }

    fn roles_stay_locked(&self) -> String {
        if self.record.request.dry_run {
            "a dry run locks no role".to_owned()
        } else {
            "both stay locked: other rotations from or onto them wait".to_owned()
        }
    }

    fn resume(&self) -> Vec<(&'static str, String)> {
        if self.record.state.waits_for_turn() {
            return vec![("queue", "it starts when its turn comes".to_owned())];
        }
        vec![("pending", format!("{} are worked on again", self.pending()))]
    }

    fn cancel(&self) -> Vec<(&'static str, String)> {
        if self.record.state.waits_for_turn() {
            return vec![("ends", "at once: nothing was planned".to_owned())];
        }
        let mut facts = vec![
            (
                "pending",
                format!("{} become NotAttempted, and are not moved", self.pending()),
            ),
            (
                "in flight",
                "finishes; no update is sent later than 10 s after the verdict".to_owned(),
            ),
        ];
        let moved = counts(&self.record).updated;
        if moved > 0 {
            facts.push((
                "stays",
                format!("what was moved stays moved: {moved} (rerole rollback takes it back)"),
            ));
        }
        facts
    }

    fn retry(&self) -> Vec<(&'static str, String)> {
        let again = words::count(self.clusters.total(), "association");
        let search = match self.record.rollback_of {
            None => "the index is searched for others that use the old role now",
            Some(_) => "the rotation's rows are searched for others that it has moved",
        };
        vec![
            ("again", format!("{again} are tried again")),
            ("also", search.to_owned()),
        ]
    }

    fn rollback(&self) -> Vec<(&'static str, String)> {
        let RotationOrder::Rollback(order) = self.order else {
            return Vec::new();
        };
        let back = self.clusters.count(Column::Moved);
        let gone = self.clusters.count(Column::MovedBack);
        let moved = words::count(back + gone, "association");
        let mut facts = vec![(
            "back",
            format!("{moved} get back the role that they had, and no others"),
        )];
        if gone > 0 {
            let text = format!("{gone} of them were moved back by another actor already");
            facts.push(("before", text));
        }
        if let Some(earlier) = &self.earlier {
            let done = earlier.updated + earlier.already_current;
            facts.push((
                "earlier",
                format!("a rollback has taken back {done} of them"),
            ));
        }
        facts.push((
            "changed",
            if order.rollback.include_changed {
                "what has changed since is taken back where it still has the new role"
            } else {
                "what has changed since stays as it is (--include-changed)"
            }
            .to_owned(),
        ));
        if order.dry_run {
            facts.push(("writes", "nothing: it is a dry run".to_owned()));
            return facts;
        }
        facts.push((
            "pods",
            "keep the new role's credentials until they restart, for up to 6 h".to_owned(),
        ));
        if !self.record.status().is_final() {
            facts.push(("first", "the rotation is cancelled".to_owned()));
        }
        facts
    }

    fn change(&self, limits: Limits) -> Vec<(&'static str, String)> {
        let request = &self.record.request;
        let shown =
            |limit: Option<String>| limit.unwrap_or_else(|| "the stack's maximum".to_owned());
        let errors = limits.max_errors.unwrap_or(request.max_errors);
        let concurrency = limits.max_concurrency.or(request.max_concurrency);
        let text = |limit: Option<rerole_core::request::MaxConcurrency>| {
            shown(limit.map(|limit| limit.to_string()))
        };
        let failed = counts(&self.record).failed;
        vec![
            (
                "errors",
                format!(
                    "{}; {failed} failed so far",
                    becomes([request.max_errors.to_string(), errors.to_string()])
                ),
            ),
            (
                "in flight",
                becomes([text(request.max_concurrency), text(concurrency)]),
            ),
            ("when", "within 4 s, if it is running".to_owned()),
        ]
    }
}

/// How a limit changes, if it does.
fn becomes([before, after]: [String; 2]) -> String {
    if before == after {
        format!("{before}, as before")
    } else {
        format!("{before} becomes {after}")
    }
}

#[cfg(test)]
mod tests;
