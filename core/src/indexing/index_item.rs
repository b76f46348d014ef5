//! An item of the `AssociationIndex` table. Its keys and conditions are in `src/aws/index_table/`.

use serde::{Deserialize, Serialize};

use crate::request::Location;
use crate::resource::{Association, AssociationArn, RoleField};
use crate::timestamp::Timestamp;

/// The index's copy of an association. It may be older than what EKS shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexItem {
    pub cluster_arn: String,
    pub association_id: String,
    pub association_arn: AssociationArn,
    pub cluster_name: String,
    pub namespace: String,
    pub service_account: String,
    pub role_arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_arn: Option<String>,
    pub modified_at: Timestamp,
}

impl IndexItem {
    /// Creates the item for an association as EKS shows it.
    #[must_use]
    pub fn of(seen: &Association) -> Self {
        let arn = &seen.association_arn;
        Self {
            cluster_arn: arn.cluster_arn(),
            association_id: arn.association_id().to_owned(),
            association_arn: arn.clone(),
            cluster_name: arn.cluster_name().to_owned(),
            namespace: seen.namespace.clone(),
            service_account: seen.service_account.clone(),
            role_arn: seen.role_arn.clone(),
            target_role_arn: seen.target_role_arn.clone(),
            owner_arn: seen.owner_arn.clone(),
            modified_at: seen.modified_at,
        }
    }

    /// Returns the value of a role field.
    #[must_use]
    pub fn role_in(&self, field: RoleField) -> Option<&str> {
        match field {
            RoleField::RoleArn => Some(&self.role_arn),
            RoleField::TargetRoleArn => self.target_role_arn.as_deref(),
        }
    }

    /// Returns what a scope depends on.
    #[must_use]
    pub fn location(&self) -> Location<'_> {
        Location {
            arn: &self.association_arn,
            namespace: &self.namespace,
            service_account: &self.service_account,
        }
    }
}

/// What the index has under one association ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexEntry {
    Live(Box<IndexItem>),
    /// The association was deleted.
    Tombstone,
}
