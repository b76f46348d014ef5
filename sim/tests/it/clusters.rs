//! Clusters: their lives, their pages, and what is denied with them.

use crate::{NEW, OLD, REGION, code_of, eks, in_virtual_time};
use rerole_sim::{Options, SimulatedAws};
use std::collections::BTreeSet;

/// Clusters are created once, listed in pages, and described.
#[test]
fn clusters_are_records() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default());
        let client = eks(&aws);
        let create = |name: &str| {
            let vpc = aws_sdk_eks::types::VpcConfigRequest::builder().subnet_ids("subnet-1").build();
            client.create_cluster().name(name).role_arn(OLD).resources_vpc_config(vpc).send()
        };
        for name in ["b", "a", "c"] {
            create(name).await.expect("a new cluster");
        }
        assert_eq!(code_of(create("a").await).0, "ResourceInUseException");
        let mut names = Vec::new();
        let mut pages = client.list_clusters().into_paginator().page_size(2).send();
        while let Some(page) = pages.next().await {
            names.push(page.expect("a page").clusters.unwrap_or_default());
        }
        assert_eq!(names, [vec!["a", "b"], vec!["c"]]);
        let cluster = client.describe_cluster().name("a").send().await.expect("it exists").cluster.expect("it is told");
        assert_eq!(cluster.status(), Some(&aws_sdk_eks::types::ClusterStatus::Active));
        assert_eq!(code_of(client.describe_cluster().name("z").send().await).0, "ResourceNotFoundException");
    });
}

/// More clusters than fit on a page come on two, each once; the caller may ask for less on a page, not for more.
#[test]
fn clusters_come_in_pages_of_a_hundred() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default());
        aws.eks(|eks| (0..130).for_each(|n| drop(eks.create_cluster(REGION, &format!("c-{n}")))));
        aws.eks(|eks| eks.create_cluster("us-east-1", "elsewhere"));
        let client = eks(&aws);
        for (page_size, lens) in [(None, vec![100, 30]), (Some(50), vec![50, 50, 30]), (Some(65), vec![65, 65])] {
            let (mut seen, mut pages) = (Vec::new(), Vec::new());
            let mut paginator = client.list_clusters().set_max_results(page_size).into_paginator().send();
            while let Some(page) = paginator.next().await {
                let names = page.expect("a page").clusters.unwrap_or_default();
                pages.push(names.len());
                seen.extend(names);
            }
            assert_eq!(pages, lens, "{page_size:?}");
            assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 130, "{page_size:?}");
        }
        assert_eq!(code_of(client.list_clusters().max_results(101).send().await).0, "InvalidParameterException");
    });
}

/// A cluster goes with its associations, through the API or behind its back; its neighbour stays. The name can be used
/// again, and what is made under it then has other ids.
#[test]
fn a_deleted_cluster_takes_its_associations_along() {
    for is_asked in [true, false] {
        in_virtual_time(async {
            let aws = SimulatedAws::new(Options::default());
            let before = aws.eks(|eks| eks.associate(REGION, "prod", "ns", "sa", OLD));
            let neighbour = aws.eks(|eks| eks.associate(REGION, "prod-2", "ns", "sa", OLD));
            let client = eks(&aws);
            if is_asked {
                let deleted = client.delete_cluster().name("prod").send().await.expect("it exists").cluster;
                let status = deleted.expect("the answer has it").status.expect("it has a status");
                assert_eq!(status.as_str(), "DELETING");
            } else {
                assert!(aws.eks(|eks| eks.delete_cluster(REGION, "prod")));
            }
            let left: Vec<String> = aws.eks(|eks| eks.associations().map(|it| it.association_arn.clone()).collect());
            assert_eq!(left, [neighbour]);
            assert_eq!(code_of(client.describe_cluster().name("prod").send().await).0, "ResourceNotFoundException");
            let list = client.list_pod_identity_associations().cluster_name("prod").send().await;
            assert_eq!(code_of(list).0, "ResourceNotFoundException");
            assert_eq!(code_of(client.delete_cluster().name("prod").send().await).0, "ResourceNotFoundException");
            assert!(!aws.eks(|eks| eks.delete_cluster(REGION, "prod")), "it is gone");
            let after = aws.eks(|eks| eks.associate(REGION, "prod", "ns", "sa", OLD));
            assert_ne!(before, after);
            let list = client.list_pod_identity_associations().cluster_name("prod").send().await.expect("it is back");
            assert_eq!(list.associations().len(), 1);
        });
    }
}

/// Every call about a denied cluster is denied, those about its neighbour are not, and the list of clusters shows both.
#[test]
fn a_denied_cluster_denies_each_operation() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default());
        for cluster in ["denied", "open"] {
            aws.eks(|eks| eks.associate(REGION, cluster, "ns", "sa", OLD));
        }
        aws.eks(|eks| eks.deny("denied"));
        let client = eks(&aws);
        for (cluster, code) in [("denied", "AccessDeniedException"), ("open", "")] {
            let arn = aws.eks(|eks| eks.associations().find(|it| it.cluster_name == cluster).cloned());
            let id = arn.expect("it was just made").association_id;
            let codes = [
                code_of(client.describe_cluster().name(cluster).send().await).0,
                code_of(client.list_pod_identity_associations().cluster_name(cluster).send().await).0,
                code_of(
                    client.describe_pod_identity_association().cluster_name(cluster).association_id(&id).send().await,
                )
                .0,
                code_of(
                    client
                        .update_pod_identity_association()
                        .cluster_name(cluster)
                        .association_id(&id)
                        .role_arn(NEW)
                        .send()
                        .await,
                )
                .0,
                code_of(
                    client.delete_pod_identity_association().cluster_name(cluster).association_id(&id).send().await,
                )
                .0,
                code_of(client.delete_cluster().name(cluster).send().await).0,
            ];
            assert_eq!(codes, [code; 6], "{cluster}");
        }
        aws.eks(|eks| eks.allow("denied"));
        assert!(client.describe_cluster().name("denied").send().await.is_ok(), "allowed again");
        let clusters = client.list_clusters().send().await.expect("the list is no cluster's").clusters;
        assert_eq!(clusters.unwrap_or_default(), ["denied"]);
    });
}
