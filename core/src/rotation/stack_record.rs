//! What the ledger knows of the stack itself: whether it is frozen.

use serde::{Deserialize, Serialize};

use crate::rotation::Author;
use crate::timestamp::Timestamp;

/// The item `("stack/state", "stack")`. It exists once the stack was frozen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StackRecord {
    /// The number of the last entry of the stack's timeline.
    #[serde(default)]
    pub timeline_seq: u64,
    /// Since when the stack is frozen, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_at: Option<Timestamp>,
    /// Who froze it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_by: Option<Author>,
    /// Why, as the command says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl StackRecord {
    /// Returns whether the stack is frozen: open rotations pause, and new ones are queued. Dry runs
    /// continue, because they write nothing to EKS.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen_at.is_some()
    }

    /// Returns who changes a rotation to follow the stack, in the invocation of `by`: while the
    /// stack is frozen, who froze it.
    #[must_use]
    pub fn author(&self, by: &Author) -> Author {
        Author {
            request_id: by.request_id.clone(),
            ..self.frozen_by.clone().unwrap_or_else(|| by.clone())
        }
    }
}
