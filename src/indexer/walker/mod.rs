//! The walker: compares the index with EKS, region by region and cluster by cluster. Its
//! [`Purpose`] says what follows from a difference: the reconciler repairs the index, and the CLI
//! reports.
//!
//! Nothing is removed only because a list does not show it. An association that is missing from a
//! complete list is described before its tombstone is written. A cluster that is missing from a
//! complete list is described before its associations are removed.
//!
//! ```text
//! region ──▶ missing clusters ──▶ cluster, cluster, … ──▶ the region's index is complete
//!    ▲                                                                 │
//!    └─────────────────────────────────────────────────────────────────┘ the next region
//! ```
//!
//! `regions` leads from one cluster to the next, `cluster` walks through one, `lists` reads EKS's
//! lists, and `purpose` has everything that differs between repairing and reporting. How far a walk
//! is, is in its [`Run`](rerole_core::indexing::Run), which is saved after each step.

mod cluster;
mod halt;
mod lists;
mod purpose;
mod regions;

pub use cluster::{ClusterWalk, Part};
pub use halt::Halt;
pub use lists::{list_associations, list_clusters};
pub use purpose::{Difference, Found, Purpose, WalkContext};
pub use regions::Walker;
