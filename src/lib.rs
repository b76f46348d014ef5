//! rerole moves every EKS Pod Identity association from one IAM role to another when the role is
//! replaced.
//!
//! This package ships to Lambda. It has three functions, [`rotate`], [`indexer`] and [`publisher`],
//! and the AWS clients that they use, [`aws`]. Every decision that does not need AWS is in the
//! package `rerole-core`. ARCHITECTURE.md has the map.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(not(test), warn(unused_crate_dependencies))]

// Only its version matters: see Cargo.toml.
use idna_adapter as _;

pub mod aws;
pub mod indexer;
pub mod lambda;
pub mod publisher;
pub mod rotate;
pub mod settings;
