//! The AWS resources that rerole works with: roles, clusters and associations, and their ARNs. What
//! happens to them is decided in `indexing` and `rotation`.

mod arn;
mod association;
mod association_arn;
mod cluster;
mod own_account;
mod role_arn;
mod role_field;
mod visibility;

pub use arn::{InvalidArn, is_region};
pub use association::Association;
#[cfg(test)]
pub(crate) use association::tests::association;
pub use association_arn::AssociationArn;
pub use cluster::{Cluster, ClusterName};
pub use own_account::OwnAccount;
pub use role_arn::{ROLE_ARN_FORM, ROLE_PATH_FORM, RoleArn, is_role_path};
pub use role_field::{RoleField, RoleFields};
pub use visibility::{Absence, hidden_for, may_be_hidden};
