//! Which index run is next. Only one run is active at a time. The ledger stores the
//! claim on condition of the fence.

use std::collections::BTreeMap;

use crate::indexing::{Mode, RUN_LEASE, ReconcileRequest, RegionIndex, Run, RunRequest};
use crate::timestamp::Timestamp;

/// The result of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// This run is next, and the caller may work on it under a new fence.
    Claimed(Box<Run>),
    /// Another invocation works on this run.
    Running(Box<Run>),
    /// No run is unfinished, waiting or requested.
    Nothing,
}

/// Chooses the run that is next: the unfinished one, otherwise the waiting one, otherwise the
/// requested one.
#[must_use]
pub fn claim(
    last: Option<Run>,
    waiting: Option<RunRequest>,
    request: &ReconcileRequest,
    now: Timestamp,
) -> Claim {
    let fence = last.as_ref().map_or(0, |run| run.fence) + 1;
    match last {
        Some(run) if run.finished_at.is_none() => {
            if run.lease_until.is_some_and(|until| now < until) {
                return Claim::Running(Box::new(run));
            }
            Claim::Claimed(Box::new(Run {
                fence,
                lease_until: Some(now + RUN_LEASE),
                ..run
            }))
        }
        _ => match (waiting, request) {
            (Some(request), _) => Claim::Claimed(Box::new(Run::start(request, fence, now))),
            (None, ReconcileRequest::Run(request)) => {
                Claim::Claimed(Box::new(Run::start(request.clone(), fence, now)))
            }
            (None, ReconcileRequest::Resume) => Claim::Nothing,
        },
    }
}

/// Returns whether a stack has not had its first full run yet: no region's index has ever been
/// complete, and the last run was none of that mode.
#[must_use]
pub fn is_first_run_due(indexes: &BTreeMap<String, RegionIndex>, last: Option<&Run>) -> bool {
    let was_full = last.is_some_and(|run| run.request.mode == Mode::Full);
    !was_full && indexes.values().all(|index| index.described_at.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexing::run::tests::{at, request, run};

    #[test]
    fn an_unfinished_run_precedes_a_waiting_one_and_that_precedes_a_requested_one() {
        let full = ReconcileRequest::Run(request(Mode::Full));
        let waiting = Some(RunRequest {
            regions: vec!["eu-west-1".to_owned()],
            ..request(Mode::Full)
        });
        let shown = |last, waiting, request: &ReconcileRequest| match claim(
            last,
            waiting,
            request,
            at(100),
        ) {
            Claim::Claimed(run) => {
                assert_eq!(run.lease_until, Some(at(100) + RUN_LEASE));
                let RunRequest { mode, regions, .. } = &run.request;
                format!("{mode:?} of {} as {}", regions.len(), run.fence)
            }
            Claim::Running(_) => "running".to_owned(),
            Claim::Nothing => "nothing".to_owned(),
        };
        for (last, waiting, request, expected) in [
            (None, None, &full, "Full of 2 as 1"),
            (None, None, &ReconcileRequest::Resume, "nothing"),
            (
                Some(run(None, Some(101))),
                waiting.clone(),
                &full,
                "running",
            ),
            (
                Some(run(None, Some(100))),
                waiting.clone(),
                &full,
                "ListOnly of 2 as 4",
            ),
            (
                Some(run(None, None)),
                None,
                &ReconcileRequest::Resume,
                "ListOnly of 2 as 4",
            ),
            (
                Some(run(Some(50), None)),
                waiting.clone(),
                &full,
                "Full of 1 as 4",
            ),
            (
                Some(run(Some(50), None)),
                waiting,
                &ReconcileRequest::Resume,
                "Full of 1 as 4",
            ),
            (Some(run(Some(50), None)), None, &full, "Full of 2 as 4"),
            (
                Some(run(Some(50), None)),
                None,
                &ReconcileRequest::Resume,
                "nothing",
            ),
        ] {
            assert_eq!(shown(last, waiting, request), expected);
        }
    }

    #[test]
    fn the_first_full_run_is_due_until_there_was_one() {
        let complete = RegionIndex {
            described_at: Some(at(1)),
            ..RegionIndex::default()
        };
        let full = Run::start(request(Mode::Full), 1, at(0));
        for (index, last, expected) in [
            (None, None, true),
            (Some(RegionIndex::default()), None, true),
            (None, Some(run(Some(50), None)), true),
            (None, Some(full), false),
            (Some(complete), None, false),
        ] {
            let indexes = index.map(|index| ("us-east-1".to_owned(), index));
            let indexes = indexes.into_iter().collect();
            assert_eq!(
                is_first_run_due(&indexes, last.as_ref()),
                expected,
                "{last:?}"
            );
        }
    }
}
