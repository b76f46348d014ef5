//! rerole moves every EKS Pod Identity association from one IAM role to another when the role is replaced.
//!
//! The modules at the top are the core: decisions as plain functions over plain types, without AWS, clock, environment or
//! I/O. [`aws`] talks to AWS, [`rotation`] carries one rotation through, [`index`] keeps the index that it reads, and
//! [`handler`] is what Lambda calls.
//! ARCHITECTURE.md has the map.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod arn;
pub mod association;
pub mod classify;
pub mod cluster;
pub mod continuation;
pub mod decide;
pub mod intake;
pub mod max_concurrency;
pub mod max_errors;
pub mod outcome;
pub mod pacer;
pub mod record;
pub mod request;
pub mod returned;
pub mod role_field;
pub mod scope;
pub mod status;
pub mod time;
pub mod token;
pub mod trail;

pub mod aws;
pub mod bootstrap;
pub mod handler;
pub mod index;
pub mod logging;
pub mod metrics;
pub mod rotation;
pub mod settings;
pub mod watch;
