//! What the invocations share: the association in EKS and in the index, and the ledger.

use crate::locks_and_roles::ledger::{Ledger, View};

/// A secondary index shows a change within this time, in ticks.
const LAG_TICKS: u8 = 1;

/// What the invocations share, and what has just happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    pub last: Option<Event>,
}

/// What the last step was, if it is an ending of the model. A state does not keep those of earlier
/// steps, so they do not multiply the states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    CloseRefused,
    RoleChangedInClose,
    Freed,
    NotFreed,
    PutToUseAgain,
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
            last: None,
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
