//! What is left behind by a demonstration: the plain facts that the report shows and the checks judge.

use std::collections::{BTreeMap, BTreeSet};

use rerole::outcome::Outcome;
use rerole::record::Summary;
use rerole_sim::Association;
use serde::Deserialize;
use serde_json::Value;

/// A row of the ledger, as an operator reads it: by the contract's names and not by the code that wrote it.
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

/// The fleet before and after, both tables, and both replies. Sets hold association ARNs.
#[derive(Debug, Clone)]
pub struct Evidence {
    pub new_role: String,
    /// EKS before the first delivery, and after the second.
    pub before: BTreeMap<String, Association>,
    pub after: BTreeMap<String, Association>,
    /// Everything that the index had on the old role; the next three are among them.
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

impl Evidence {
    /// How this association has to end.
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

    /// Whether this association has to be on the new role in the end.
    pub fn has_to_move(&self, arn: &str) -> bool {
        self.rotating.contains(arn) && self.expected_outcome(arn) == Outcome::Updated
    }
}
