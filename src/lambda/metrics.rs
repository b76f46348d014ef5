//! Metrics in the embedded metric format: a JSON line in the log, from which `CloudWatch` extracts
//! the metrics. No call is made. An ID is never a dimension, because each value of a dimension is a
//! metric of its own: a rotation's ID is a property of the line.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::fmt;
use std::io::Write;

use rerole_core::keys::{LedgerKey, RotationKey};
use rerole_core::rotation::{Counts, Status};
use rerole_core::timestamp::Timestamp;
use serde_json::{Value, json};

/// The namespace of every metric. The alarms in `template.yaml` also name it.
pub const NAMESPACE: &str = "rerole";
/// One rotation finished, or was rejected. The line has its status.
const ROTATION_ENDED: MetricSet<'static> = MetricSet {
    dimensions: &["FunctionName", "Status"],
    counts: &[("Rotations", 1)],
};

/// Writes metrics.
pub struct Metrics {
    /// The dimension that all metrics have. It tells two stacks in one account apart.
    function_name: String,
    /// Writes a line. The line has no line feed at its end.
    write_line: Box<dyn Fn(String) + Send + Sync>,
}

/// What one slice of a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceMetrics<'a> {
    pub key: &'a RotationKey,
    /// The ledger's counts before and after the slice. `None` if the slice could not save its
    /// counts, because the next slice then reports them; and in a dry run, which moves nothing.
    pub associations: Option<(Counts, Counts)>,
    /// EKS calls that were throttled.
    pub throttled_calls: u64,
    /// The final status, if the slice finished the rotation.
    pub ended: Option<Status>,
}

/// The state of the index after an invocation of the reconciler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexMetrics {
    /// Regions whose index was never complete, or was last complete too long ago.
    pub stale_regions: u64,
    /// EKS calls that were throttled.
    pub throttled_calls: u64,
    /// If the run finished: how many differences from EKS it repaired. Each is an event that did
    /// not arrive.
    pub repaired: Option<u64>,
    /// If the run finished: how many clusters and regions it could not read to the end.
    pub errors: Option<u64>,
}

/// What an invocation of the publisher did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishMetrics {
    /// Events that the bus accepted, in order, before the first one that failed.
    pub published: u64,
    /// Items that do not have the form of the contract. They are left out.
    pub unpublishable: u64,
}

impl Metrics {
    /// Creates metrics of the function with this name. `write_line` writes each line.
    #[must_use]
    pub fn new(function_name: String, write_line: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self {
            function_name,
            write_line: Box::new(write_line),
        }
    }

    /// Creates metrics that are written to the log, which is the function's standard output.
    #[must_use]
    pub fn in_log(function_name: String) -> Self {
        Self::new(function_name, |line| {
            // One write, so no other log line can split this one.
            if let Err(error) = std::io::stdout().write_all(format!("{line}\n").as_bytes()) {
                tracing::warn!(%error, "could not write metrics");
            }
        })
    }

    /// Writes the metrics of one slice of a rotation.
    pub fn slice(&self, now: Timestamp, slice: &SliceMetrics<'_>) {
        let mut counts = vec![("ThrottledCalls", slice.throttled_calls)];
        if let Some((before, after)) = &slice.associations {
            let skipped = |counts: &Counts| {
                counts.already_current
                    + counts.deleted
                    + counts.owned_by_addon
                    + counts.not_attempted
                    + counts.changed_since
            };
            counts.extend([
                (
                    "AssociationsUpdated",
                    after.updated.saturating_sub(before.updated),
                ),
                (
                    "AssociationsFailed",
                    after.failed.saturating_sub(before.failed),
                ),
                (
                    "AssociationsDrifted",
                    after.drifted.saturating_sub(before.drifted),
                ),
                (
                    "AssociationsSkipped",
                    skipped(after).saturating_sub(skipped(before)),
                ),
            ]);
        }
        let work = MetricSet::of_function(&counts);
        let properties = [("rotationId", json!(slice.key))];
        match slice.ended {
            None => self.write(now, &properties, &[work]),
            Some(status) => {
                let [rotation_id] = properties;
                self.write(
                    now,
                    &[rotation_id, ("Status", json!(status))],
                    &[work, ROTATION_ENDED],
                );
            }
        }
    }

