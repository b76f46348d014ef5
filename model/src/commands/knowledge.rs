//! What a slice knows.

use crate::commands::life::Life;

/// What a slice knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "a state of a model")]
pub struct Knowledge {
    pub fence: u8,
    pub is_cancelling: bool,
    pub is_planned: bool,
    /// The attempt of the row that it works on.
    pub attempt: u8,
    /// The rotation was cancelled after an update without an answer.
    pub is_unconfirmed: bool,
    /// A renewal was refused.
    pub is_interrupted: bool,
    /// The last status that it has seen, from its opening or from a refused renewal.
    pub seen: Life,
    /// EKS has confirmed an update, and the row is not settled yet.
    pub is_confirmed: bool,
    pub has_lost_update: bool,
}
