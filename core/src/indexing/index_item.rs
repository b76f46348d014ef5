//! An item of the `AssociationIndex` table. Its keys and conditions are in `src/aws/index_table/`.

use serde::{Deserialize, Serialize};

use crate::indexing::{ItemKey, ItemRules};
use crate::request::Location;
use crate::resource::{Association, AssociationArn, Cluster, RoleArn, RoleField};
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

    /// Returns why the item cannot be: no association that EKS shows in this account leads to it.
    #[must_use]
    pub fn contradiction(&self, rules: &ItemRules<'_>) -> Option<String> {
        let arn = &self.association_arn;
        let is_named = self.cluster_arn == arn.cluster_arn()
            && self.association_id == arn.association_id()
            && self.cluster_name == arn.cluster_name();
        if !is_named {
            return Some(format!("associationArn {arn} names another association"));
        }
        let foreign = rules.is_foreign(arn.as_str());
        if let Some(problem) = foreign.or_else(|| rules.is_not_indexed(arn.region())) {
            return Some(problem);
        }
        // EKS requires this of `roleArn`. A target role can be in any account.
        if let Some(role) = self
            .role_arn
            .parse()
            .ok()
            .filter(|role: &RoleArn| role.account() != arn.account())
        {
            return Some(format!("roleArn {role} is not in the account of {arn}"));
        }
        // It would never be replaced by what EKS shows, because an item only moves forward.
        rules
            .is_future(self.modified_at)
            .then(|| format!("modifiedAt {} is in the future", self.modified_at))
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
    /// An item that cannot be.
    Invalid(InvalidItem),
}

impl IndexEntry {
    /// Returns the item, unless it is a tombstone or cannot be.
    #[must_use]
    pub fn live(&self) -> Option<&IndexItem> {
        match self {
            Self::Live(item) => Some(item),
            Self::Tombstone | Self::Invalid(_) => None,
        }
    }

    /// Returns the item if it cannot be.
    #[must_use]
    pub fn invalid(&self) -> Option<&InvalidItem> {
        match self {
            Self::Invalid(item) => Some(item),
            Self::Live(_) | Self::Tombstone => None,
        }
    }
}

/// An item of the index that cannot be. It may stand for an association that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidItem {
    pub key: ItemKey,
    /// Its version and its time of deletion, if they are texts. Who removes the item compares them.
    pub modified_at: Option<String>,
    pub deleted_at: Option<String>,
    /// Why it cannot be. The text names the item, and is short enough for a log.
    pub problem: String,
}

impl InvalidItem {
    /// Returns the region in the key of the item, if the key is that of an association.
    #[must_use]
    pub fn region(&self) -> Option<String> {
        Some(Cluster::parse(&self.key.partition).ok()?.region)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::resource::{OwnAccount, association};

    #[test]
    fn each_field_of_an_item_has_its_role() {
        let item = |target: Option<&str>| IndexItem {
            target_role_arn: target.map(str::to_owned),
            ..IndexItem::of(&association("role"))
        };
        for (field, target, role) in [
            (RoleField::RoleArn, Some("target"), Some("role")),
            (RoleField::TargetRoleArn, Some("target"), Some("target")),
            (RoleField::TargetRoleArn, None, None),
        ] {
            assert_eq!(item(target).role_in(field), role, "{field:?}");
        }
    }

    #[test]
    fn an_entry_is_live_or_a_tombstone_or_cannot_be() {
        let item = IndexItem::of(&association("role"));
        let invalid = |partition: &str| InvalidItem {
            key: ItemKey {
                partition: partition.to_owned(),
                sort: "a-1".to_owned(),
            },
            modified_at: None,
            deleted_at: None,
            problem: "it cannot be".to_owned(),
        };
        let of_cluster = invalid(&item.cluster_arn);
        assert_eq!(of_cluster.region().as_deref(), Some("us-east-1"));
        assert_eq!(invalid("prod").region(), None);
        let live = IndexEntry::Live(Box::new(item.clone()));
        let invalid = IndexEntry::Invalid(of_cluster.clone());
        for (entry, is_live, is_invalid) in [
            (live, Some(&item), None),
            (invalid, None, Some(&of_cluster)),
            (IndexEntry::Tombstone, None, None),
        ] {
            assert_eq!((entry.live(), entry.invalid()), (is_live, is_invalid));
        }
    }

    #[test]
    fn an_item_that_no_association_of_the_account_leads_to_is_named() {
        let own = OwnAccount::of_function("arn:aws:lambda:us-east-1:111122223333:function:index");
        let foreign =
            OwnAccount::of_function("arn:aws:lambda:us-east-1:999999999999:function:index");
        let valid = || IndexItem::of(&association("role"));
        let now = valid().modified_at;
        let late = now + Duration::from_hours(1);
        let text = str::to_owned;
        let regions = ["us-east-1".to_owned()];
        for (item, own_account, expected) in [
            (valid(), None, None),
            (valid(), own.as_ref(), None),
            (valid(), foreign.as_ref(), Some("999999999999")),
            (
                IndexItem {
                    cluster_arn: text("arn:aws:eks:us-east-1:111122223333:cluster/other"),
                    ..valid()
                },
                None,
                Some("another association"),
            ),
            (
                IndexItem {
                    association_id: text("a-2"),
                    ..valid()
                },
                None,
                Some("another association"),
            ),
            (
                IndexItem {
                    cluster_name: text("other"),
                    ..valid()
                },
                None,
                Some("another association"),
            ),
            (
                IndexItem {
                    role_arn: text("arn:aws:iam::999999999999:role/app"),
                    ..valid()
                },
                None,
                Some("roleArn"),
            ),
            (
                IndexItem {
                    cluster_arn: text("arn:aws:eks:eu-west-1:111122223333:cluster/prod-1"),
                    association_arn:
                        "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod-1/a-1"
                            .parse()
                            .unwrap(),
                    ..valid()
                },
                None,
                Some("eu-west-1"),
            ),
            (
                IndexItem {
                    modified_at: late,
                    ..valid()
                },
                None,
                Some("future"),
            ),
        ] {
            let problem = item.contradiction(&ItemRules {
                own_account,
                regions: Some(&regions),
                now,
            });
            match expected {
                None => assert_eq!(problem, None),
                Some(part) => assert!(problem.unwrap().contains(part), "{item:?}"),
            }
        }
    }
}
