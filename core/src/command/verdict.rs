//! What became of a command, as the ledger records it.

use serde::{Deserialize, Serialize};

use crate::command::CommandName;
use crate::request::Envelope;
use crate::timestamp::Timestamp;

/// The item `(rotationId, "command#<event id>")`, or `("stack/state", …)`. A command has one
/// verdict: a second delivery of its event finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandRecord {
    pub command: CommandName,
    pub verdict: Verdict,
    /// Why the command was refused, or changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// The commands that are allowed instead of a refused one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<CommandName>,
    /// The last entry of the timeline after the command.
    pub seq: u64,
    pub at: Timestamp,
    /// Where the command came from.
    #[serde(flatten)]
    pub envelope: Envelope,
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The ledger has the change.
    Accepted,
    /// What the command asks for is already so.
    NoChange,
    Refused,
}
