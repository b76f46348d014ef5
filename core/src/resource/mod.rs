//! The AWS resources that rerole works with: roles, clusters and associations, and their ARNs. What
//! happens to them is decided in `indexing` and `rotation`.

mod arn;
mod association;
mod association_arn;
mod cluster;
mod role_arn;
mod role_field;
mod visibility;

pub use arn::{InvalidArn, function_account, is_region};
pub use association::Association;
#[cfg(test)]
pub(crate) use association::tests::association;
pub use association_arn::AssociationArn;
pub use cluster::{Cluster, ClusterName};
pub use role_arn::{ROLE_ARN_FORM, RoleArn, is_role_path};
pub use role_field::{RoleField, RoleFields};
pub use visibility::{Absence, hidden_for, may_be_hidden};
