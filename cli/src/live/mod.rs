//! A rotation while it is followed. `watcher` reads the ledger, and of each part only what may have
//! changed. On a terminal, `screen` lays out what is drawn in place, and `terminal` draws it.
//! Elsewhere, `changes` writes a line for each change. How long a rotation is followed is up to
//! `follow`.

pub mod changes;
pub mod screen;
pub mod terminal;
#[cfg(test)]
mod testing;
pub mod watcher;

use rerole_core::timestamp::Timestamp;

use crate::rotation::RotationView;
use crate::rotation::causes::Cause;
use crate::rotation::history::History;

/// A rotation as it was last seen.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub at: Timestamp,
    pub rotation: RotationView,
    pub history: History,
    /// Why associations failed, the most frequent cause first.
    pub causes: Vec<Cause>,
    /// Why nothing newer can be read at the moment, if so.
    pub outage: Option<String>,
}
