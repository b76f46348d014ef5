//! An EKS Pod Identity association as Describe, or the answer to an update, shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::arn::AssociationArn;
use crate::role_field::{RoleField, RoleFields};
use crate::time::Timestamp;

/// What EKS says of one association. Field names are those of the EKS API; an empty text counts as absent, since
/// counterparts of AWS differ in which of the two they send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    pub association_arn: AssociationArn,
    pub namespace: String,
    pub service_account: String,
    /// As EKS gave it: somebody may have set what is no role of ours.
    pub role_arn: String,
    pub target_role_arn: Option<String>,
    pub disable_session_tags: Option<bool>,
    pub policy: Option<String>,
    pub external_id: Option<String>,
    /// The add-on that owns the association.
    pub owner_arn: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub created_at: Option<Timestamp>,
    /// Changes with every update: the association's version.
    pub modified_at: Timestamp,
}

impl Association {
    /// What a role field holds.
    #[must_use]
    pub fn role_in(&self, field: RoleField) -> Option<&str> {
        match field {
            RoleField::RoleArn => Some(&self.role_arn),
            RoleField::TargetRoleArn => self.target_role_arn.as_deref(),
        }
    }

    /// The names of the fields, other than these, in which `after` differs and which an update of these must not touch.
    /// Empty after an update that did what it was asked.
    #[must_use]
    pub fn fields_changed_besides(&self, fields: RoleFields, after: &Self) -> Vec<&'static str> {
        let kept = |field| fields.contains(field) || self.role_in(field) == after.role_in(field);
        // A default that is spelled out in one answer and left out in the other is no change.
        let tags_disabled = |a: &Self| a.disable_session_tags.unwrap_or(false);
        [
            ("namespace", self.namespace == after.namespace),
            ("serviceAccount", self.service_account == after.service_account),
            (RoleField::RoleArn.name(), kept(RoleField::RoleArn)),
            (RoleField::TargetRoleArn.name(), kept(RoleField::TargetRoleArn)),
            ("disableSessionTags", tags_disabled(self) == tags_disabled(after)),
            ("policy", self.policy == after.policy),
            ("externalId", self.external_id == after.external_id),
            ("ownerArn", self.owner_arn == after.owner_arn),
        ]
        .into_iter()
        .filter_map(|(name, same)| (!same).then_some(name))
        .collect()
    }
}

/// An item of the `AssociationIndex` table: what is known of an association without asking EKS. It may lag.
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
    /// The item for what EKS shows.
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
}

/// What the index holds under one association id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Live(Box<IndexItem>),
    /// A tombstone.
    Buried,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An association on `role_arn`, for the tests of the core.
    pub(crate) fn association(role_arn: &str) -> Association {
        Association {
            association_arn: "arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/a-1".parse().unwrap(),
            namespace: "pay".to_owned(),
            service_account: "api".to_owned(),
            role_arn: role_arn.to_owned(),
            target_role_arn: None,
            disable_session_tags: None,
            policy: None,
            external_id: None,
            owner_arn: None,
            tags: BTreeMap::new(),
            created_at: None,
            modified_at: Timestamp::from_millis(1_000),
        }
    }

    #[test]
    fn a_change_besides_the_fields_is_named() {
        let before = association("a");
        let role = "arn:aws:iam::111122223333:role/a".parse().unwrap();
        let role_only = RoleFields::naming(&role, role.as_str(), None);
        let change = |change: fn(&mut Association)| {
            let mut after = association("b");
            after.modified_at = Timestamp::from_millis(2_000);
            change(&mut after);
            before.fields_changed_besides(role_only, &after)
        };
        assert!(change(|_| ()).is_empty());
        assert!(change(|after| after.disable_session_tags = Some(false)).is_empty());
        assert_eq!(change(|after| after.disable_session_tags = Some(true)), ["disableSessionTags"]);
        assert_eq!(change(|after| after.target_role_arn = Some("t".into())), ["targetRoleArn"]);
        assert_eq!(change(|after| after.policy = Some("{}".into())), ["policy"]);
        assert_eq!(change(|after| after.owner_arn = Some("o".into())), ["ownerArn"]);
        let target_only = RoleFields::naming(&role, "a", Some(role.as_str()));
        assert_eq!(before.fields_changed_besides(target_only, &association("b")), ["roleArn"]);
    }
}
