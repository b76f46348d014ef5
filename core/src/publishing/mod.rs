//! The events that rerole sends. Each is made from an item of the ledger, as the ledger's stream
//! shows it: an entry of a timeline, or the row of an association that was moved. Nothing else is
//! published, so the events say what the ledger says.
//!
//! A consumer may receive an event more than once. It tells events about a rotation apart by
//! `rotationId` and `seq`, and those about an association by `rotationId`, `associationArn` and
//! `attempt`.

mod association_role_changed;
mod batches;
mod outgoing;
mod republish;
mod rotation_status_changed;

pub use association_role_changed::{AssociationRoleChanged, Roles};
pub use batches::batches;
pub use outgoing::{InvalidImage, OutgoingEvent};
pub use republish::Republish;
pub use rotation_status_changed::RotationStatusChanged;

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// The version of the details of both events. It is incremented when a member changes its meaning
/// or disappears. New members may come without a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum SchemaVersion {
    #[serde(rename = "1")]
    V1,
}
