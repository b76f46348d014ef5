//! What a command orders.

use serde::{Deserialize, Serialize};

use crate::keys::{LedgerKey, RotationKey};
use crate::request::{Envelope, MaxConcurrency, MaxErrors, Rollback, RotationRequest};

/// A command as it was sent, after the checks of its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The ID of the event.
    pub event_id: String,
    pub order: Order,
    /// The last entry of the timeline that the sender has seen.
    pub expected_seq: Option<u64>,
    pub envelope: Envelope,
}

/// What a command orders, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    Rotation(RotationKey, RotationOrder),
    Stack(StackOrder),
}

/// What a command about a rotation orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationOrder {
    Pause,
    Resume,
    Cancel,
    Retry,
    Rollback(RollbackOrder),
    Change(Limits),
}

/// How a rotation is to be taken back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RollbackOrder {
    pub rollback: Rollback,
    /// Only find out what would be taken back.
    pub dry_run: bool,
}

/// What a command about the stack orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StackOrder {
    Freeze,
    Unfreeze,
}

/// New limits of a rotation. At least one is present.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    pub max_errors: Option<MaxErrors>,
    pub max_concurrency: Option<MaxConcurrency>,
}

/// The name of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum CommandName {
    /// Send no further update, and keep the roles locked.
    Pause,
    /// Continue where the rotation stopped.
    Resume,
    /// Send no further update, record the rest as `NotAttempted`, and release the roles.
    Cancel,
    /// Try again what failed, was not attempted, or was owned by an add-on.
    Retry,
    /// Give the associations that the rotation has moved their old role again, and no others. An
    /// open rotation is cancelled first.
    Rollback,
    /// Set new limits.
    Change,
    /// Pause all rotations that plan or execute, and start no queued or new one, until `Unfreeze`.
    /// Dry runs continue.
    Freeze,
    /// End `Freeze`.
    Unfreeze,
}

impl Order {
    #[must_use]
    pub fn name(&self) -> CommandName {
        match self {
            Self::Rotation(_, order) => order.name(),
            Self::Stack(order) => order.name(),
        }
    }

    /// Returns the ledger key under which the command and its verdict are recorded.
    #[must_use]
    pub fn ledger_key(&self) -> LedgerKey {
        match self {
            Self::Rotation(key, _) => key.clone().into(),
            Self::Stack(_) => LedgerKey::Stack,
        }
    }
}

impl RollbackOrder {
    /// Returns the key of the rollback of the rotation with this key.
    #[must_use]
    pub fn key(self, rotation: &RotationKey) -> RotationKey {
        let rotation_id = rotation.rotation_id().clone();
        if self.dry_run {
            RotationKey::RollbackDryRun(rotation_id)
        } else {
            RotationKey::Rollback(rotation_id)
        }
    }

    /// Returns the request of the rollback of this rotation.
    #[must_use]
    pub fn request(self, rotation: &RotationRequest) -> RotationRequest {
        RotationRequest {
            dry_run: self.dry_run,
            ..rotation.taken_back(self.rollback)
        }
    }
}

impl RotationOrder {
    #[must_use]
    pub fn name(self) -> CommandName {
        match self {
            Self::Pause => CommandName::Pause,
            Self::Resume => CommandName::Resume,
            Self::Cancel => CommandName::Cancel,
            Self::Retry => CommandName::Retry,
            Self::Rollback(_) => CommandName::Rollback,
            Self::Change(_) => CommandName::Change,
        }
    }
}

impl StackOrder {
    #[must_use]
    pub fn name(self) -> CommandName {
        match self {
            Self::Freeze => CommandName::Freeze,
            Self::Unfreeze => CommandName::Unfreeze,
        }
    }
}
