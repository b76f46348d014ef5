//! The reconciler: compares the index with EKS, region by region and cluster by cluster, and
//! repairs the index. A run takes as long as it needs. One invocation does a slice of it before
//! its deadline, under the run's lease, and saves a cursor after each step.
//!
//! Nothing is removed only because a list does not show it. An association that is missing from a
//! complete list is described before its tombstone is written. A cluster that is missing from a
//! complete list is described before its associations are removed.
//!
//! ```text
//! claim a run ──▶ region ──▶ missing clusters ──▶ cluster, cluster, … ──▶ finish or release
//!                    ▲                                      │
//!                    └──────────────────────────────────────┘ while the run has another region
//! ```
//!
//! `run` leads from one region to the next, `missing` removes deleted clusters, and `cluster` walks
//! through one cluster with `crate::indexer::cluster_walk`. Which run is next, and whether a slice
//! made progress, is decided in `rerole_core::indexing`.

mod cluster;
mod context;
mod deadline;
mod error;
mod missing;
mod run;

pub use context::Reconciler;
pub use deadline::RECONCILE_RESERVE;
pub use error::{ReconcileError, SliceEnd};
pub use run::Reconciled;
