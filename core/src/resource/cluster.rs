//! An EKS cluster, and the ARNs of associations in it.

use std::fmt;

use crate::resource::arn::{arn_parts, is_label};
use crate::resource::{AssociationArn, InvalidArn};

const CLUSTER_ARN_FORM: &str = "arn:<partition>:eks:<region>:<account>:cluster/<name>";

/// What identifies a cluster to EKS, in the function's own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterName<'a> {
    pub region: &'a str,
    pub name: &'a str,
}

/// An EKS cluster. [`Cluster::parse`] checks the parts, so a valid association ID always makes a
/// valid association ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub cluster_arn: String,
    pub region: String,
    /// The 12-digit account ID.
    pub account: String,
    pub cluster_name: String,
}

impl ClusterName<'_> {
    /// Returns whether EKS allows the name.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        is_label(self.name)
    }
}

impl fmt::Display for ClusterName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster {} in {}", self.name, self.region)
    }
}

impl Cluster {
    /// Parses a cluster's ARN.
    ///
    /// # Errors
    /// If the text is not a cluster's ARN.
    pub fn parse(cluster_arn: &str) -> Result<Self, InvalidArn> {
        let invalid = || InvalidArn {
            value: cluster_arn.to_owned(),
            allowed: CLUSTER_ARN_FORM,
        };
        let Some([_, "eks", region, account, resource]) = arn_parts(cluster_arn) else {
            return Err(invalid());
        };
        let cluster = Self {
            cluster_arn: cluster_arn.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            cluster_name: resource
                .strip_prefix("cluster/")
                .ok_or_else(invalid)?
                .to_owned(),
        };
        // An association's ARN has the same parts, under the same rules.
        cluster.association("a-0").map_err(|_| invalid())?;
        Ok(cluster)
    }

    /// Returns the cluster of an association.
    #[must_use]
    pub fn of(arn: &AssociationArn) -> Self {
        Self {
            cluster_arn: arn.cluster_arn(),
            region: arn.region().to_owned(),
            account: arn.account().to_owned(),
            cluster_name: arn.cluster_name().to_owned(),
        }
    }

    /// Returns the region and the name, by which EKS finds the cluster.
    #[must_use]
    pub fn name(&self) -> ClusterName<'_> {
        ClusterName {
            region: &self.region,
            name: &self.cluster_name,
        }
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
    fn a_cluster_name_has_no_character_that_separates_the_parts_of_an_arn() {
        for (name, is_valid) in [("prod_1", true), ("prod/1", false), ("", false)] {
            let region = "us-east-1";
            let found = ClusterName { region, name }.is_valid();
            assert_eq!(found, is_valid, "{name}");
        }
    }

    #[test]
    fn a_cluster_arn_has_parts_from_which_association_arns_are_made() {
        let cluster =
            Cluster::parse("arn:aws-cn:eks:cn-north-1:111122223333:cluster/prod_1").unwrap();
        assert_eq!(
            (cluster.region.as_str(), cluster.account.as_str()),
            ("cn-north-1", "111122223333")
        );
        assert_eq!(cluster.name().to_string(), "cluster prod_1 in cn-north-1");
        assert_eq!(
            cluster.association("a-1").unwrap().as_str(),
            "arn:aws-cn:eks:cn-north-1:111122223333:podidentityassociation/prod_1/a-1"
        );
        assert_eq!(
            cluster.association("a-1").unwrap().cluster_arn(),
            cluster.cluster_arn
        );
        assert_eq!(Cluster::of(&cluster.association("a-1").unwrap()), cluster);
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
