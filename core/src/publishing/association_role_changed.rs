//! The event about an association that a rotation, or a rollback, has moved.

use serde::{Deserialize, Serialize};

use crate::publishing::SchemaVersion;
use crate::resource::{AssociationArn, RoleField};
use crate::rotation::{Outcome, Row};
use crate::timestamp::Timestamp;

/// The detail of the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "Association Role Changed"))]
#[serde(rename_all = "camelCase")]
pub struct AssociationRoleChanged {
    pub schema_version: SchemaVersion,
    /// `<id>`, or `rollback/<id>`.
    pub rotation_id: String,
    /// The attempt of the rotation.
    pub attempt: u32,
    #[cfg_attr(test, schemars(with = "String"))]
    pub association_arn: AssociationArn,
    pub region: String,
    pub cluster_name: String,
    pub namespace: String,
    pub service_account: String,
    /// The fields that the update changed.
    pub fields: Vec<RoleField>,
    pub from: Roles,
    pub to: Roles,
    /// When the update was recorded.
    #[cfg_attr(test, schemars(with = "String"))]
    pub at: Timestamp,
    /// No response confirmed the update: EKS shows its effect.
    pub inferred: bool,
}

/// The roles of an association.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Roles {
    pub role_arn: String,
    pub target_role_arn: Option<String>,
}

impl AssociationRoleChanged {
    /// The `detail-type` of the event.
    pub const DETAIL_TYPE: &'static str = "Association Role Changed";

    /// Returns the event about a row of this rotation, or `None` if its association was not moved.
    #[must_use]
    pub fn of(rotation_id: String, row: &Row) -> Option<Self> {
        let (Outcome::Updated, Some(role_arn), Some(at)) =
            (row.outcome, row.role_arn.clone(), row.settled_at)
        else {
            return None;
        };
        let arn = &row.association_arn;
        Some(Self {
            schema_version: SchemaVersion::V1,
            rotation_id,
            attempt: row.attempt,
            association_arn: arn.clone(),
            region: arn.region().to_owned(),
            cluster_name: row.cluster_name.clone(),
            namespace: row.namespace.clone(),
            service_account: row.service_account.clone(),
            fields: row.fields.iter().collect(),
            from: before(row),
            to: Roles {
                role_arn,
                target_role_arn: row.target_role_arn.clone(),
            },
            at,
            inferred: row.inferred,
        })
    }
}

/// Returns the roles before the update: those of the Describe that led to it. Before an update that
/// was inferred, the plan has seen the association last.
fn before(row: &Row) -> Roles {
    match &row.observed_role_arn {
        Some(role_arn) if !row.inferred => Roles {
            role_arn: role_arn.clone(),
            target_role_arn: row.observed_target_role_arn.clone(),
        },
        _ => Roles {
            role_arn: row.previous_role_arn.clone(),
            target_role_arn: row.previous_target_role_arn.clone(),
        },
    }
}
