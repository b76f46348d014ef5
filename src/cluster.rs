//! An EKS cluster, and the associations that can be in it, by their ARNs.

use crate::arn::{AssociationArn, InvalidArn};

const CLUSTER_ARN_FORM: &str = "arn:<partition>:eks:<region>:<account>:cluster/<name>";

/// An EKS cluster. Every association id that EKS allows makes an ARN in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub cluster_arn: String,
    pub region: String,
    /// The 12-digit account id.
    pub account: String,
    pub cluster_name: String,
}

impl Cluster {
    /// # Errors
    /// Where one of the parts is none that AWS would allow.
    pub fn new(partition: &str, region: &str, account: &str, name: &str) -> Result<Self, InvalidArn> {
        let cluster = Self {
            cluster_arn: format!("arn:{partition}:eks:{region}:{account}:cluster/{name}"),
            region: region.to_owned(),
            account: account.to_owned(),
            cluster_name: name.to_owned(),
        };
        // An association's ARN has the parts of its cluster's, under the same rules.
        match cluster.association("a-0") {
            Ok(_) => Ok(cluster),
            Err(_) => Err(InvalidArn { value: cluster.cluster_arn, allowed: CLUSTER_ARN_FORM }),
        }
    }

    /// # Errors
    /// Where the text is no cluster's ARN.
    pub fn parse(cluster_arn: &str) -> Result<Self, InvalidArn> {
        let invalid = || InvalidArn { value: cluster_arn.to_owned(), allowed: CLUSTER_ARN_FORM };
        let parts: Vec<_> = cluster_arn.splitn(6, ':').collect();
        let ["arn", partition, "eks", region, account, resource] = parts[..] else { return Err(invalid()) };
        Self::new(partition, region, account, resource.strip_prefix("cluster/").ok_or_else(invalid)?)
    }

    /// The ARN of an association in it.
    ///
    /// # Errors
    /// Where the id is none that EKS would allow.
    pub fn association(&self, id: &str) -> Result<AssociationArn, InvalidArn> {
        format!("{}/{id}", self.cluster_arn.replacen(":cluster/", ":podidentityassociation/", 1)).parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clusters_arn_comes_apart_and_its_associations_are_in_it() {
        let cluster = Cluster::parse("arn:aws-cn:eks:cn-north-1:111122223333:cluster/prod_1").unwrap();
        assert_eq!((cluster.region.as_str(), cluster.account.as_str()), ("cn-north-1", "111122223333"));
        assert_eq!(
            cluster.association("a-1").unwrap().as_str(),
            "arn:aws-cn:eks:cn-north-1:111122223333:podidentityassociation/prod_1/a-1"
        );
        assert_eq!(cluster.association("a-1").unwrap().cluster_arn(), cluster.cluster_arn);
        assert!(cluster.association("a/1").is_err());
        for wrong in [
            "",
            "prod-1",
            "arn:aws:eks:us-east-1:111122223333:nodegroup/prod-1",
            "arn:aws:ecs:us-east-1:111122223333:cluster/prod-1",
            "arn:aws:eks:us-east-1:1:cluster/prod-1",
            "arn:aws:eks:us-east-1:111122223333:cluster/prod/1",
        ] {
            assert_eq!(Cluster::parse(wrong).unwrap_err().value, wrong);
        }
    }
}
