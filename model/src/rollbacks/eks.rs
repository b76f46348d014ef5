//! The associations in EKS.

use rerole_core::resource::Association;

use crate::requests::{association, at, role};

/// Who wrote an association last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Author {
    /// Before the history.
    Nobody,
    Rotation,
    Rollback,
    /// The other rotation.
    Rival,
    OtherActor,
}

/// An association as EKS shows it. Roles are A, B and C by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shown {
    pub role: u8,
    pub version: u8,
    pub by: Author,
}

/// The names of the roles.
const ROLES: [&str; 3] = ["a", "b", "c"];

impl Shown {
    pub(super) fn new() -> Self {
        Self {
            role: 0,
            version: 0,
            by: Author::Nobody,
        }
    }

    /// Sets the role, or writes something else if it is the same.
    pub(super) fn write(&mut self, role: u8, by: Author) {
        self.role = role;
        self.version += 1;
        self.by = by;
    }

    /// The association as a Describe returns it. Versions are minutes apart, so none passes for
    /// another one. The other actor changes a member that a row also has.
    pub(super) fn observed(self) -> Association {
        Association {
            modified_at: at(u32::from(self.version) * 100),
            external_id: (self.by == Author::OtherActor).then(|| "changed".to_owned()),
            ..association("a-1", &role(ROLES[usize::from(self.role)]))
        }
    }
}
