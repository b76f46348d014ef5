//! What a test reads after its calls: items of the two tables, the state of EKS, the log of calls,
//! the metrics. Nothing here calls a handler.

use std::time::Duration;

use rerole_core::timestamp::Timestamp;
use rerole_sim::{CallRecord, Service};
use serde_json::Value;

use crate::common::environment::{INDEX, LEDGER, NEW};
use crate::common::guarantees::{Evidence, index};
use crate::harness::Harness;

impl Harness {
    /// Checks that the index holds exactly the associations of EKS, apart from `seenAt`.
    pub fn check_index(&self) {
        index::agrees_with_eks(&Evidence::of(&self.aws));
    }

    /// Waits until EKS shows `count` associations on the new role. Returns how long that took.
    pub async fn time_until_moved(&self, count: usize) -> Duration {
        let started_at = self.aws.now();
        while self.aws.eks(|eks| eks.association_count_on(NEW)) < count {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.aws.now().duration_since(started_at).unwrap()
    }

    /// The metrics that the handlers wrote, one object per line, in order.
    pub fn metrics(&self) -> Vec<Value> {
        let lines = self.metrics.lock().unwrap();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The sum of all values of a metric.
    pub fn metric_sum(&self, name: &str) -> u64 {
        let lines = self.metrics();
        lines.iter().filter_map(|line| line[name].as_u64()).sum()
    }

    /// The rotation's own item.
    pub fn rotation(&self, key: &str) -> Value {
        self.ledger_item(key, "rotation")
            .unwrap_or_else(|| panic!("no rotation {key}"))
    }

    /// What the ledger knows of a role.
    pub fn role(&self, role: &str) -> Value {
        self.ledger_item(&format!("role/{role}"), "role")
            .unwrap_or_else(|| panic!("no role {role}"))
    }

    pub fn ledger_item(&self, key: &str, entry: &str) -> Option<Value> {
        let has_key = |item: &Value| item["rotationId"] == key && item["entry"] == entry;
        self.aws.items(LEDGER).into_iter().find(has_key)
    }

    /// The rows of a rotation.
    pub fn rows(&self, key: &str) -> Vec<Value> {
        let is_row =
            |item: &Value| item["rotationId"] == key && item.get("associationArn").is_some();
        self.aws.items(LEDGER).into_iter().filter(is_row).collect()
    }

    pub fn row(&self, key: &str, arn: &str) -> Value {
        let row = self
            .rows(key)
            .into_iter()
            .find(|row| row["associationArn"] == arn);
        row.unwrap_or_else(|| panic!("no row {arn}"))
    }

    /// How many rows of the rotation have this outcome.
    pub fn count(&self, key: &str, outcome: &str) -> usize {
        self.rows(key)
            .iter()
            .filter(|row| row["outcome"] == outcome)
            .count()
    }

    /// The association's index item, unless it is a tombstone.
    pub fn index_item(&self, arn: &str) -> Option<Value> {
        self.index_entry(arn)
            .filter(|item| item.get("deletedAt").is_none())
    }

    /// The association's index item or tombstone.
    pub fn index_entry(&self, arn: &str) -> Option<Value> {
        self.aws
            .items(INDEX)
            .into_iter()
            .find(|item| item["associationArn"] == arn)
    }

    /// The association's role in EKS. `None` if EKS does not have the association.
    pub fn role_of(&self, arn: &str) -> Option<String> {
        self.aws.eks(|eks| {
            eks.association(arn)
                .map(|association| association.role_arn.clone())
        })
    }

    /// Calls of this operation so far, in order.
    pub fn calls(&self, operation: &str) -> Vec<CallRecord> {
        self.aws
            .calls_where(|record| record.call.operation == operation)
    }

    /// Calls of `UpdatePodIdentityAssociation` so far, in order.
    pub fn updates(&self) -> Vec<CallRecord> {
        self.calls("UpdatePodIdentityAssociation")
    }

    /// How many updates EKS has accepted, replays included.
    pub fn accepted_update_count(&self) -> usize {
        let updates = self.updates();
        let is_accepted = |update: &&CallRecord| update.status == Some(200);
        updates.iter().filter(is_accepted).count()
    }

    /// How many updates took effect. A replay has no effect.
    pub fn effective_update_count(&self) -> usize {
        self.updates()
            .iter()
            .filter(|update| update.applied_at.is_some() && !update.replayed)
            .count()
    }

    pub fn call_count(&self, service: Service) -> usize {
        let counts = self.aws.call_counts();
        counts
            .iter()
            .filter(|((of, _), _)| *of == service)
            .map(|(_, count)| count)
            .sum()
    }
}

/// A time in an item or a response.
pub fn timestamp(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}
