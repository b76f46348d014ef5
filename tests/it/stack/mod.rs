//! The stack as CloudFormation renders it from the template, and its policies as IAM evaluates
//! them.

pub mod policy;
pub mod rendered;
