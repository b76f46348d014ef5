//! The associations that a rotation covers.

use serde::{Deserialize, Serialize};

use crate::request::{ClusterGlob, Glob, NamespaceGlob, RegionGlob, ServiceAccountGlob};
use crate::resource::AssociationArn;

/// The regions, clusters, namespaces and service accounts that a rotation covers. `None` covers
/// all. An association is covered if all four lists cover it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<RegionGlob>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_names: Option<Vec<ClusterGlob>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<NamespaceGlob>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_accounts: Option<Vec<ServiceAccountGlob>>,
}

/// What a scope depends on: where an association is, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location<'a> {
    pub arn: &'a AssociationArn,
    pub namespace: &'a str,
    pub service_account: &'a str,
}

impl Scope {
    /// Returns whether the association at this location is covered.
    #[must_use]
    pub fn covers(&self, location: Location<'_>) -> bool {
        let Location {
            arn,
            namespace,
            service_account,
        } = location;
        self.covers_region(arn.region())
            && Glob::cover(self.cluster_names.as_deref(), arn.cluster_name())
            && Glob::cover(self.namespaces.as_deref(), namespace)
            && Glob::cover(self.service_accounts.as_deref(), service_account)
    }

    /// Returns whether associations of this region can be covered.
    #[must_use]
    pub fn covers_region(&self, region: &str) -> bool {
        Glob::cover(self.regions.as_deref(), region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_must_cover_an_association_and_an_absent_list_covers_all() {
        let cluster = |text| ClusterGlob::new(text).unwrap();
        let scope = Scope {
            regions: RegionGlob::new("!eu-*").map(|glob| vec![glob]),
            cluster_names: Some(vec![cluster("prod-*"), cluster("edge")]),
            namespaces: NamespaceGlob::new("pay").map(|glob| vec![glob]),
            service_accounts: ServiceAccountGlob::new("!api").map(|glob| vec![glob]),
        };
        for (region, cluster, namespace, service_account, covered) in [
            ("us-east-1", "prod-1", "pay", "web", true),
            ("us-east-1", "edge", "pay", "web", true),
            // The same name in another region.
            ("eu-west-1", "prod-1", "pay", "web", false),
            ("us-east-1", "edge", "shop", "web", false),
            ("us-east-1", "dev", "pay", "web", false),
            ("us-east-1", "edge", "pay", "api", false),
        ] {
            let arn =
                format!("arn:aws:eks:{region}:111122223333:podidentityassociation/{cluster}/a-1");
            let location = Location {
                arn: &arn.parse().unwrap(),
                namespace,
                service_account,
            };
            assert_eq!(scope.covers(location), covered, "{location:?}");
            assert!(Scope::default().covers(location));
        }
    }
}
