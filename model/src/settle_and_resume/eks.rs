//! The association in EKS.

use rerole_core::resource::{Association, may_be_hidden};
use rerole_core::timestamp::Timestamp;

use crate::requests::{at, role};
use crate::settle_and_resume::clock::time;

/// What the index showed when the row was planned.
pub(super) const PLANNED: View = View {
    role: Role::Old,
    version: 2,
};

/// A role of the association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Old,
    New,
    Third,
}

/// The association at a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct View {
    pub role: Role,
    pub version: u8,
}

/// A request to set the new role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UpdateRequest {
    /// The number of its token.
    pub token: u8,
    /// The version that the token is of.
    pub version: u8,
}

/// The association in EKS, and what the checks need of its past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Eks {
    /// `None` if it was deleted.
    pub current: Option<View>,
    /// What EKS may still show instead: the view before the last change, and when that was.
    former: Option<(View, u8)>,
    /// A bit for each token with which an update took effect.
    tokens: u32,
    /// A bit for each version that an update of the rotation was sent for, and took effect.
    updated_from: u32,
    /// The version that the last update of the rotation made.
    pub updated_to: u8,
    /// It was on the new role at the planned version or later.
    pub was_on_new_role: bool,
}

impl Role {
    fn arn(self) -> String {
        role(match self {
            Self::Old => "old",
            Self::New => "new",
            Self::Third => "third",
        })
    }
}

impl View {
    pub(super) fn association(self, template: &Association) -> Association {
        Association {
            role_arn: self.role.arn(),
            modified_at: time_of(self.version),
            ..template.clone()
        }
    }
}

/// Returns when a version was made. The rotation starts after the planned one. Only the order of
/// versions matters, and that they differ by more than a second.
pub(super) fn time_of(version: u8) -> Timestamp {
    let start = u32::from(PLANNED.version) * 2;
    at(1_000 + u32::from(version) * 2 - start)
}

impl Eks {
    pub(super) fn new(former: Option<Role>) -> Self {
        let former = former.map(|role| View { role, version: 1 });
        Self {
            current: Some(PLANNED),
            former: former.map(|view| (view, 0)),
            tokens: 0,
            updated_from: 0,
            updated_to: 0,
            was_on_new_role: false,
        }
    }

    /// Returns the view from before the last change, if EKS may still show it.
    pub(super) fn former(&self, now: u8) -> Option<View> {
        let (view, until) = self.former?;
        may_be_hidden(time(now).since(time(until))).then_some(view)
    }

    /// Forgets what EKS does not show any more.
    pub(super) fn pass_time(&mut self, now: u8) {
        self.former = self.former.filter(|_| self.former(now).is_some());
    }

    /// Another actor, or an update, puts the association on a role, or deletes it.
    pub(super) fn change(&mut self, role: Option<Role>, now: u8) {
        let Some(before) = self.current else {
            return;
        };
        self.former = Some((before, now));
        let version = before.version + 1;
        self.current = role.map(|role| View { role, version });
        self.was_on_new_role |= role == Some(Role::New);
    }

    /// Processes an update for a version that a Describe showed, with this token. Returns whether
    /// it took effect.
    pub(super) fn update(&mut self, UpdateRequest { token, .. }: UpdateRequest, now: u8) -> bool {
        let bit = 1 << token;
        if self.current.is_none() || self.tokens & bit != 0 {
            return false;
        }
        self.tokens |= bit;
        self.change(Some(Role::New), now);
        self.updated_to = self.current.map_or(0, |view| view.version);
        true
    }

    /// Notes for which version an update took effect. Returns whether one had before.
    pub(super) fn note_update(&mut self, UpdateRequest { version, .. }: UpdateRequest) -> bool {
        let is_repeated = self.updated_from & (1 << version) != 0;
        self.updated_from |= 1 << version;
        is_repeated
    }
}
