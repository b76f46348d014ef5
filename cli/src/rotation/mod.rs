//! A rotation as screens and JSON show it: its record, and what else the ledger knows of it. How it
//! is written as text is in `text`, its associations are in `rows`, with all that an auditor needs
//! in `report_rows`, and counted in `clusters`. Why some did not move is in `causes`, what happened
//! to it in `history`, and which commands make sense next in `next`. A rejected event, which is no
//! rotation, is in `rejected`.

pub mod causes;
pub mod clusters;
pub mod history;
pub mod next;
pub mod rejected;
pub mod report_rows;
pub mod rows;
pub mod text;

use rerole_core::call::CallError;
use rerole_core::keys::RotationKey;
use rerole_core::rotation::{Counts, PauseCause, RotationRecord, Status};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::stack::Stack;

/// A rotation. Its JSON has all of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RotationView {
    /// Its key in the ledger, which commands take: the ID, with `dry-run/` or `rollback/` in front.
    pub id: String,
    #[cfg_attr(test, schemars(with = "String"))]
    pub status: Status,
    /// Why it is paused, if it is: `Operator` or `Frozen`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub status_cause: Option<PauseCause>,
    /// Why it ended like this.
    pub reason: Option<String>,
    /// The rotation that it takes back, if it is a rollback.
    pub rollback_of: Option<String>,
    pub dry_run: bool,
    pub old_role_arn: String,
    pub new_role_arn: String,
    /// The lists of the request that limit it: `regions`, `clusterNames`, `namespaces`,
    /// `serviceAccounts`.
    pub scope: Value,
    pub max_errors: String,
    pub max_concurrency: Option<String>,
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<String, u64>"))]
    pub counts: Counts,
    /// Associations settled per second, over the last minute.
    pub settled_per_sec: Option<f64>,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub estimated_end_at: Option<Timestamp>,
    /// The progress in each region, while it runs and its plan is complete.
    pub regions: Vec<RegionView>,
    pub attempt: u32,
    #[cfg_attr(test, schemars(with = "String"))]
    pub started_at: Timestamp,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub queued_at: Option<Timestamp>,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub finished_at: Option<Timestamp>,
    /// Who asked for it and why, as the event claims.
    pub requested_by: Option<String>,
    pub request_reason: Option<String>,
    pub request_event_id: Option<String>,
    /// The number of the last entry of its timeline.
    pub timeline_seq: u64,
    /// It is open, and no invocation has worked on it for ten minutes.
    pub is_stalled: bool,
    /// What it waits for, if it is queued or paused.
    pub waits_for: Option<String>,
    /// Why the old role is in use now, if it is.
    pub old_role_in_use: Option<InUseView>,
    /// Until when pods may have credentials of the old role. Null while it is in use.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub old_role_in_use_until: Option<Timestamp>,
    /// The rollback of the rotation, if there is one.
    pub rollback: Option<RollbackView>,
}

/// The progress of a rotation in a region.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RegionView {
    pub region: String,
    pub total: u64,
    pub pending: u64,
    /// Associations settled per second, over the last minute.
    pub settled_per_sec: Option<f64>,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub estimated_end_at: Option<Timestamp>,
}

/// Why a role is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InUseView {
    #[cfg_attr(test, schemars(with = "String"))]
    pub since: Timestamp,
    /// A rotation, or the ARN of an association.
    pub by: String,
    pub why: String,
}

/// What a rotation shows of its rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RollbackView {
    pub id: String,
    #[cfg_attr(test, schemars(with = "String"))]
    pub status: Status,
}

impl RotationView {
    /// Reads the rotation, and what else the ledger and the index know of it.
    ///
    /// # Errors
    /// If there is no such rotation, or a table cannot be read.
    pub async fn read(stack: &Stack, key: &RotationKey) -> Result<Self, Failure> {
        let record = find(stack, key).await?;
        Ok(Box::pin(Self::of(stack, &record)).await?)
    }

