//! What the key of an index item says: whether an item with this key can be.

use std::fmt;

use crate::indexing::ItemRules;
use crate::printable::printable;
use crate::resource::Cluster;

/// An item may have been planted, with any text in it.
const SHOWN_LEN_MAX: usize = 500;

/// The key of an item of the index, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemKey {
    /// The attribute `clusterArn`.
    pub partition: String,
    /// The attribute `associationId`.
    pub sort: String,
}

/// What an item is, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOf {
    /// An association of this cluster.
    Association(Cluster),
    /// The record that this cluster is known.
    KnownCluster(Cluster),
}

impl ItemKey {
    /// Returns what an item with this key is. `region` is the region in the partition, if that
    /// lists the known clusters of a region.
    ///
    /// # Errors
    /// If no item can have the key: why.
    pub fn judge(&self, region: Option<&str>, rules: &ItemRules<'_>) -> Result<KeyOf, String> {
        let judged = match region {
            Some(region) => self.known_cluster(region).map(KeyOf::KnownCluster),
            None => self.cluster().map(KeyOf::Association),
        };
        judged
            .and_then(|key| {
                let (KeyOf::Association(cluster) | KeyOf::KnownCluster(cluster)) = &key;
                let foreign = rules.is_foreign(&cluster.cluster_arn);
                match foreign.or_else(|| rules.is_not_indexed(&cluster.region)) {
                    Some(problem) => Err(problem),
                    None => Ok(key),
                }
            })
            .map_err(|problem| self.problem(&problem))
    }

    fn known_cluster(&self, region: &str) -> Result<Cluster, String> {
        let cluster = Cluster::parse(&self.sort).map_err(|invalid| invalid.to_string())?;
        if cluster.region == region {
            Ok(cluster)
        } else {
            Err(format!("the cluster is in {}", cluster.region))
        }
    }

    fn cluster(&self) -> Result<Cluster, String> {
        let cluster = Cluster::parse(&self.partition).map_err(|invalid| invalid.to_string())?;
        match cluster.association(&self.sort) {
            Ok(_) => Ok(cluster),
            Err(invalid) => Err(invalid.to_string()),
        }
    }

    /// Returns what is wrong with an item under this key, for a log.
    #[must_use]
    pub fn problem(&self, problem: &str) -> String {
        printable(format!("{self}: {problem}"), SHOWN_LEN_MAX)
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, sort } = self;
        let shown = printable(format!("item {partition} / {sort}"), SHOWN_LEN_MAX);
        f.write_str(&shown)
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
            let key = ItemKey {
                partition: partition.to_owned(),
                sort: sort.to_owned(),
            };
            let problem = key.problem("it cannot be");
            assert_eq!(problem, format!("item {partition} / {sort}: it cannot be"));
            let found = match key.judge(partition.strip_prefix("clusters/"), &rules) {
                Ok(KeyOf::Association(_)) => "of the cluster",
                Ok(KeyOf::KnownCluster(_)) => "known",
                Err(_) => "invalid",
            };
            assert_eq!(found, expected, "{partition} / {sort}");
        }
    }
}
