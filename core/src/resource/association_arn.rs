//! The ARN of an EKS Pod Identity association.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::resource::arn::{
    InvalidArn, arn_parts, impl_text_form, is_account, is_label, is_partition, is_region,
};

/// The form of an association ARN, for error messages.
const ASSOCIATION_ARN_FORM: &str = concat!(
    "arn:<partition>:eks:<region>:<12-digit account>:",
    "podidentityassociation/<cluster>/<associationId>",
);

/// The ARN of an EKS Pod Identity association,
/// `arn:<partition>:eks:<region>:<account>:podidentityassociation/<cluster>/<associationId>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AssociationArn {
    text: String,
    partition: String,
    region: String,
    account: String,
    cluster_name: String,
    association_id: String,
}

impl AssociationArn {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the AWS partition, such as `aws` or `aws-cn`.
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Returns the 12-digit account ID.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    #[must_use]
    pub fn cluster_name(&self) -> &str {
        &self.cluster_name
    }

    /// Returns the association ID, `a-…`. It is unique within the cluster, and EKS never reuses it.
    #[must_use]
    pub fn association_id(&self) -> &str {
        &self.association_id
    }

    /// Returns the ARN of the association's cluster, which is the index's partition key.
    #[must_use]
    pub fn cluster_arn(&self) -> String {
        let Self {
            partition,
            region,
            account,
            cluster_name,
            ..
        } = self;
        format!("arn:{partition}:eks:{region}:{account}:cluster/{cluster_name}")
    }
}

impl FromStr for AssociationArn {
    type Err = InvalidArn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidArn {
            value: text.to_owned(),
            allowed: ASSOCIATION_ARN_FORM,
        };
        let Some([partition, "eks", region, account, resource]) = arn_parts(text) else {
            return Err(invalid());
        };
        let mut names = resource.split('/');
        let (Some("podidentityassociation"), Some(cluster), Some(id), None) =
            (names.next(), names.next(), names.next(), names.next())
        else {
            return Err(invalid());
        };
        if !(is_partition(partition)
            && is_region(region)
            && is_account(account)
            && is_label(cluster)
            && is_label(id))
        {
            return Err(invalid());
        }
        Ok(Self {
            text: text.to_owned(),
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            cluster_name: cluster.to_owned(),
            association_id: id.to_owned(),
        })
    }
}

impl_text_form!(AssociationArn);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_association_arn_has_region_account_cluster_and_id() {
        let text =
            "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod-1/a-0123456789abcdefg";
        let arn: AssociationArn = text.parse().unwrap();
        assert_eq!(arn.region(), "eu-west-1");
        assert_eq!(arn.account(), "111122223333");
        assert_eq!(arn.cluster_name(), "prod-1");
        assert_eq!(arn.association_id(), "a-0123456789abcdefg");
        assert_eq!(
            arn.cluster_arn(),
            "arn:aws:eks:eu-west-1:111122223333:cluster/prod-1"
        );
    }

    #[test]
    fn an_invalid_association_arn_is_rejected() {
        for text in [
            "",
            "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod-1",
            "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod-1/a-1/b",
            "arn:aws:eks:eu-west-1:111122223333:podidentityassociation//a-1",
            "arn:aws:eks:eu-west-1:111122223333:cluster/prod-1",
            "arn:aws:eks::111122223333:podidentityassociation/prod-1/a-1",
            "arn:aws:iam::111122223333:role/app",
        ] {
            assert!(text.parse::<AssociationArn>().is_err(), "{text}");
        }
    }
}
