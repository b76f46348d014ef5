//! An EKS cluster, and the ARNs of associations in it.

use crate::resource::arn::arn_parts;
use crate::resource::{AssociationArn, InvalidArn};

const CLUSTER_ARN_FORM: &str = "arn:<partition>:eks:<region>:<account>:cluster/<name>";

/// An EKS cluster. [`Cluster::new`] and [`Cluster::parse`] check the parts, so a valid association
/// ID always makes a valid association ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub cluster_arn: String,
    pub region: String,
    /// The 12-digit account ID.
    pub account: String,
    pub cluster_name: String,
}

impl Cluster {
    /// Creates a cluster from the parts of its ARN.
    ///
    /// # Errors
    /// If AWS would not allow one of the parts.
    pub fn new(
        partition: &str,
        region: &str,
        account: &str,
        name: &str,
    ) -> Result<Self, InvalidArn> {
        let cluster = Self {
            cluster_arn: format!("arn:{partition}:eks:{region}:{account}:cluster/{name}"),
            region: region.to_owned(),
            account: account.to_owned(),
            cluster_name: name.to_owned(),
        };
        // An association's ARN has the same parts, under the same rules.
        match cluster.association("a-0") {
            Ok(_) => Ok(cluster),
            Err(_) => Err(InvalidArn {
                value: cluster.cluster_arn,
                allowed: CLUSTER_ARN_FORM,
            }),
        }
    }

    /// Parses a cluster's ARN.
    ///
    /// # Errors
    /// If the text is not a cluster's ARN.
    pub fn parse(cluster_arn: &str) -> Result<Self, InvalidArn> {
        let invalid = || InvalidArn {
            value: cluster_arn.to_owned(),
            allowed: CLUSTER_ARN_FORM,
        };
        let Some([partition, "eks", region, account, resource]) = arn_parts(cluster_arn) else {
            return Err(invalid());
        };
        Self::new(
            partition,
            region,
            account,
            resource.strip_prefix("cluster/").ok_or_else(invalid)?,
        )
    }

    /// Returns the ARN of the association with this ID in the cluster.
    ///
    /// # Errors
    /// If EKS would not allow the ID.
    pub fn association(&self, id: &str) -> Result<AssociationArn, InvalidArn> {
        format!(
            "{}/{id}",
            self.cluster_arn
                .replacen(":cluster/", ":podidentityassociation/", 1)
        )
        .parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_arn_has_parts_from_which_association_arns_are_made() {
        let cluster =
            Cluster::parse("arn:aws-cn:eks:cn-north-1:111122223333:cluster/prod_1").unwrap();
        assert_eq!(
            (cluster.region.as_str(), cluster.account.as_str()),
            ("cn-north-1", "111122223333")
        );
        assert_eq!(
            cluster.association("a-1").unwrap().as_str(),
            "arn:aws-cn:eks:cn-north-1:111122223333:podidentityassociation/prod_1/a-1"
        );
        assert_eq!(
            cluster.association("a-1").unwrap().cluster_arn(),
            cluster.cluster_arn
        );
        assert!(cluster.association("a/1").is_err());
        for invalid in [
            "",
            "prod-1",
            "arn:aws:eks:us-east-1:111122223333:nodegroup/prod-1",
            "arn:aws:ecs:us-east-1:111122223333:cluster/prod-1",
            "arn:aws:eks:us-east-1:1:cluster/prod-1",
            "arn:aws:eks:us-east-1:111122223333:cluster/prod/1",
        ] {
            assert_eq!(Cluster::parse(invalid).unwrap_err().value, invalid);
        }
    }
}
