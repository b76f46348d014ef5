//! Metrics, in the embedded metric format: a JSON line in the log, which `CloudWatch` turns into metrics by itself. No call
//! is made. No dimension is an id: a rotation's id is a property beside them.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::fmt;
use std::io::Write;

use serde_json::{Value, json};

use crate::status::{Counts, Status};
use crate::time::Timestamp;

/// The namespace of every metric. Alarms in `template.yaml` name it, too.
pub const NAMESPACE: &str = "rerole";

/// Where metrics go.
pub struct Metrics {
    /// The one dimension that all metrics have, so that two stacks in one account can be told apart.
    function_name: String,
    /// Takes each line, without its end.
    out: Box<dyn Fn(String) + Send + Sync>,
}

/// What one invocation did of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceMetrics<'a> {
    /// The ledger key.
    pub rotation_id: &'a str,
    /// What the ledger counted before, and what it counts now. Absent where it could not be told, so that the next slice
    /// counts what this one did; and in a dry run, which moves nothing.
    pub associations: Option<(Counts, Counts)>,
    /// EKS calls answered with a throttle.
    pub throttled_calls: u64,
    /// How the rotation ended, where it did.
    pub ended: Option<Status>,
}

/// How the index is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexMetrics {
    /// Regions whose index is not complete, or has not been for longer than it may.
    pub stale_regions: u64,
    /// EKS calls answered with a throttle.
    pub throttled_calls: u64,
    /// Of a run that came to its end: differences to EKS that it healed, each an event that did not arrive.
    pub healed: Option<u64>,
    /// Of a run that came to its end: clusters and regions that it could not look at.
    pub troubles: Option<u64>,
}

impl Metrics {
    /// Metrics of the function of this name; `out` takes each line.
    #[must_use]
    pub fn new(function_name: String, out: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self { function_name, out: Box::new(out) }
    }

    /// Metrics in the log, which is the function's standard output.
    #[must_use]
    pub fn in_log(function_name: String) -> Self {
        Self::new(function_name, |line| {
            // In one piece, so that no other line of the log comes in between.
            if let Err(error) = std::io::stdout().write_all(format!("{line}\n").as_bytes()) {
                tracing::warn!(%error, "metrics could not be written");
            }
        })
    }

    /// An invocation has done its part of a rotation.
    pub fn slice(&self, now: Timestamp, slice: &SliceMetrics<'_>) {
        let mut counts = vec![("ThrottledCalls", slice.throttled_calls)];
        if let Some((before, after)) = &slice.associations {
            let skipped = |counts: &Counts| {
                counts.already_current + counts.deleted + counts.owned_by_addon + counts.not_attempted
            };
            counts.extend([
                ("AssociationsUpdated", after.updated.saturating_sub(before.updated)),
                ("AssociationsFailed", after.failed.saturating_sub(before.failed)),
                ("AssociationsDrifted", after.drifted.saturating_sub(before.drifted)),
                ("AssociationsSkipped", skipped(after).saturating_sub(skipped(before))),
            ]);
        }
        let work = MetricSet { dimensions: &["FunctionName"], counts: &counts };
        let about = [("rotationId", json!(slice.rotation_id))];
        match slice.ended {
            None => self.write(now, &about, &[work]),
            Some(status) => {
                let [rotation_id] = about;
                self.write(now, &[rotation_id, ("Status", json!(status))], &[work, ROTATION_ENDED]);
            }
        }
    }

    /// An event was rejected.
    pub fn rejected(&self, now: Timestamp, rotation_id: &str) {
        let about = [("rotationId", json!(rotation_id)), ("Status", json!(Status::Rejected))];
        self.write(now, &about, &[ROTATION_ENDED]);
    }

    /// This many rotations are open without anybody at work on them. A zero counts, too: it ends the alarm.
    pub fn stalled(&self, now: Timestamp, count: u64) {
        self.write(now, &[], &[MetricSet { dimensions: &["FunctionName"], counts: &[("StalledRotations", count)] }]);
    }

    /// Associations came back to a role that was replaced. Nothing is written where none did.
    pub fn returned(&self, now: Timestamp, count: u64) {
        if count > 0 {
            let counts = [("AssociationsReturned", count)];
            self.write(now, &[], &[MetricSet { dimensions: &["FunctionName"], counts: &counts }]);
        }
    }

    /// The reconciler has been asked, whatever came of it.
    pub fn index(&self, now: Timestamp, index: &IndexMetrics) {
        let mut counts = vec![("StaleIndexRegions", index.stale_regions), ("ThrottledCalls", index.throttled_calls)];
        let of_run = [("IndexDifferencesHealed", index.healed), ("IndexTroubles", index.troubles)];
        counts.extend(of_run.into_iter().filter_map(|(name, count)| Some((name, count?))));
        self.write(now, &[], &[MetricSet { dimensions: &["FunctionName"], counts: &counts }]);
    }

    /// Writes one line: the sets by name, and dimensions, counts and whatever else the line is about beside them.
    fn write(&self, now: Timestamp, about: &[(&str, Value)], sets: &[MetricSet<'_>]) {
        let directive = |set: &MetricSet<'_>| {
            let names: Vec<_> = set.counts.iter().map(|(name, _)| json!({ "Name": name, "Unit": "Count" })).collect();
            json!({ "Namespace": NAMESPACE, "Dimensions": [set.dimensions], "Metrics": names })
        };
        let directives: Vec<_> = sets.iter().map(directive).collect();
        let mut line = json!({
            "_aws": { "Timestamp": now.as_millis(), "CloudWatchMetrics": directives },
            "FunctionName": self.function_name,
        });
        for (name, value) in about {
            line[name] = value.clone();
        }
        for (name, count) in sets.iter().flat_map(|set| set.counts) {
            line[name] = json!(count);
        }
        (self.out)(line.to_string());
    }
}

