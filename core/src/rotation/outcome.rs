//! How one association in a rotation ended.
//!
//! [`Ending`] is the type that the code works with: an updated association always has a token and a
//! response. The flat row that the ledger stores is in `row.rs`.

use serde::{Deserialize, Serialize};

use crate::call::{CallError, ErrorClass};
use crate::resource::{Association, RoleFields};
use crate::rotation::Token;

/// rerole's own error code for a response of EKS to an update that contradicts the request. It
/// stops the rotation.
pub const UNEXPECTED_RESPONSE: &str = "UnexpectedResponse";

/// The `outcome` of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    Pending,
    Updated,
    AlreadyCurrent,
    Drifted,
    Deleted,
    OwnedByAddon,
    Failed,
    NotAttempted,
    WouldUpdate,
    /// Rollbacks only.
    ChangedSince,
}

/// The end of one association, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// EKS confirmed the update.
    Updated {
        token: Token,
        fields: RoleFields,
        request_id: Option<String>,
        response: Box<Association>,
    },
    /// The association is on the new role, most likely because of an update of this rotation whose
    /// response was lost. Either this slice sent that update (`token`), or the rotation was resumed
    /// and the version is newer than the plan's and no older than the rotation (no token).
    InferredUpdated {
        token: Option<Token>,
        /// Those that show the new role. Another actor may have changed the other one since.
        fields: RoleFields,
    },
    AlreadyCurrent,
    Drifted,
    Deleted,
    OwnedByAddon,
    /// Dry runs only: a rotation would update the association, with this token.
    WouldUpdate {
        token: Token,
        fields: RoleFields,
    },
    /// Rollbacks only: EKS does not show what the rotation wrote any more.
    ChangedSince,
    /// The rotation stopped before the association was updated.
    NotAttempted,
    Failed {
        token: Option<Token>,
        error: RowError,
    },
}

impl Ending {
    /// Returns the end of an association that failed with the error of a call.
    #[must_use]
    pub fn failed(token: Option<Token>, error: CallError) -> Self {
        let error = error.into_failed_call();
        let code = error.code.unwrap_or_else(|| format!("{:?}", error.class));
        let error = RowError {
            class: error.class,
            code,
            message: error.message,
            request_id: error.request_id,
        };
        Self::Failed { token, error }
    }

    /// Returns whether the rotation itself has moved the association, or would.
    #[must_use]
    pub fn is_of_this_rotation(&self) -> bool {
        matches!(
            self,
            Self::Updated { .. } | Self::InferredUpdated { .. } | Self::WouldUpdate { .. }
        )
    }

    /// Returns whether EKS's response to the update contradicts the request.
    #[must_use]
    pub fn is_contradiction(&self) -> bool {
        matches!(self, Self::Failed { error, .. } if error.code == UNEXPECTED_RESPONSE)
    }

    /// Returns the `outcome` that the row gets.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Updated { .. } | Self::InferredUpdated { .. } => Outcome::Updated,
            Self::AlreadyCurrent => Outcome::AlreadyCurrent,
            Self::Drifted => Outcome::Drifted,
            Self::Deleted => Outcome::Deleted,
            Self::OwnedByAddon => Outcome::OwnedByAddon,
            Self::WouldUpdate { .. } => Outcome::WouldUpdate,
            Self::ChangedSince => Outcome::ChangedSince,
            Self::NotAttempted => Outcome::NotAttempted,
            Self::Failed { .. } => Outcome::Failed,
        }
    }
}

/// The error in a `Failed` row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    pub class: ErrorClass,
    /// EKS's error code, or rerole's own if EKS sent none.
    pub code: String,
    pub message: String,
    pub request_id: Option<String>,
}
