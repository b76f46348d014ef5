//! What the ledger says of the index, of open rotations, of a freeze, and of learned rates.

use std::time::Duration;

use rerole::aws::ledger::{FoundRotation, OPEN_ROTATION_PAGES};
use rerole::aws::page::paginate;
use rerole_core::call::CallError;
use rerole_core::rotation::{RotationRecord, Status};

use crate::coverage::Coverage;
use crate::stack::Stack;
use crate::verbs::doctor::finding::{Check, Finding};
use crate::words;

/// An unfinished index run is resumed within a quarter of an hour.
const RESUMED_AFTER: Duration = Duration::from_mins(30);
const READ: &str = "dynamodb:GetItem and dynamodb:Query on the ledger";

/// How old the index of each region is.
pub async fn index(stack: &Stack) -> Vec<Finding> {
    let check = Check("index");
    let coverage = match Coverage::read(stack).await {
        Ok(coverage) => coverage,
        Err(error) => return vec![check.failed(READ, &error)],
    };
    let now = stack.aws.now();
    let regions = coverage.regions.into_iter();
    let finding = |it: crate::coverage::RegionCoverage| {
        let region = &it.region;
        match it.complete_as_of {
            None => check
                .problem(format!(
                    "{region} was never complete, so rotations may miss associations"
                ))
                .todo(format!("rerole index build --region {region}")),
            Some(at) if it.is_stale => check
                .problem(format!(
                    "{region} is stale: complete as of {}",
                    words::time(at).seen_at(now)
                ))
                .todo(format!("rerole index build --region {region}")),
            Some(at) => check.ok(format!(
                "{region} is complete as of {}",
                words::time(at).seen_at(now)
            )),
        }
    };
    regions.map(finding).collect()
}

/// Whether the last index run could read everything.
pub async fn index_run(stack: &Stack) -> Vec<Finding> {
    let check = Check("index run");
    let now = stack.aws.now();
    let run = match stack.aws.ledger.index_runs().last().await {
        Err(error) => return vec![check.failed(READ, &error)],
        // The age of the index says so.
        Ok(None) => return Vec::new(),
        Ok(Some(run)) => run,
    };
    let idle_since = run.lease_until.unwrap_or(run.started_at);
    let finding = if run.error_count > 0 {
        let first = run.errors.first().map(crate::verify::unread);
        check
            .warning(format!(
                "the last run could not read {}: {}",
                words::count(run.error_count, "place"),
                first.unwrap_or_default()
            ))
            .todo("rerole index status; leave out what can never be read with IndexExclude")
    } else if run.finished_at.is_none() && now.since(idle_since) > RESUMED_AFTER {
        check
            .problem(format!(
                "a run started {} stands still",
                words::time(run.started_at).seen_at(now)
            ))
            .todo("look at the log of the indexer, and run rerole index build")
    } else {
        return Vec::new();
    };
    vec![finding]
}

/// Open rotations: stalled, paused and queued ones.
pub async fn rotations(stack: &Stack) -> Vec<Finding> {
    let check = Check("rotations");
    let mut open = Vec::new();
    let mut findings = Vec::new();
    for status in Status::OPEN {
        match by_status(stack, status).await {
            Err(error) => return vec![check.failed(READ, &error)],
            Ok(found) => {
                for found in found {
                    match found {
                        FoundRotation::Record(record) => open.push(record),
                        FoundRotation::Malformed { ledger_key } => findings.push(
                            check.problem(format!("{ledger_key} cannot be read")).todo(
                                "another version of rerole may have written it: rerole version",
                            ),
                        ),
                    }
                }
            }
        }
    }
    let now = stack.aws.now();
    let is_stalled = |record: &RotationRecord| {
        let works = matches!(
            record.status(),
            Status::Planning | Status::InProgress | Status::Cancelling
        );
        works && record.is_stalled(now)
    };
    for record in open.iter().filter(|it| is_stalled(it)) {
        findings.push(
            check
                .problem(format!(
                    "{} is stalled: no invocation has worked on it for ten minutes",
                    record.key
                ))
                .todo(format!(
                    "rerole resume {}; the log of the rotate function says why",
                    record.key
                )),
        );
    }
    let of = |status| open.iter().filter(move |it| it.status() == status);
    let names = |status| of(status).map(|it| it.key.to_string()).collect::<Vec<_>>();
    let paused = names(Status::Paused);
    if !paused.is_empty() {
        findings.push(
            check
                .warning(format!("paused: {}", words::list(&paused, 5)))
                .todo("rerole resume ID, or rerole cancel ID"),
        );
    }
    let queued = names(Status::Queued).len();
    let text = match (open.len(), queued) {
        (0, _) => "none is open".to_owned(),
        (open, 0) => format!("{open} open"),
        (open, queued) => format!("{open} open, {queued} of them queued"),
    };
    findings.push(check.ok(text));
    findings
}

async fn by_status(stack: &Stack, status: Status) -> Result<Vec<FoundRotation>, CallError> {
    let rotations = stack.aws.ledger.rotations();
    let mut pages = paginate(OPEN_ROTATION_PAGES, async |start| {
        rotations.by_status(status, start).await
    });
    let mut all = Vec::new();
    while let Some(page) = pages.next().await? {
        all.extend(page);
    }
    Ok(all)
}

/// Whether the stack is frozen.
pub async fn frozen(stack: &Stack) -> Vec<Finding> {
    let check = Check("freeze");
    let record = match stack.aws.ledger.stack().read().await {
        Err(error) => return vec![check.failed(READ, &error)],
        Ok(record) => record,
    };
    let Some(at) = record.frozen_at else {
        return Vec::new();
    };
    let by = record.frozen_by.and_then(|by| by.requested_by);
    let by = by.map_or_else(String::new, |by| format!(" by {by}"));
    let reason = record
        .reason
        .map_or_else(String::new, |reason| format!(": {reason}"));
    let since = words::time(at).seen_at(stack.aws.now());
    vec![
        check
            .warning(format!("the stack is frozen since {since}{by}{reason}"))
            .todo("rerole unfreeze, when the reason is gone"),
    ]
}

/// The rates that were learned.
pub async fn rates(stack: &Stack) -> Vec<Finding> {
    let check = Check("rates");
    let now = stack.aws.now();
    let mut texts = Vec::new();
    for region in stack.index_regions() {
        match stack.aws.ledger.rates().read(&region).await {
            Err(error) => return vec![check.failed(READ, &error)],
            Ok(None) => texts.push(format!("none learned in {region} yet")),
            Ok(Some(rate)) => texts.push(format!(
                "{region}: {:.1} EKS calls a second, learned {}",
                rate.per_sec.per_sec(),
                words::time(rate.learned_at).seen_at(now)
            )),
        }
    }
    texts.into_iter().map(|text| check.ok(text)).collect()
}
