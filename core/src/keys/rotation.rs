//! The key of one rotation, which is also the ID by which its users name it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::request::{ROTATION_ID_FORM, RotationId, RotationRequest};

const DRY_RUN_PREFIX: &str = "dry-run/";
const ROLLBACK_PREFIX: &str = "rollback/";

/// Identifies one rotation in the ledger. A dry run has a key of its own, so it never blocks the
/// rotation with the same ID. A rollback has the ID of the rotation that it takes back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RotationKey {
    /// `<id>`
    Rotation(RotationId),
    /// `dry-run/<id>`
    DryRun(RotationId),
    /// `rollback/<id>`
    Rollback(RotationId),
    /// `dry-run/rollback/<id>`
    RollbackDryRun(RotationId),
}

/// The text is not the key of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not allowed; allowed: {form}", form = RotationKey::form())]
pub struct InvalidRotationKey(String);

impl RotationKey {
    /// Returns the key of a requested rotation.
    #[must_use]
    pub fn of(request: &RotationRequest) -> Self {
        let rotation_id = request.rotation_id.clone();
        match (&request.rollback, request.dry_run) {
            (None, false) => Self::Rotation(rotation_id),
            (None, true) => Self::DryRun(rotation_id),
            (Some(_), false) => Self::Rollback(rotation_id),
            (Some(_), true) => Self::RollbackDryRun(rotation_id),
        }
    }

    #[must_use]
    pub fn rotation_id(&self) -> &RotationId {
        match self {
            Self::Rotation(rotation_id)
            | Self::DryRun(rotation_id)
            | Self::Rollback(rotation_id)
            | Self::RollbackDryRun(rotation_id) => rotation_id,
        }
    }

    /// Returns the key of what a dry run tries out, and other keys as they are.
    #[must_use]
    pub fn without_dry_run(&self) -> Self {
        match self {
            Self::DryRun(rotation_id) => Self::Rotation(rotation_id.clone()),
            Self::RollbackDryRun(rotation_id) => Self::Rollback(rotation_id.clone()),
            Self::Rotation(_) | Self::Rollback(_) => self.clone(),
        }
    }

    /// Returns the form of a key, for error messages.
    #[must_use]
    pub fn form() -> String {
        format!(
            "{ROTATION_ID_FORM}, prefixed with \"{ROLLBACK_PREFIX}\" for a rollback, and with \
             \"{DRY_RUN_PREFIX}\" for a dry run"
        )
    }
}

impl FromStr for RotationKey {
    type Err = InvalidRotationKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let dry_run = text.strip_prefix(DRY_RUN_PREFIX);
        let rest = dry_run.unwrap_or(text);
        let rollback = rest.strip_prefix(ROLLBACK_PREFIX);
        let key = match (dry_run, rollback) {
            (None, None) => Self::Rotation,
            (Some(_), None) => Self::DryRun,
            (None, Some(_)) => Self::Rollback,
            (Some(_), Some(_)) => Self::RollbackDryRun,
        };
        let key = RotationId::new(rollback.unwrap_or(rest)).map(key);
        key.ok_or_else(|| InvalidRotationKey(text.to_owned()))
    }
}

impl TryFrom<String> for RotationKey {
    type Error = InvalidRotationKey;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RotationKey> for String {
    fn from(key: RotationKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for RotationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotation(rotation_id) => write!(f, "{rotation_id}"),
            Self::DryRun(rotation_id) => write!(f, "{DRY_RUN_PREFIX}{rotation_id}"),
            Self::Rollback(rotation_id) => write!(f, "{ROLLBACK_PREFIX}{rotation_id}"),
            Self::RollbackDryRun(rotation_id) => {
                write!(f, "{DRY_RUN_PREFIX}{ROLLBACK_PREFIX}{rotation_id}")
            }
        }
    }
}
