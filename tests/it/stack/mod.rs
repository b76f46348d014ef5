//! The policies of the stack, as IAM evaluates them.

pub mod policy;
