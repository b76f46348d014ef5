//! The associations that a rotation covers.

use serde::{Deserialize, Serialize};

use crate::request::{ClusterGlob, NamespaceGlob};
use crate::resource::AssociationArn;

/// The clusters and namespaces that a rotation covers. `None` covers all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_names: Option<Vec<ClusterGlob>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<NamespaceGlob>>,
}

impl Scope {
    /// Returns whether this association, in this namespace, is covered.
    #[must_use]
    pub fn covers(&self, arn: &AssociationArn, namespace: &str) -> bool {
        ClusterGlob::cover(self.cluster_names.as_deref(), arn.cluster_name())
            && NamespaceGlob::cover(self.namespaces.as_deref(), namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_must_match_and_an_absent_list_covers_all() {
        let cluster = |text| ClusterGlob::new(text).unwrap();
        let scope = Scope {
            cluster_names: Some(vec![cluster("prod-*"), cluster("edge")]),
            namespaces: NamespaceGlob::new("pay").map(|glob| vec![glob]),
        };
        for (cluster, namespace, covered) in [
            ("prod-1", "pay", true),
            ("edge", "pay", true),
            ("edge", "shop", false),
            ("dev", "pay", false),
        ] {
            let arn =
                format!("arn:aws:eks:us-east-1:111122223333:podidentityassociation/{cluster}/a-1");
            let arn = arn.parse().unwrap();
            assert_eq!(
                scope.covers(&arn, namespace),
                covered,
                "{cluster}/{namespace}"
            );
            assert!(Scope::default().covers(&arn, namespace));
        }
    }
}
