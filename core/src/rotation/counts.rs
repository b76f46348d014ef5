//! The number of a rotation's rows by outcome.

use serde::{Deserialize, Serialize};

use crate::request::RotationRequest;
use crate::rotation::Outcome;

/// The number of rows with each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// The associations in the rotation: the sum of the fields below, except the last two.
    pub total: u64,
    pub pending: u64,
    pub updated: u64,
    pub already_current: u64,
    pub drifted: u64,
    pub deleted: u64,
    pub owned_by_addon: u64,
    pub failed: u64,
    pub not_attempted: u64,
    pub would_update: u64,
    /// Rollbacks only.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub changed_since: u64,
    /// Associations on the old role, as the index shows them, outside the request's scope. For a
    /// rollback: those that it leaves there.
    pub out_of_scope: u64,
    /// Associations that were settled, and that another actor has since moved back to the old role.
    pub reverted: u64,
}

impl Counts {
    /// Counts a row.
    pub fn add(&mut self, outcome: Outcome) {
        self.total += 1;
        *self.count_mut(outcome) += 1;
    }

    /// Moves one row from pending to its outcome. A slice updates its counts in this way while it
    /// runs. Before a rotation is closed, its rows are counted again.
    pub fn settle(&mut self, outcome: Outcome) {
        self.pending = self.pending.saturating_sub(1);
        *self.count_mut(outcome) += 1;
    }

    /// Returns the counts after the rows are opened again that the next attempt of this request
    /// tries, as [`Row::reopened`](crate::rotation::Row::reopened) says.
    #[must_use]
    pub fn reopened(self, request: &RotationRequest) -> Self {
        if request.dry_run && request.rollback.is_some() {
            return Self {
                total: self.total,
                pending: self.total,
                ..Self::default()
            };
        }
        let (changed_again, changed_since) = match request.rollback {
            Some(rollback) if rollback.include_changed => (self.changed_since, 0),
            _ => (0, self.changed_since),
        };
        Self {
            pending: self.pending
                + self.failed
                + self.not_attempted
                + self.owned_by_addon
                + changed_again,
            failed: 0,
            not_attempted: 0,
            owned_by_addon: 0,
            reverted: 0,
            changed_since,
            ..self
        }
    }

    fn count_mut(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Pending => &mut self.pending,
            Outcome::Updated => &mut self.updated,
            Outcome::AlreadyCurrent => &mut self.already_current,
            Outcome::Drifted => &mut self.drifted,
            Outcome::Deleted => &mut self.deleted,
            Outcome::OwnedByAddon => &mut self.owned_by_addon,
            Outcome::Failed => &mut self.failed,
            Outcome::NotAttempted => &mut self.not_attempted,
            Outcome::WouldUpdate => &mut self.would_update,
            Outcome::ChangedSince => &mut self.changed_since,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) fn is_zero(count: &u64) -> bool {
    *count == 0
}