    /// Writes that a rotation was cancelled in its queue. No slice does.
    pub fn cancelled_in_queue(&self, now: Timestamp, key: &RotationKey) {
        let properties = [
            ("rotationId", json!(key)),
            ("Status", json!(Status::Cancelled)),
        ];
        self.write(now, &properties, &[ROTATION_ENDED]);
    }

    /// Writes that an event was rejected, and is recorded under this key.
    pub fn rejected(&self, now: Timestamp, key: &LedgerKey) {
        let properties = [
            ("rotationId", json!(key.to_string())),
            ("Status", json!(Status::Rejected)),
        ];
        self.write(now, &properties, &[ROTATION_ENDED]);
    }

    /// Writes how many open rotations no invocation works on. Zero is also written, because it ends
    /// the alarm.
    pub fn stalled(&self, now: Timestamp, count: u64, frozen_at: Option<Timestamp>) {
        let hours = frozen_at.map_or(0, |at| now.since(at).as_secs() / 3_600);
        let counts = [("StalledRotations", count), ("StackFrozenHours", hours)];
        self.write(now, &[], &[MetricSet::of_function(&counts)]);
    }

    /// Writes how many associations were found on a role that a rotation had replaced. Zero is not
    /// written.
    pub fn reverted(&self, now: Timestamp, count: u64) {
        if count > 0 {
            let counts = [("AssociationsReverted", count)];
            self.write(now, &[], &[MetricSet::of_function(&counts)]);
        }
    }

    /// Writes what an invocation of the publisher did.
    pub fn published(&self, now: Timestamp, publish: &PublishMetrics) {
        let counts = [
            ("EventsPublished", publish.published),
            ("ItemsNotPublished", publish.unpublishable),
        ];
        self.write(now, &[], &[MetricSet::of_function(&counts)]);
    }

    /// Writes the state of the index. Each invocation of the reconciler does so, even a failed one.
    pub fn index(&self, now: Timestamp, index: &IndexMetrics) {
        let mut counts = vec![
            ("StaleIndexRegions", index.stale_regions),
            ("ThrottledCalls", index.throttled_calls),
        ];
        let run_counts = [
            ("IndexDifferencesRepaired", index.repaired),
            ("IndexErrors", index.errors),
        ];
        counts.extend(
            run_counts
                .into_iter()
                .filter_map(|(name, count)| Some((name, count?))),
        );
        self.write(now, &[], &[MetricSet::of_function(&counts)]);
    }

    /// Writes one line. The values of dimensions and properties, and the counts, are members beside
    /// the directives that name them.
    fn write(&self, now: Timestamp, properties: &[(&str, Value)], sets: &[MetricSet<'_>]) {
        let directive = |set: &MetricSet<'_>| {
            let names: Vec<_> = set
                .counts
                .iter()
                .map(|(name, _)| json!({ "Name": name, "Unit": "Count" }))
                .collect();
            json!({ "Namespace": NAMESPACE, "Dimensions": [set.dimensions], "Metrics": names })
        };
        let directives: Vec<_> = sets.iter().map(directive).collect();
        let mut line = json!({
            "_aws": { "Timestamp": now.as_millis(), "CloudWatchMetrics": directives },
            "FunctionName": self.function_name,
        });
        for (name, value) in properties {
            line[name] = value.clone();
        }
        for (name, count) in sets.iter().flat_map(|set| set.counts) {
            line[name] = json!(count);
        }
        (self.write_line)(line.to_string());
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Metrics")
            .field("function_name", &self.function_name)
            .finish_non_exhaustive()
    }
}

/// Counts with the same dimensions.
struct MetricSet<'a> {
    dimensions: &'a [&'a str],
    counts: &'a [(&'a str, u64)],
}

impl<'a> MetricSet<'a> {
    /// Creates a set whose only dimension is the function.
    fn of_function(counts: &'a [(&'a str, u64)]) -> Self {
        Self {
            dimensions: &["FunctionName"],
            counts,
        }
    }
}

#[cfg(test)]
mod tests;
