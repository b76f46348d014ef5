//! The associations in EKS, in the index, and in its secondary indexes.

use rerole_core::indexing::IndexItem;
use rerole_core::resource::Association;

use crate::plan_and_close::{ASSOCIATIONS, PlanAndClose};
use crate::requests::{at, role};

/// A secondary index shows a change within this time, in ticks.
const LAG_TICKS: u8 = 1;

/// A role of an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Old,
    New,
    Third,
}

/// An association at a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct View {
    pub role: Role,
    pub version: u8,
}

/// What EKS, the index, and its secondary indexes show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Index {
    pub eks: [View; ASSOCIATIONS],
    pub items: [View; ASSOCIATIONS],
    /// The secondary indexes.
    pub shown: [View; ASSOCIATIONS],
    /// Since when a secondary index lags.
    lags_since: [u8; ASSOCIATIONS],
}

impl View {
    pub(super) fn association(self, model: &PlanAndClose, index: usize) -> Association {
        let name = match self.role {
            Role::Old => "old",
            Role::New => "new",
            Role::Third => "third",
        };
        Association {
            role_arn: role(name),
            modified_at: at(1_000 + u32::from(self.version)),
            ..model.associations[index].clone()
        }
    }

    pub(super) fn item(self, model: &PlanAndClose, index: usize) -> IndexItem {
        IndexItem::of(&self.association(model, index))
    }
}

impl Index {
    pub(super) fn new() -> Self {
        let on = |role| View { role, version: 1 };
        let views = [on(Role::Old), on(Role::Third)];
        Self {
            eks: views,
            items: views,
            shown: views,
            lags_since: [0; ASSOCIATIONS],
        }
    }

    /// Puts an association on a role in EKS.
    pub(super) fn change(&mut self, index: usize, role: Role) {
        let version = self.eks[index].version + 1;
        self.eks[index] = View { role, version };
    }

    /// Stores what EKS showed, unless the index has a later version: `IndexTable::store`, `repair`
    /// and `repair_roles`. Returns whether it was written.
    pub(super) fn store(&mut self, index: usize, seen: View, now: u8) -> bool {
        let is_later = self.items[index].version <= seen.version;
        if is_later && self.items[index] != seen {
            if !self.lags(index) {
                self.lags_since[index] = now;
            }
            self.items[index] = seen;
        }
        is_later
    }

    pub(super) fn lags(&self, index: usize) -> bool {
        self.items[index] != self.shown[index]
    }

    /// A secondary index shows the last change.
    pub(super) fn propagate(&mut self, index: usize) {
        self.shown[index] = self.items[index];
        self.lags_since[index] = 0;
    }

    /// Returns whether no secondary index has lagged for too long.
    pub(super) fn may_tick(&self, now: u8) -> bool {
        (0..ASSOCIATIONS).all(|i| !self.lags(i) || now < self.lags_since[i] + LAG_TICKS)
    }

    /// Returns whether the index itself has an association on the old role.
    pub(super) fn shows_old(&self) -> bool {
        self.items.iter().any(|view| view.role == Role::Old)
    }
}
