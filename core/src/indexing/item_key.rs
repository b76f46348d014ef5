//! What the key of an index item says: whether an item with this key can be.

use crate::indexing::ItemRules;
use crate::keys::IndexPartition;
use crate::resource::Cluster;

/// What an item is, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyVerdict {
    /// An association of this cluster, or its tombstone.
    OfCluster(Cluster),
    /// The record that this cluster is known.
    KnownCluster(Cluster),
    /// No item can have this key.
    Invalid(String),
}

impl KeyVerdict {
    /// Judges the attributes `clusterArn` and `associationId` of an item.
    #[must_use]
    pub fn of(partition: &str, sort: &str, rules: &ItemRules<'_>) -> Self {
        let verdict = match IndexPartition::region(partition) {
            Some(region) => known_cluster(region, sort).map(Self::KnownCluster),
            None => cluster_of(partition, sort).map(Self::OfCluster),
        };
        let verdict = verdict.and_then(|verdict| match &verdict {
            Self::OfCluster(cluster) | Self::KnownCluster(cluster) => {
                match rules.excludes(&cluster.cluster_arn, &cluster.region) {
                    Some(problem) => Err(problem),
                    None => Ok(verdict),
                }
            }
            Self::Invalid(_) => Ok(verdict),
        });
        verdict.unwrap_or_else(|problem| {
            Self::Invalid(format!("item {partition} / {sort}: {problem}"))
        })
    }
}

fn known_cluster(region: &str, cluster_arn: &str) -> Result<Cluster, String> {
    let cluster = Cluster::parse(cluster_arn).map_err(|invalid| invalid.to_string())?;
    if cluster.region == region {
        Ok(cluster)
    } else {
        Err(format!("the cluster is in {}", cluster.region))
    }
}

fn cluster_of(cluster_arn: &str, association_id: &str) -> Result<Cluster, String> {
    let cluster = Cluster::parse(cluster_arn).map_err(|invalid| invalid.to_string())?;
    match cluster.association(association_id) {
        Ok(_) => Ok(cluster),
        Err(invalid) => Err(invalid.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::OwnAccount;
    use crate::timestamp::Timestamp;

    #[test]
    fn a_key_names_a_cluster_of_an_indexed_region_in_the_own_account() {
        let own = OwnAccount::of_function("arn:aws:lambda:us-east-1:111122223333:function:index");
        let regions = ["us-east-1".to_owned()];
        let rules = ItemRules {
            own_account: own.as_ref(),
            regions: Some(&regions),
            now: Timestamp::from_millis(0),
        };
        let own = "arn:aws:eks:us-east-1:111122223333:cluster/prod";
        let foreign = "arn:aws:eks:us-east-1:999999999999:cluster/prod";
        let china = "arn:aws-cn:eks:us-east-1:111122223333:cluster/prod";
        let elsewhere = "arn:aws:eks:eu-west-1:111122223333:cluster/prod";
        for (partition, sort, expected) in [
            (own, "a-1", "of the cluster"),
            ("clusters/us-east-1", own, "known"),
            (foreign, "a-1", "invalid"),
            (china, "a-1", "invalid"),
            (elsewhere, "a-1", "invalid"),
            (own, "a/1", "invalid"),
            (own, "", "invalid"),
            ("prod", "a-1", "invalid"),
            ("", "", "invalid"),
            ("clusters/us-east-1", foreign, "invalid"),
            ("clusters/us-east-1", elsewhere, "invalid"),
            ("clusters/eu-west-1", elsewhere, "invalid"),
            ("clusters/us-east-1", "prod", "invalid"),
            ("clusters/", own, "invalid"),
        ] {
            let found = match KeyVerdict::of(partition, sort, &rules) {
                KeyVerdict::OfCluster(_) => "of the cluster",
                KeyVerdict::KnownCluster(_) => "known",
                KeyVerdict::Invalid(_) => "invalid",
            };
            assert_eq!(found, expected, "{partition} / {sort}");
        }
    }
}
