//! An EKS Pod Identity association as EKS shows it in its response to a Describe or an update.

use std::collections::BTreeMap;

use crate::resource::{AssociationArn, RoleField, RoleFields};
use crate::timestamp::Timestamp;

/// One association as EKS shows it. The field names are those of the EKS API. Empty strings have
/// become `None`, because AWS emulators differ in which of the two they send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    pub association_arn: AssociationArn,
    pub namespace: String,
    pub service_account: String,
    /// As EKS sent it. It need not be a valid role ARN.
    pub role_arn: String,
    pub target_role_arn: Option<String>,
    pub disable_session_tags: Option<bool>,
    pub policy: Option<String>,
    pub external_id: Option<String>,
    /// The add-on that owns the association.
    pub owner_arn: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub created_at: Option<Timestamp>,
    /// The association's version: EKS changes it with every update.
    pub modified_at: Timestamp,
}

impl Association {
    /// Returns the value of a role field.
    #[must_use]
    pub fn role_in(&self, field: RoleField) -> Option<&str> {
        match field {
            RoleField::RoleArn => Some(&self.role_arn),
            RoleField::TargetRoleArn => self.target_role_arn.as_deref(),
        }
    }

    /// Returns the names of the fields outside `fields` that differ in `after`. An update of
    /// `fields` must not change any of them.
    #[must_use]
    pub fn fields_changed_besides(&self, fields: RoleFields, after: &Self) -> Vec<&'static str> {
        let is_kept = |field| fields.contains(field) || self.role_in(field) == after.role_in(field);
        // One response may spell out a default that the other leaves out.
        let tags_disabled = |a: &Self| a.disable_session_tags.unwrap_or(false);
        [
            ("namespace", self.namespace == after.namespace),
            (
                "serviceAccount",
                self.service_account == after.service_account,
            ),
            (RoleField::RoleArn.name(), is_kept(RoleField::RoleArn)),
            (
                RoleField::TargetRoleArn.name(),
                is_kept(RoleField::TargetRoleArn),
            ),
            (
                "disableSessionTags",
                tags_disabled(self) == tags_disabled(after),
            ),
            (
                "policy",
                is_same_policy([self, after].map(|version| version.policy.as_deref())),
            ),
            ("externalId", self.external_id == after.external_id),
            ("ownerArn", self.owner_arn == after.owner_arn),
        ]
        .into_iter()
        .filter_map(|(name, is_same)| (!is_same).then_some(name))
        .collect()
    }
}

/// Returns whether the session policies of two versions are the same document. EKS may return one
/// with other whitespace, or its members in another order.
fn is_same_policy(versions: [Option<&str>; 2]) -> bool {
    let document = |policy: &str| serde_json::from_str::<serde_json::Value>(policy).ok();
    match versions {
        [Some(before), Some(after)] if before != after => {
            document(before).is_some_and(|before| document(after) == Some(before))
        }
        [before, after] => before == after,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns an association on `role_arn`, for the tests of this crate.
    pub(crate) fn association(role_arn: &str) -> Association {
        Association {
            association_arn: "arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/a-1"
                .parse()
                .unwrap(),
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
    fn a_change_outside_the_fields_is_named() {
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
        assert_eq!(
            change(|after| after.disable_session_tags = Some(true)),
            ["disableSessionTags"]
        );
        assert_eq!(
            change(|after| after.target_role_arn = Some("t".into())),
            ["targetRoleArn"]
        );
        assert_eq!(change(|after| after.policy = Some("{}".into())), ["policy"]);
        assert_eq!(
            change(|after| after.owner_arn = Some("o".into())),
            ["ownerArn"]
        );
        for (policy, is_same) in [
            (r#"{"a":1,"b":[1,2]}"#, true),
            ("{ \"b\": [1, 2],\n  \"a\": 1 }", true),
            (r#"{"a":1,"b":[2,1]}"#, false),
            (r#"{"a":1}"#, false),
            ("no JSON", false),
        ] {
            let with = |policy: &str| Association {
                policy: Some(policy.to_owned()),
                ..association("a")
            };
            let changed =
                with(r#"{"a":1,"b":[1,2]}"#).fields_changed_besides(role_only, &with(policy));
            assert_eq!(changed.is_empty(), is_same, "{policy}");
        }
        let [before, after] = ["a", "b"].map(|role| Association {
            policy: Some("no JSON".to_owned()),
            ..association(role)
        });
        assert!(before.fields_changed_besides(role_only, &after).is_empty());
        let target_only = RoleFields::naming(&role, "a", Some(role.as_str()));
        assert_eq!(
            before.fields_changed_besides(target_only, &after),
            ["roleArn"]
        );
    }
}
