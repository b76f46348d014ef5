//! What the invocations share: the association in EKS and in the index, and the ledger.

use crate::locks_and_roles::ledger::{Ledger, View};

/// A secondary index shows a change within this time, in ticks.
const LAG_TICKS: u8 = 1;

/// What the invocations share, and what has happened to it, for the endings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an ending that a history has had"
)]
pub struct World {
    /// The association in EKS, in the index, and in its secondary index.
    pub eks: View,
    pub item: View,
    pub shown: View,
    /// How long the secondary index may still lag, in ticks.
    pub lag_left: u8,
    /// The indexer has not followed the last change yet.
    pub has_message: bool,
    pub ledger: Ledger,
    pub was_refused: bool,
    pub has_retried_close: bool,
    pub was_freed: bool,
    pub was_not_freed: bool,
    pub was_freed_too_early: bool,
}

impl World {
    pub(super) fn new() -> Self {
        let view = View {
            role: 0,
            version: 1,
        };
        Self {
            eks: view,
            item: view,
            shown: view,
            lag_left: 0,
            has_message: false,
            ledger: Ledger::new(),
            was_refused: false,
            has_retried_close: false,
            was_freed: false,
            was_not_freed: false,
            was_freed_too_early: false,
        }
    }

    /// Puts the association on a role in EKS.
    pub(super) fn change(&mut self, role: usize) {
        let version = self.eks.version + 1;
        self.eks = View { role, version };
        self.has_message = true;
    }

    /// Stores what EKS showed, unless the index has a later version.
    pub(super) fn store(&mut self, seen: View) {
        if self.item.version < seen.version {
            if self.item == self.shown {
                self.lag_left = LAG_TICKS;
            }
            self.item = seen;
        }
    }
}
