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
//! `regions` leads from one cluster to the next, `cluster` walks through one, and `lists` reads
//! EKS's lists. All code that depends on the purpose is in `purpose`. The walk's
//! [`Run`](rerole_core::indexing::Run) has its position and counts, and is saved after each step.

mod cluster;
mod halt;
mod lists;
mod purpose;
mod regions;

pub use cluster::{ClusterPart, ClusterWalk};
pub use halt::Halt;
pub use lists::list_clusters;
pub use purpose::{Difference, Findings, Purpose, WalkContext};
pub use regions::Walker;