/// Counts that have the same dimensions.
struct MetricSet<'a> {
    dimensions: &'a [&'a str],
    counts: &'a [(&'a str, u64)],
}

/// A rotation came to its end, or was none.
const ROTATION_ENDED: MetricSet<'static> =
    MetricSet { dimensions: &["FunctionName", "Status"], counts: &[("Rotations", 1)] };

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").field("function_name", &self.function_name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use expect_test::{Expect, expect};

    use super::*;

    fn check(emit: impl FnOnce(&Metrics, Timestamp), expected: &Expect) {
        let (lines, written) = mpsc::channel();
        let metrics = Metrics::new("rerole-Rotate".to_owned(), move |line| lines.send(line).unwrap());
        emit(&metrics, Timestamp::from_millis(1_795_467_600_000));
        expected.assert_eq(&written.try_iter().collect::<String>());
    }

    fn slice() -> SliceMetrics<'static> {
        SliceMetrics {
            rotation_id: "app-2026",
            associations: Some((
                Counts { total: 9, pending: 4, updated: 3, failed: 1, deleted: 1, ..Counts::default() },
                Counts {
                    total: 9,
                    updated: 4,
                    failed: 1,
                    deleted: 1,
                    drifted: 2,
                    owned_by_addon: 1,
                    ..Counts::default()
                },
            )),
            throttled_calls: 7,
            ended: Some(Status::CompletedWithFailures),
        }
    }

    #[test]
    fn a_slice_counts_what_it_settled_and_how_the_rotation_ended() {
        check(
            |metrics, now| metrics.slice(now, &slice()),
            &expect![[
                r#"{"AssociationsDrifted":2,"AssociationsFailed":0,"AssociationsSkipped":1,"AssociationsUpdated":1,"FunctionName":"rerole-Rotate","Rotations":1,"Status":"CompletedWithFailures","ThrottledCalls":7,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName"]],"Metrics":[{"Name":"ThrottledCalls","Unit":"Count"},{"Name":"AssociationsUpdated","Unit":"Count"},{"Name":"AssociationsFailed","Unit":"Count"},{"Name":"AssociationsDrifted","Unit":"Count"},{"Name":"AssociationsSkipped","Unit":"Count"}],"Namespace":"rerole"},{"Dimensions":[["FunctionName","Status"]],"Metrics":[{"Name":"Rotations","Unit":"Count"}],"Namespace":"rerole"}],"Timestamp":1795467600000},"rotationId":"app-2026"}"#
            ]],
        );
    }

    #[test]
    fn a_slice_that_does_not_end_the_rotation_counts_none() {
        check(
            |metrics, now| metrics.slice(now, &SliceMetrics { ended: None, ..slice() }),
            &expect![[
                r#"{"AssociationsDrifted":2,"AssociationsFailed":0,"AssociationsSkipped":1,"AssociationsUpdated":1,"FunctionName":"rerole-Rotate","ThrottledCalls":7,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName"]],"Metrics":[{"Name":"ThrottledCalls","Unit":"Count"},{"Name":"AssociationsUpdated","Unit":"Count"},{"Name":"AssociationsFailed","Unit":"Count"},{"Name":"AssociationsDrifted","Unit":"Count"},{"Name":"AssociationsSkipped","Unit":"Count"}],"Namespace":"rerole"}],"Timestamp":1795467600000},"rotationId":"app-2026"}"#
            ]],
        );
    }

    #[test]
    fn a_dry_run_moves_no_association() {
        let ended = Some(Status::Planned);
        check(
            |metrics, now| metrics.slice(now, &SliceMetrics { associations: None, ended, ..slice() }),
            &expect![[
                r#"{"FunctionName":"rerole-Rotate","Rotations":1,"Status":"Planned","ThrottledCalls":7,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName"]],"Metrics":[{"Name":"ThrottledCalls","Unit":"Count"}],"Namespace":"rerole"},{"Dimensions":[["FunctionName","Status"]],"Metrics":[{"Name":"Rotations","Unit":"Count"}],"Namespace":"rerole"}],"Timestamp":1795467600000},"rotationId":"app-2026"}"#
            ]],
        );
    }

    #[test]
    fn a_rejection_is_a_rotation_by_status() {
        check(
            |metrics, now| metrics.rejected(now, "rejected/e-1"),
            &expect![[
                r#"{"FunctionName":"rerole-Rotate","Rotations":1,"Status":"Rejected","_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName","Status"]],"Metrics":[{"Name":"Rotations","Unit":"Count"}],"Namespace":"rerole"}],"Timestamp":1795467600000},"rotationId":"rejected/e-1"}"#
            ]],
        );
    }

    #[test]
    fn no_stalled_rotation_is_a_measurement_too() {
        check(
            |metrics, now| metrics.stalled(now, 0),
            &expect![[
                r#"{"FunctionName":"rerole-Rotate","StalledRotations":0,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName"]],"Metrics":[{"Name":"StalledRotations","Unit":"Count"}],"Namespace":"rerole"}],"Timestamp":1795467600000}}"#
            ]],
        );
    }
}