    /// What the ledger and the index know of a rotation that was read.
    ///
    /// # Errors
    /// If a table cannot be read.
    pub async fn of(stack: &Stack, record: &RotationRecord) -> Result<Self, CallError> {
        let rules = stack.item_rules();
        let (old_role, rollback, waits_for) = tokio::try_join!(
            stack.aws.role_use(&record.old_role_arn, &rules),
            rollback_of(stack, &record.key),
            waits_for(stack, record),
        )?;
        let end = record.state.end();
        let request = &record.request;
        let claims = &record.envelope.claims;
        let mut view = Self {
            id: record.key.to_string(),
            status: record.status(),
            status_cause: record.state.pause_cause(),
            reason: end.and_then(|end| end.reason.clone()),
            rollback_of: record.rollback_of.as_ref().map(ToString::to_string),
            dry_run: request.dry_run,
            old_role_arn: record.old_role_arn.to_string(),
            new_role_arn: record.new_role_arn.to_string(),
            scope: serde_json::to_value(&request.scope).unwrap_or_default(),
            max_errors: request.max_errors.to_string(),
            max_concurrency: request.max_concurrency.map(|limit| limit.to_string()),
            counts: record.counts,
            settled_per_sec: None,
            estimated_end_at: None,
            regions: Vec::new(),
            attempt: record.attempt,
            started_at: record.started_at,
            queued_at: record.queued_at,
            finished_at: record.finished_at(),
            requested_by: claims.requested_by.as_ref().map(ToString::to_string),
            request_reason: claims.reason_text(),
            request_event_id: record.envelope.event.id.clone(),
            timeline_seq: record.timeline_seq,
            is_stalled: false,
            waits_for,
            old_role_in_use: old_role.in_use.map(|it| InUseView {
                since: it.since,
                by: it.by,
                why: it.why,
            }),
            old_role_in_use_until: old_role.until,
            rollback,
        };
        view.note_progress(record, stack.aws.now());
        Ok(view)
    }

    /// Takes over what changes without an entry in the timeline.
    pub fn note_progress(&mut self, record: &RotationRecord, now: Timestamp) {
        let is_open = record.finished_at().is_none();
        self.counts = counts(record);
        self.is_stalled = is_open && may_run(record.status()) && record.is_stalled(now);
        // What stands still has no rate.
        let runs = matches!(record.status(), Status::Planning | Status::InProgress);
        let progress = record.progress.as_ref();
        let progress = progress.filter(|_| runs && !self.is_stalled);
        self.settled_per_sec = progress.and_then(|it| it.settled_per_sec);
        self.estimated_end_at = progress.and_then(|it| it.estimated_end_at);
        let regions = progress.into_iter().flat_map(|progress| {
            let regions = progress.regions.iter();
            regions.map(|it| RegionView {
                region: it.region.clone(),
                total: it.total,
                pending: it.pending,
                settled_per_sec: it.settled_per_sec,
                estimated_end_at: it.left().map(|left| progress.at + left),
            })
        });
        self.regions = regions.collect();
    }
}

/// The latest counts: those of its progress while it runs.
pub fn counts(record: &RotationRecord) -> Counts {
    let progress = record.progress.as_ref().map(|progress| progress.counts);
    progress.unwrap_or(record.counts)
}

/// Reads a rotation that the operator names.
///
/// # Errors
/// If there is none, or the ledger cannot be read.
pub async fn find(stack: &Stack, key: &RotationKey) -> Result<RotationRecord, Failure> {
    let record = stack.aws.ledger.rotations().read(key).await?;
    record.ok_or_else(|| {
        Failure::Refused(format!(
            "the ledger has no rotation {key}; `rerole list --all` lists the rotations"
        ))
    })
}

/// Whether an open rotation with this status makes progress by itself.
fn may_run(status: Status) -> bool {
    matches!(
        status,
        Status::Planning | Status::InProgress | Status::Cancelling
    )
}

async fn rollback_of(stack: &Stack, key: &RotationKey) -> Result<Option<RollbackView>, CallError> {
    let RotationKey::Rotation(id) = key else {
        return Ok(None);
    };
    let key = RotationKey::Rollback(id.clone());
    let record = stack.aws.ledger.rotations().read(&key).await?;
    Ok(record.map(|record| RollbackView {
        id: key.to_string(),
        status: record.status(),
    }))
}

/// What a paused rotation waits for, or a queued one: the rotations that hold its roles, those
/// before it, or the end of a freeze.
async fn waits_for(stack: &Stack, record: &RotationRecord) -> Result<Option<String>, CallError> {
    const FREEZE: &str = "the end of the freeze (rerole unfreeze)";
    let ledger = &stack.aws.ledger;
    match (record.status(), record.state.pause_cause()) {
        (Status::Queued, _) => {}
        (_, Some(PauseCause::Operator)) => {
            return Ok(Some(format!("a person (rerole resume {})", record.key)));
        }
        (_, Some(PauseCause::Frozen)) => return Ok(Some(FREEZE.to_owned())),
        (_, None) => return Ok(None),
    }
    if ledger.stack().read().await?.is_frozen() {
        return Ok(Some(FREEZE.to_owned()));
    }
    let roles = ledger.roles().pair(&record.request).await?;
    let before = |role: &rerole_core::rotation::RoleRecord| {
        let waiting = role.waiting.iter().take_while(|key| **key != record.key);
        let all = role.held_by.iter().chain(waiting);
        all.map(ToString::to_string).collect::<Vec<_>>()
    };
    let mut keys = before(&roles.old);
    keys.extend(before(&roles.new));
    keys.sort_unstable();
    keys.dedup();
    Ok(Some(match keys.len() {
        0 => "its turn, which is about to come".to_owned(),
        _ => format!(
            "the rotations that need its roles first: {}",
            keys.join(", ")
        ),
    }))
}
