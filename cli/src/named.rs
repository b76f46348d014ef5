//! Finds what an operator names by an ID: a rotation, or an event that was rejected. For an ID that
//! does not exist, it says why, or names similar ones.

use std::time::Duration;

use rerole::aws::ledger::FoundRotation;
use rerole_core::call::CallError;
use rerole_core::keys::RotationKey;
use rerole_core::request::RotationId;
use rerole_core::rotation::{RotationRecord, Status};
use rerole_core::timestamp::Timestamp;

use crate::failure::Failure;
use crate::found::BEGINNING;
use crate::rotation::rejected::RejectedView;
use crate::stack::Stack;
use crate::words;

const REJECTED: &str = "rejected/";
/// Similar names are proposed, and not others. The measure is that of `clap`'s own proposals.
const SIMILARITY_MIN: f64 = 0.8;
const SIMILAR_MAX: usize = 5;
/// How far back rejected requests are looked for. The sender looks for them soon.
const REJECTED_WITHIN: Duration = Duration::from_hours(24 * 7);

/// What an ID names.
#[derive(Debug)]
pub enum Named {
    Rotation(Box<RotationRecord>),
    Rejected(Box<RejectedView>),
}

/// Finds a rotation or a rejected event.
///
/// # Errors
/// If there is neither, or the ledger cannot be read.
pub async fn find(stack: &Stack, id: &str) -> Result<Named, Failure> {
    let event_id = id.strip_prefix(REJECTED);
    if event_id.is_none()
        && let Ok(key) = id.parse::<RotationKey>()
        && let Some(record) = stack.aws.ledger.rotations().read(&key).await?
    {
        return Ok(Named::Rotation(Box::new(record)));
    }
    let rejections = stack.aws.ledger.rejections();
    match rejections.read(event_id.unwrap_or(id)).await? {
        Some(rejected) => Ok(Named::Rejected(Box::new((&rejected).into()))),
        None => Err(missing(stack, id).await?),
    }
}

/// Finds a rotation.
///
/// # Errors
/// As [`find`], or if it is a rejected event.
pub async fn find_rotation(stack: &Stack, id: &str) -> Result<RotationRecord, Failure> {
    match find(stack, id).await? {
        Named::Rotation(record) => Ok(*record),
        Named::Rejected(rejected) => Err(Failure::Refused(format!(
            "{} is an event that was rejected, so there is no rotation: {} {} is not allowed; \
             allowed: {}",
            rejected.id, rejected.field, rejected.value, rejected.allowed
        ))),
    }
}

/// Says why there is no such rotation, if the ledger shows it, and what there is.
async fn missing(stack: &Stack, id: &str) -> Result<Failure, CallError> {
    let since = stack.aws.now() - REJECTED_WITHIN;
    if let Some(rejected) = rejected_request(stack, id, since).await? {
        let status = stack.pasted(&format!("rerole status {}", rejected.id));
        return Ok(Failure::Refused(format!(
            "there is no rotation {id}: the event that asked for it was rejected; `{status}` says why"
        )));
    }
    let known = known_ids(stack, id).await?;
    Ok(Failure::Refused(match similar(id, known).as_slice() {
        [] => format!(
            "the ledger has no rotation {id}, and no rejected event with this ID; `rerole list \
             --all` lists the rotations"
        ),
        ids => format!(
            "the ledger has no rotation {id}; similar ones are {}",
            words::list(ids, SIMILAR_MAX)
        ),
    }))
}

/// Returns the latest rejected event that names this rotation.
async fn rejected_request(
    stack: &Stack,
    id: &str,
    since: Timestamp,
) -> Result<Option<RejectedView>, CallError> {
    let latest = stack.aws.ledger.rejections().latest(since, None).await?;
    let views = latest.items.iter().map(RejectedView::from);
    let mut named = views.filter(|view| view.rotation_id.as_deref() == Some(id));
    Ok(named.next())
}

/// The IDs of the latest rotations with each status, and those of the same ID with another prefix.
async fn known_ids(stack: &Stack, id: &str) -> Result<Vec<String>, CallError> {
    let mut ids = Vec::new();
    let plain = id.rsplit('/').next().and_then(RotationId::new);
    if let Some(id) = plain {
        for key in [
            RotationKey::Rotation(id.clone()),
            RotationKey::DryRun(id.clone()),
            RotationKey::Rollback(id.clone()),
            RotationKey::RollbackDryRun(id),
        ] {
            let found = stack.aws.ledger.rotations().read(&key).await?;
            ids.extend(found.map(|record| record.key.to_string()));
        }
    }
    for status in Status::of_rotations() {
        let rotations = stack.aws.ledger.rotations();
        let page = rotations.latest(status, BEGINNING, None).await?;
        ids.extend(page.items.into_iter().map(|found| match found {
            FoundRotation::Record(record) => record.key.to_string(),
            FoundRotation::Malformed { ledger_key } => ledger_key,
        }));
    }
    Ok(ids)
}

/// Returns the most similar of these IDs, the best one first.
fn similar(id: &str, known: Vec<String>) -> Vec<String> {
    let name = |id: &str| id.rsplit('/').next().unwrap_or(id).to_lowercase();
    let wanted = name(id);
    let mut rated: Vec<(f64, String)> = known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&wanted, &name(&known)), known))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .collect();
    rated.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    rated.dedup();
    rated.truncate(SIMILAR_MAX);
    rated.into_iter().map(|(_, id)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_ids_are_proposed_best_first() {
        let known = [
            "app-2026",
            "dry-run/app-2025",
            "app-2025",
            "payments",
            "APP-2025",
        ];
        let known = || known.map(str::to_owned).to_vec();
        let expected = ["APP-2025", "app-2025", "dry-run/app-2025", "app-2026"];
        assert_eq!(similar("app-2025x", known()), expected);
        assert_eq!(similar("zzz", known()), [""; 0]);
        assert_eq!(similar("rollback/payment", known()), ["payments"]);
    }
}
