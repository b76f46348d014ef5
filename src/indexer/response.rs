//! What an invocation of the `indexer` function returns if it succeeds. Errors are in `error`.

use aws_lambda_events::event::sqs::SqsBatchResponse;
use rerole_core::indexing::{Run, RunCounts, RunError, RunRequest};
use rerole_core::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::indexer::reconciler::{Reconciled, SliceEnd};

/// The response of an invocation that succeeds.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum IndexerResponse {
    /// The messages that the queue has to deliver again.
    Followed(SqsBatchResponse),
    Reconciled(Box<Report>),
}

/// What an invocation did of an index run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub status: ReportStatus,
    /// Absent if there was no run to resume.
    #[serde(flatten)]
    pub run: Option<RunReport>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportStatus {
    /// The run is finished.
    Finished,
    /// Time was up. The state machine resumes the run, or else the next schedule.
    InProgress,
    /// The run yielded to an active rotation. The next schedule resumes it.
    Yielded,
    /// Another invocation works on the run.
    AlreadyRunning,
    /// There was no run to resume.
    NothingToResume,
}

/// An index run as reports show it. An absent value is null, so readers find every name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    #[serde(flatten)]
    pub request: RunRequest,
    pub counts: RunCounts,
    pub errors: Vec<RunError>,
    pub error_count: u64,
    /// The clusters that the stack leaves out of its index, as `region/cluster`.
    #[serde(default)]
    pub excluded: Vec<String>,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

impl From<Run> for RunReport {
    fn from(run: Run) -> Self {
        let Run {
            request,
            counts,
            errors,
            error_count,
            excluded,
            started_at,
            finished_at,
            ..
        } = run;
        Self {
            request,
            counts,
            errors,
            error_count,
            excluded,
            started_at,
            finished_at,
        }
    }
}

/// Returns the report of what the reconciler did.
#[must_use]
pub fn report(reconciled: Reconciled) -> Report {
    let (status, run) = match reconciled {
        Reconciled::NothingToResume => {
            return Report {
                status: ReportStatus::NothingToResume,
                run: None,
            };
        }
        Reconciled::AlreadyRunning(run) => (ReportStatus::AlreadyRunning, run),
        Reconciled::Slice { run, end, .. } => {
            let status = match end {
                SliceEnd::Finished => ReportStatus::Finished,
                SliceEnd::OutOfTime => ReportStatus::InProgress,
                SliceEnd::Yielded => ReportStatus::Yielded,
            };
            (status, run)
        }
    };
    Report {
        status,
        run: Some((*run).into()),
    }
}

#[cfg(test)]
mod tests {
    use rerole_core::indexing::Mode;
    use serde_json::{Value, json};

    use super::*;

    fn run() -> Box<Run> {
        let request = RunRequest {
            mode: Mode::Full,
            regions: vec!["eu-west-1".to_owned()],
            cluster_names: None,
            exclude_clusters: Vec::new(),
        };
        Box::new(Run::start(request, 1, Timestamp::from_millis(0)))
    }

    #[test]
    fn each_result_has_its_status_and_shows_the_run_if_there_is_one() {
        let slice = |end| Reconciled::Slice {
            run: run(),
            end,
            has_advanced: true,
        };
        for (reconciled, status, has_run) in [
            (slice(SliceEnd::Finished), "Finished", true),
            (slice(SliceEnd::OutOfTime), "InProgress", true),
            (slice(SliceEnd::Yielded), "Yielded", true),
            (Reconciled::AlreadyRunning(run()), "AlreadyRunning", true),
            (Reconciled::NothingToResume, "NothingToResume", false),
        ] {
            let report = report(reconciled);
            let mut expected = json!({ "status": status });
            if has_run {
                expected["mode"] = json!("full");
                expected["regions"] = json!(["eu-west-1"]);
                expected["counts"] = json!(RunCounts::default());
                expected["excluded"] = json!([]);
                expected["errors"] = json!([]);
                expected["errorCount"] = json!(0);
                expected["startedAt"] = json!("1970-01-01T00:00:00.000Z");
                expected["finishedAt"] = Value::Null;
            }
            let shown = serde_json::to_value(&report).unwrap();
            assert_eq!(shown, expected);
            assert_eq!(serde_json::from_value::<Report>(shown).unwrap(), report);
        }
    }
}
