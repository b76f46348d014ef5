//! Clusters: their lives, their pages, and denied ones.

use std::collections::BTreeSet;

use aws_sdk_eks::Client;
use aws_sdk_eks::types::ClusterStatus;
use rerole_sim::{Association, Options, SimulatedAws};

use crate::harness::{
    NEW, OLD, REGION, code_of, create_cluster, delete, describe, eks, in_virtual_time, list, update,
};

#[test]
fn clusters_can_be_created_once_listed_and_described() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default());
        let client = eks(&aws);
        for name in ["b", "a", "c"] {
            let created = create_cluster(&client, name).send().await;
            created.expect("a new cluster");
        }
        let again = create_cluster(&client, "a").send().await;
        assert_eq!(code_of(again), "ResourceInUseException");
        let mut names = Vec::new();
        let mut pages = client.list_clusters().into_paginator().page_size(2).send();
        while let Some(page) = pages.next().await {
            names.push(page.expect("a page").clusters.unwrap_or_default());
        }
        assert_eq!(names, [vec!["a", "b"], vec!["c"]]);
        let described = client.describe_cluster().name("a").send().await;
        let cluster = described.expect("it exists").cluster;
        let cluster = cluster.expect("the response has it");
        assert_eq!(cluster.status(), Some(&ClusterStatus::Active));
        let absent = client.describe_cluster().name("z").send().await;
        assert_eq!(code_of(absent), "ResourceNotFoundException");
    });
}

/// The caller may ask for fewer than a hundred clusters on a page, and not for more.
#[test]
fn clusters_have_pages_of_a_hundred() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default());
        aws.eks(|eks| (0..130).for_each(|n| drop(eks.create_cluster(REGION, &format!("c-{n}")))));
        aws.eks(|eks| eks.create_cluster("us-east-1", "elsewhere"));
        let client = eks(&aws);
        let rows = [
            (None, vec![100, 30]),
            (Some(50), vec![50, 50, 30]),
            (Some(65), vec![65, 65]),
        ];
        for (page_size, lens) in rows {
            let (mut seen, mut pages) = (BTreeSet::new(), Vec::new());
            let list = client.list_clusters().set_max_results(page_size);
            let mut paginator = list.into_paginator().send();
            while let Some(page) = paginator.next().await {
                let names = page.expect("a page").clusters.unwrap_or_default();
                pages.push(names.len());
                seen.extend(names);
            }
            assert_eq!(pages, lens, "{page_size:?}");
            assert_eq!(seen.len(), 130, "{page_size:?}");
        }
        let too_many = client.list_clusters().max_results(101).send().await;
        assert_eq!(code_of(too_many), "InvalidParameterException");
    });
}

/// Through the API and without it. A cluster with a similar name keeps its associations, and an
/// association that is created under the same names later has another id.
#[test]
fn deleting_a_cluster_deletes_its_associations() {
    for through_api in [true, false] {
        in_virtual_time(async {
            let aws = SimulatedAws::new(Options::default());
            let before = aws.eks(|eks| eks.associate(REGION, "prod", "ns", "sa", OLD));
            let neighbor = aws.eks(|eks| eks.associate(REGION, "prod-2", "ns", "sa", OLD));
            let client = eks(&aws);
            if through_api {
                let deleted = client.delete_cluster().name("prod").send().await;
                let cluster = deleted.expect("it exists").cluster;
                let status = cluster.and_then(|cluster| cluster.status);
                assert_eq!(status, Some(ClusterStatus::Deleting));
            } else {
                assert!(aws.eks(|eks| eks.delete_cluster(REGION, "prod")));
            }
            let arn = |association: &Association| association.association_arn.clone();
            let rest: Vec<String> = aws.eks(|eks| eks.associations().map(arn).collect());
            assert_eq!(rest, [neighbor]);
            let codes = [
                code_of(client.describe_cluster().name("prod").send().await),
                code_of(list(&client, "prod").send().await),
                code_of(client.delete_cluster().name("prod").send().await),
            ];
            assert_eq!(codes, ["ResourceNotFoundException"; 3]);
            let exists = aws.eks(|eks| eks.delete_cluster(REGION, "prod"));
            assert!(!exists, "it is deleted");
            let after = aws.eks(|eks| eks.associate(REGION, "prod", "ns", "sa", OLD));
            assert_ne!(before, after);
            let listed = list(&client, "prod").send().await;
            let listed = listed.expect("it exists again");
            assert_eq!(listed.associations().len(), 1);
        });
    }
}

/// Calls about another cluster are not denied, and `ListClusters` shows both.
#[test]
fn every_call_about_a_denied_cluster_is_denied() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default());
        for cluster in ["denied", "open"] {
            aws.eks(|eks| eks.associate(REGION, cluster, "ns", "sa", OLD));
        }
        aws.eks(|eks| eks.deny("denied"));
        let client = eks(&aws);
        for (cluster, code) in [("denied", "AccessDeniedException"), ("open", "")] {
            let codes = codes_of_all_calls(&aws, &client, cluster).await;
            assert_eq!(codes, [code; 6], "{cluster}");
        }
        aws.eks(|eks| eks.allow("denied"));
        let allowed = client.describe_cluster().name("denied").send().await;
        assert!(allowed.is_ok(), "allowed again");
        let listed = client.list_clusters().send().await;
        let listed = listed.expect("it is about no cluster");
        assert_eq!(listed.clusters(), ["denied"]);
    });
}

/// The codes of six calls about the cluster and its association. The last two delete them.
async fn codes_of_all_calls(aws: &SimulatedAws, client: &Client, cluster: &str) -> [String; 6] {
    let in_cluster = |association: &&Association| association.cluster_name == cluster;
    let association = aws.eks(|eks| eks.associations().find(in_cluster).cloned());
    let id = association.expect("it was created just now").association_id;
    let subject = format!("{cluster}/{id}");
    let update = update(client, &subject).role_arn(NEW);
    [
        code_of(client.describe_cluster().name(cluster).send().await),
        code_of(list(client, cluster).send().await),
        code_of(describe(client, &subject).send().await),
        code_of(update.send().await),
        code_of(delete(client, &subject).send().await),
        code_of(client.delete_cluster().name(cluster).send().await),
    ]
}
