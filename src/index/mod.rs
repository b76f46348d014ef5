//! The association index: how it is kept true. `follow` takes in what CloudTrail tells of changes, `reconcile` holds the
//! whole of it against EKS on a schedule.

pub mod cluster;
pub mod compare;
pub mod follow;
pub mod handler;
pub mod plan;
pub mod reconcile;
pub mod returns;
pub mod run;
