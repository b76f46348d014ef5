//! What the report and the checks need to know after a demo run. `simulation` collects it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rerole_core::rotation::{Outcome, Summary};
use rerole_sim::{Association, Service};
use serde::Deserialize;
use serde_json::Value;

/// The result of one event, including its redeliveries.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub summary: Summary,
    /// How often the event had to be delivered until the rotation was finished.
    pub deliveries: u32,
    pub took: Duration,
    /// The number of calls that the simulation received meanwhile, by service and operation.
    pub calls: BTreeMap<(Service, String), usize>,
    /// How many of them EKS throttled. `None` without `--throttle`.
    pub throttled: Option<usize>,
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

/// The fleet before and after, both tables, and both responses. Sets hold association ARNs.
#[derive(Debug, Clone)]
pub struct Evidence {
    pub new_role: String,
    /// EKS before the first delivery.
    pub before: BTreeMap<String, Association>,
    /// EKS after the second delivery.
    pub after: BTreeMap<String, Association>,
    /// All associations that the index showed on the old role. The next three are parts of them.
    pub rotating: BTreeSet<String>,
    pub drifted: BTreeSet<String>,
    pub owned_by_addon: BTreeSet<String>,
    pub refused: BTreeSet<String>,
    /// Every item of the index.
    pub index: Vec<Value>,
    /// The rotation's rows in the ledger.
    pub rows: Vec<LedgerRow>,
    pub first: Summary,
    pub second: Summary,
    pub second_eks_writes: usize,
}

impl Delivery {
    /// The number of calls that can change EKS.
    pub fn eks_writes(&self) -> usize {
        let is_read =
            |operation: &str| operation.starts_with("Describe") || operation.starts_with("List");
        self.calls_to(Service::Eks)
            .filter(|(operation, _)| !is_read(operation))
            .map(|(_, count)| count)
            .sum()
    }

    /// The operations of a service that were called, and the number of calls.
    pub fn calls_to(&self, service: Service) -> impl Iterator<Item = (&str, usize)> {
        let calls = self
            .calls
            .iter()
            .filter(move |((called, _), _)| *called == service);
        calls.map(|((_, operation), count)| (operation.as_str(), *count))
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
}
