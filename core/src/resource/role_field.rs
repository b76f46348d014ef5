//! The two fields of an association that name a role.

use serde::{Deserialize, Serialize};

use crate::resource::RoleArn;

/// A field of an association that names a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RoleField {
    /// The role whose credentials pods get. It is in the cluster's account.
    #[serde(rename = "roleArn")]
    RoleArn,
    /// The target role, in any account. EKS assumes it with the credentials of `roleArn`, and pods
    /// get its credentials instead.
    #[serde(rename = "targetRoleArn")]
    TargetRoleArn,
}

impl RoleField {
    pub const ALL: [Self; 2] = [Self::RoleArn, Self::TargetRoleArn];

    /// Returns the field's name in the EKS API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RoleArn => "roleArn",
            Self::TargetRoleArn => "targetRoleArn",
        }
    }
}

/// A set of role fields, in the order of [`RoleField::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<RoleField>", into = "Vec<RoleField>")]
pub struct RoleFields {
    role_arn: bool,
    target_role_arn: bool,
}

impl RoleFields {
    /// Returns the fields that name `role`, given the values of the two fields.
    #[must_use]
    pub fn naming(role: &RoleArn, role_arn: &str, target_role_arn: Option<&str>) -> Self {
        Self {
            role_arn: role_arn == role.as_str(),
            target_role_arn: target_role_arn == Some(role.as_str()),
        }
    }

    #[must_use]
    pub fn contains(self, field: RoleField) -> bool {
        match field {
            RoleField::RoleArn => self.role_arn,
            RoleField::TargetRoleArn => self.target_role_arn,
        }
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            role_arn: self.role_arn || other.role_arn,
            target_role_arn: self.target_role_arn || other.target_role_arn,
        }
    }

    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self {
            role_arn: self.role_arn && other.role_arn,
            target_role_arn: self.target_role_arn && other.target_role_arn,
        }
    }

    pub fn iter(self) -> impl Iterator<Item = RoleField> {
        RoleField::ALL
            .into_iter()
            .filter(move |field| self.contains(*field))
    }
}

impl From<Vec<RoleField>> for RoleFields {
    fn from(fields: Vec<RoleField>) -> Self {
        Self {
            role_arn: fields.contains(&RoleField::RoleArn),
            target_role_arn: fields.contains(&RoleField::TargetRoleArn),
        }
    }
}

impl From<RoleFields> for Vec<RoleField> {
    fn from(fields: RoleFields) -> Self {
        fields.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_fields_have_unions_and_intersections() {
        let fields = |text: &str| serde_json::from_str::<RoleFields>(text).unwrap();
        let (none, both) = (fields("[]"), fields(r#"["roleArn","targetRoleArn"]"#));
        let (role, target) = (fields(r#"["roleArn"]"#), fields(r#"["targetRoleArn"]"#));
        for (one, other, union, intersection) in [
            (none, none, none, none),
            (role, none, role, none),
            (none, target, target, none),
            (role, target, both, none),
            (both, role, both, role),
            (target, both, both, target),
        ] {
            assert_eq!(one.union(other), union, "{one:?} {other:?}");
            assert_eq!(one.intersection(other), intersection, "{one:?} {other:?}");
        }
        for fields in [none, role, target, both] {
            assert_eq!(fields.is_empty(), fields == none, "{fields:?}");
        }
    }

    #[test]
    fn fields_are_serialized_as_a_list_of_names() {
        let role = "arn:aws:iam::111122223333:role/a".parse().unwrap();
        let (a, b) = ("arn:aws:iam::111122223333:role/a", "b");
        for (role_arn, target_role_arn, listed) in [
            (a, None, r#"["roleArn"]"#),
            (b, Some(a), r#"["targetRoleArn"]"#),
            (a, Some(a), r#"["roleArn","targetRoleArn"]"#),
            (b, Some(b), "[]"),
        ] {
            let fields = RoleFields::naming(&role, role_arn, target_role_arn);
            assert_eq!(serde_json::to_string(&fields).unwrap(), listed);
            assert_eq!(serde_json::from_str::<RoleFields>(listed).unwrap(), fields);
        }
    }
}
