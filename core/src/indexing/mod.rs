//! The association index: its items, the runs that reconcile it with EKS, and the CloudTrail events
//! that say where it may be wrong. Rotations, which read it, are in `rotation`.

mod association_events;
mod change;
mod claim;
pub mod cloudtrail;
mod diff;
mod index_item;
mod item_key;
mod item_rules;
mod region_index;
mod run;
mod run_request;

pub use association_events::{AssociationEvents, Caller, EventVerdict};
pub use change::{Change, Compared};
pub use claim::{Claim, claim, is_first_run_due};
pub use diff::{DescribeTask, diff};
pub use index_item::{IndexEntry, IndexItem, InvalidItem};
pub use item_key::{ItemKey, KeyOf};
pub use item_rules::{HasRole, ItemRules};
pub use region_index::{Coverage, RegionIndex};
pub use run::{Cursor, RUN_LEASE, Run, RunCounts, RunError};
pub use run_request::{Mode, ReconcileRequest, RunRequest};
