//! What the report and the checks need to know of a demo run. `scene` collects it.

use std::collections::{BTreeMap, BTreeSet};

use rerole_core::rotation::{Outcome, Status, Summary};
use rerole_core::timestamp::Timestamp;
use rerole_sim::{Association, Service};
use serde::Deserialize;
use serde_json::Value;

/// The calls that the stack made in a while.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    /// Their numbers by service and operation.
    pub counts: BTreeMap<(Service, String), usize>,
    /// How many of them EKS throttled.
    pub throttled: usize,
}

/// An update that the stack sent to EKS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// `<cluster>/<associationId>`
    pub association: String,
    pub sent_at: Timestamp,
}

/// A row of the ledger, read by the documented attribute names, as an operator reads it. The type
/// that wrote the row is not used on purpose: a renamed attribute must make the demo fail.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerRow {
    pub association_arn: String,
    pub cluster_name: String,
    pub namespace: String,
    pub service_account: String,
    pub outcome: Outcome,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
}

/// An entry of a timeline, read in the same way from the ledger or from an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TimelineEntry {
    pub at: Timestamp,
    #[serde(rename = "type")]
    pub change: String,
    /// The new status, if the status has changed.
    pub to: Option<Status>,
}

/// The timeline of a rotation, in the ledger and as its events have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    pub recorded: Vec<TimelineEntry>,
    pub published: Vec<TimelineEntry>,
}

/// A pause of the rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// By the entry of the timeline.
    pub recorded_at: Timestamp,
    /// When the last slice had ended.
    pub idle_from: Timestamp,
    /// When the command to resume was sent.
    pub resumed_at: Timestamp,
}

/// The rollback.
#[derive(Debug, Clone)]
pub struct Rollback {
    pub summary: Summary,
    pub rows: Vec<LedgerRow>,
    pub updates: Vec<Update>,
    pub timeline: Timeline,
}

/// The fleet at three times, the index, and what became of the rotation. Sets hold association
/// ARNs.
#[derive(Debug, Clone)]
pub struct Evidence {
    pub new_role: String,
    /// EKS before the rotation.
    pub before: BTreeMap<String, Association>,
    /// EKS after the rotation.
    pub moved: BTreeMap<String, Association>,
    /// EKS after the rollback.
    pub after: BTreeMap<String, Association>,
    /// All associations that the index showed on the old role. The next three are parts of them.
    pub rotating: BTreeSet<String>,
    pub drifted: BTreeSet<String>,
    pub owned_by_addon: BTreeSet<String>,
    pub refused: BTreeSet<String>,
    /// Every item of the index after the rollback.
    pub index: Vec<Value>,
    /// The rotation's rows in the ledger.
    pub rows: Vec<LedgerRow>,
    pub summary: Summary,
    pub timeline: Timeline,
    pub pause: Pause,
    /// The updates of the rotation.
    pub updates: Vec<Update>,
    /// The response to the second request of the same rotation.
    pub second: Summary,
    pub second_eks_writes: usize,
    /// None if there was nothing to roll back.
    pub rollback: Option<Rollback>,
}

impl Calls {
    /// The number of calls that can change EKS.
    pub fn eks_writes(&self) -> usize {
        let is_read =
            |operation: &str| operation.starts_with("Describe") || operation.starts_with("List");
        self.to(Service::Eks)
            .filter(|(operation, _)| !is_read(operation))
            .map(|(_, count)| count)
            .sum()
    }

    /// The operations of a service that were called, and the number of calls.
    pub fn to(&self, service: Service) -> impl Iterator<Item = (&str, usize)> {
        let calls = self
            .counts
            .iter()
            .filter(move |((called, _), _)| *called == service);
        calls.map(|((_, operation), count)| (operation.as_str(), *count))
    }
}

impl TimelineEntry {
    /// The new status, or else what changed.
    pub fn label(&self) -> String {
        self.to
            .map_or_else(|| self.change.clone(), |to| format!("{to:?}"))
    }
}

impl Pause {
    /// Whether this was sent while the rotation was paused and no slice worked on it.
    pub fn covers(&self, update: &Update) -> bool {
        (self.idle_from..self.resumed_at).contains(&update.sent_at)
    }
}

impl Evidence {
    /// The outcome that this association must have.
    pub fn expected_outcome(&self, arn: &str) -> Outcome {
        if self.drifted.contains(arn) {
            Outcome::Drifted
        } else if self.owned_by_addon.contains(arn) {
            Outcome::OwnedByAddon
        } else if self.refused.contains(arn) {
            Outcome::Failed
        } else {
            Outcome::Updated
        }
    }

    /// Whether this association must be on the new role after the rotation.
    pub fn must_move(&self, arn: &str) -> bool {
        self.rotating.contains(arn) && self.expected_outcome(arn) == Outcome::Updated
    }

    /// The status that the rotation must end with.
    pub fn expected_status(&self) -> Status {
        if !self.refused.is_empty() {
            Status::CompletedWithFailures
        } else if !self.owned_by_addon.is_empty() {
            Status::Incomplete
        } else {
            Status::Succeeded
        }
    }
}
