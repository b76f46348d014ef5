//! What `rerole list` lists: rotations and rejected events.

use rerole::aws::page::{PageLimit, paginate};
use rerole_core::call::CallError;
use rerole_core::rotation::{PauseCause, RotationRecord, Status};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::answer::Next;
use crate::failure::Failure;
use crate::found::{BEGINNING, Found};
use crate::frozen::FreezeView;
use crate::invalid_flag::Flag;
use crate::rotation::counts;
use crate::rotation::rejected::RejectedView;
use crate::stack::Stack;
use crate::verbs::list::flags::ListFlags;

/// With 250 events on a page, far more than a sender makes by mistake.
const REJECTION_PAGES: PageLimit = PageLimit {
    list: "rejected events",
    pages_max: 1_000,
};

/// The rotations and the rejected events that were asked for, latest first.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct List {
    /// The freeze of the stack. Null if it is not frozen.
    pub frozen: Option<FreezeView>,
    /// Finished rotations and rejected events are listed from this time on.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub since: Option<Timestamp>,
    pub rotations: Vec<ListedRotation>,
    pub rejected: Vec<RejectedView>,
    /// The keys of items that cannot be read. Another version of rerole may have written them.
    pub malformed: Vec<String>,
}

/// A rotation in the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ListedRotation {
    /// Its key in the ledger, which commands take.
    pub id: String,
    #[cfg_attr(test, schemars(with = "String"))]
    pub status: Status,
    /// Why it is paused, if it is: `Operator` or `Frozen`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub status_cause: Option<PauseCause>,
    pub old_role_arn: String,
    pub new_role_arn: String,
    /// Its associations, and how many of them are settled or have failed.
    pub total: u64,
    pub settled: u64,
    pub failed: u64,
    /// When its last attempt started, or was queued.
    #[cfg_attr(test, schemars(with = "String"))]
    pub started_at: Timestamp,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub finished_at: Option<Timestamp>,
    /// Who asked for it, as the event claims.
    pub requested_by: Option<String>,
}

impl From<&RotationRecord> for ListedRotation {
    fn from(record: &RotationRecord) -> Self {
        let counts = counts(record);
        let requested_by = record.envelope.claims.requested_by.as_ref();
        Self {
            id: record.key.to_string(),
            status: record.status(),
            status_cause: record.state.pause_cause(),
            old_role_arn: record.old_role_arn.to_string(),
            new_role_arn: record.new_role_arn.to_string(),
            total: counts.total,
            settled: counts.total - counts.pending.min(counts.total),
            failed: counts.failed,
            started_at: record.last_started_at(),
            finished_at: record.finished_at(),
            requested_by: requested_by.map(ToString::to_string),
        }
    }
}

impl List {
    /// Reads the rotations and rejected events that the flags ask for.
    ///
    /// # Errors
    /// If a flag is invalid, or the ledger cannot be read.
    pub async fn read(stack: &Stack, flags: &ListFlags) -> Result<Self, Failure> {
        let since = flags.since(stack.aws.now());
        let finished_since = since.unwrap_or(BEGINNING);
        let statuses = flags.filter.statuses();
        let found = if let Some(role) = &flags.role {
            let role = stack.role(Flag("--role"), role)?;
            let mut found = Found::of_role(stack, &role).await?;
            found.records.retain(|record| {
                let is_recent = record.finished_at().is_none_or(|at| at >= finished_since);
                statuses.contains(&record.status()) && is_recent
            });
            found
        } else {
            let (open, finished): (Vec<_>, Vec<_>) =
                statuses.iter().partition(|status| !status.is_final());
            let open = Found::open(stack, &open).await?;
            open.with(Found::finished(stack, &finished, finished_since).await?)
        };
        let rejected = if flags.lists_rejected() {
            rejected(stack, finished_since).await?
        } else {
            Vec::new()
        };
        Ok(Self {
            frozen: FreezeView::of(&stack.aws.ledger.stack().read().await?),
            since,
            rotations: found.records.iter().map(ListedRotation::from).collect(),
            rejected,
            malformed: found.malformed,
        })
    }

    /// The commands that make sense next: about the rotation that needs a person most.
    pub fn next(&self, flags: &ListFlags) -> Vec<Next> {
        let mut next = Vec::new();
        let urgency = |it: &&ListedRotation| match it.status {
            Status::Paused => 0,
            Status::Failed | Status::CompletedWithFailures | Status::RollbackIncomplete => 1,
            status if !status.is_final() => 2,
            _ => 3,
        };
        if let Some(first) = self.rotations.iter().min_by_key(urgency) {
            let status = format!("rerole status {}", first.id);
            next.push(Next::new(status).to("what happened to it, and what to do"));
        }
        if let Some(first) = self.rejected.first() {
            let status = format!("rerole status {}", first.id);
            next.push(Next::new(status).to("why the event was rejected"));
        }
        if self.frozen.is_some() {
            next.push(Next::new("rerole unfreeze").to("let all rotations continue"));
        }
        if !flags.filter.is_all() {
            next.push(Next::new("rerole list --all").to("all rotations, of any age"));
        }
        next
    }
}

async fn rejected(stack: &Stack, since: Timestamp) -> Result<Vec<RejectedView>, CallError> {
    let rejections = stack.aws.ledger.rejections();
    let mut pages = paginate(REJECTION_PAGES, async |start| {
        rejections.latest(since, start).await
    });
    let mut views = Vec::new();
    while let Some(page) = pages.next::<_, CallError>().await? {
        views.extend(page.iter().map(RejectedView::from));
    }
    Ok(views)
}
