//! The types and decisions of rerole, as plain functions over plain data.
//!
//! This crate has no AWS client, no clock, no environment and no I/O. `now` is an argument, and
//! what AWS returned is data. The package `rerole` calls AWS and uses this crate to decide what to
//! do.
//!
//! - [`resource`]: roles, clusters and associations, and their ARNs
//! - [`call`]: what a failed call to AWS means
//! - [`policy`]: IAM policy documents, and what they mean for a request
//! - [`request`]: the event that requests a rotation, and its checks
//! - [`keys`]: the keys of the items of both tables
//! - [`indexing`]: the association index, and how it is kept correct
//! - [`rotation`]: one rotation, its rows, and how it ends
//! - [`command`]: requests to change a rotation that exists
//! - [`publishing`]: the events that rerole sends about rotations
//! - [`state_machine`]: the input and names of Step Functions executions
//! - [`pacer`]: the rate at which calls to EKS may be sent

// The tables of tests have bools.
#![cfg_attr(test, allow(clippy::fn_params_excessive_bools))]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod call;
pub mod command;
pub mod hex;
pub mod indexing;
pub mod keys;
pub mod pacer;
pub mod policy;
pub mod printable;
pub mod publishing;
pub mod request;
pub mod resource;
pub mod rotation;
pub mod state_machine;
pub mod timestamp;
