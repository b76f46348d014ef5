//! What a report says: the one value that each format renders, and how it is read from the ledger
//! and the index. Its rows are in `rows`, and what did not move in `causes`.

use rerole::aws::ledger::{ROW_PAGES, Select};
use rerole::aws::page::paginate;
use rerole_core::call::CallError;
use rerole_core::keys::{LedgerKey, RotationKey};
use rerole_core::request::Envelope;
use rerole_core::rotation::{Outcome, RotationRecord};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::drain::Drain;
use crate::preflight::Preflight;
use crate::rotation::RotationView;
use crate::rotation::causes::{Cause, causes};
use crate::rotation::history::History;
use crate::rotation::report_rows::{ReportRow, Workload, workloads};
use crate::stack::{CLI_VERSION, Origin, Stack};
use crate::verbs::who::view::Who;

/// The version of the form of a report's data.
const VERSION: u32 = 1;

/// A report about a rotation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    // The first member: the command that verifies the digest finds the data by it.
    /// The version of this form. It changes if a member is removed or means something else.
    #[serde(rename = "reportVersion")]
    pub version: u32,
    /// When the ledger and the index were read.
    #[cfg_attr(test, schemars(with = "String"))]
    pub as_of: Timestamp,
    /// Whether the rotation is finished. Otherwise its rows and counts still change.
    pub is_finished: bool,
    pub cli_version: String,
    pub stack: Origin,
    /// The verdict about the role that the rotation leaves.
    pub old_role: Who,
    pub rotation: RotationView,
    pub event: EventView,
    #[serde(flatten)]
    pub history: History,
    /// What did not move, by outcome and error.
    pub causes: Vec<Cause>,
    /// Whether the new role works, as of now. Null without evidence, or if a role does not exist
    /// any more.
    pub preflight: Option<Preflight>,
    /// Whether the old role is free, as of now. Null without evidence, and for a dry run.
    pub drain: Option<Drain>,
    /// The rollback of the rotation, if there is one.
    pub rollback: Option<RotationView>,
    /// The workloads that a rollback has given their former role: their running pods keep the
    /// credentials that they have until these expire or the pods restart.
    pub restarts: Vec<Workload>,
    /// The associations in the order of their ARNs, and after them those that another actor has
    /// moved back.
    pub rows: Vec<ReportRow>,
}

/// The event that asked for the rotation. CloudTrail has its ID, and the log of the rotate function
/// the ID of the invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EventView {
    pub id: Option<String>,
    pub source: String,
    pub account: Option<String>,
    pub region: Option<String>,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub time: Option<Timestamp>,
    /// The invocation that received it.
    pub request_id: Option<String>,
}

impl From<&Envelope> for EventView {
    fn from(envelope: &Envelope) -> Self {
        let event = &envelope.event;
        Self {
            id: event.id.clone(),
            source: event.source.clone(),
            account: event.account.clone(),
            region: event.region.clone(),
            time: event.time,
            request_id: envelope.request_id.clone(),
        }
    }
}

impl Report {
    /// Reads all that the ledger and the index have about a rotation, and no evidence beside that.
    ///
    /// # Errors
    /// If a table cannot be read.
    pub async fn read(stack: &Stack, record: &RotationRecord) -> Result<Self, CallError> {
        let as_of = stack.aws.now();
        let key = &record.key;
        let ledger_key: LedgerKey = key.clone().into();
        // The rows are read after the record: what is settled in between is in the rows alone.
        let (rotation, history) = tokio::try_join!(
            RotationView::of(stack, record),
            History::read(stack, &ledger_key),
        )?;
        let rows = read_rows(stack, key).await?;
        let rollback = rollback(stack, key).await?;
        let moved_back = match (&rollback, key) {
            (Some(rollback), _) => read_rows(stack, &rollback.key).await?,
            (None, RotationKey::Rollback(_)) => rows.clone(),
            (None, _) => Vec::new(),
        };
        let rollback = match &rollback {
            None => None,
            Some(record) => Some(Box::pin(RotationView::of(stack, record)).await?),
        };
        // The verdict comes last: it must not be older than the rows.
        let old_role = Box::pin(Who::read(stack, &record.old_role_arn)).await?;
        Ok(Self {
            version: VERSION,
            as_of,
            is_finished: record.state.end().is_some(),
            cli_version: CLI_VERSION.to_owned(),
            stack: stack.origin.clone(),
            old_role,
            rotation,
            event: EventView::from(&record.envelope),
            history,
            causes: causes(&rows),
            preflight: None,
            drain: None,
            rollback,
            restarts: workloads(moved_back.iter().filter(|row| row.is(Outcome::Updated))),
            rows,
        })
    }
}

/// Reads the rollback of a rotation, if it has one.
async fn rollback(stack: &Stack, key: &RotationKey) -> Result<Option<RotationRecord>, CallError> {
    match key {
        RotationKey::Rotation(id) => {
            let key = RotationKey::Rollback(id.clone());
            stack.aws.ledger.rotations().read(&key).await
        }
        _ => Ok(None),
    }
}

async fn read_rows(stack: &Stack, key: &RotationKey) -> Result<Vec<ReportRow>, CallError> {
    let mut all = Vec::new();
    let rows = stack.aws.ledger.rows(key);
    let mut pages = paginate(ROW_PAGES, async |start| rows.page(Select::All, start).await);
    while let Some(page) = pages.next::<_, CallError>().await? {
        all.extend(page.iter().map(ReportRow::from));
    }
    let reversions = stack.aws.ledger.reversions();
    let mut pages = paginate(ROW_PAGES, async |start| reversions.page(key, start).await);
    while let Some(page) = pages.next::<_, CallError>().await? {
        all.extend(page.iter().map(ReportRow::from));
    }
    Ok(all)
}
