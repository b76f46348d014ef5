//! Pod Identity associations through the API: create, describe, update, delete, list, and tags.

use std::collections::BTreeSet;

use aws_sdk_eks::Client;
use aws_sdk_eks::types::PodIdentityAssociation;
use rerole_sim::{Options, SimulatedAws};

use crate::harness::{
    NEW, OLD, REGION, code_of, create, delete, describe, eks, in_virtual_time, list, update,
};

const TARGET: &str = "arn:aws:iam::999900001111:role/target";

#[test]
fn a_created_association_has_an_id_and_an_external_id() {
    in_virtual_time(async {
        let (_, created) = created().await;
        let id = created.association_id().expect("it has an id");
        assert!(id.len() == 19 && id.starts_with("a-"), "{id}");
        assert!(
            created.external_id().is_some(),
            "it comes with a target role"
        );
    });
}

#[test]
fn an_update_keeps_omitted_fields_and_describe_shows_it() {
    in_virtual_time(async {
        let (client, created) = created().await;
        let subject = subject(&created);
        let update = update(&client, &subject).role_arn(NEW).send().await;
        let updated = update.expect("a valid update").association;
        let updated = updated.expect("the response has it");
        assert_eq!(updated.role_arn(), Some(NEW));
        assert_eq!(updated.target_role_arn(), created.target_role_arn());
        assert_eq!(updated.external_id(), created.external_id());
        assert!(updated.modified_at() > created.modified_at());
        assert_eq!(updated.created_at(), created.created_at());
        let described = describe(&client, &subject).send().await;
        let described = described.expect("it exists").association;
        assert_eq!(described, Some(updated));
    });
}

#[test]
fn an_empty_target_role_removes_it_with_its_external_id() {
    in_virtual_time(async {
        let (client, created) = created().await;
        let update = update(&client, &subject(&created)).target_role_arn("");
        let updated = update.send().await.expect("a valid update").association;
        let updated = updated.expect("the response has it");
        assert_eq!(updated.target_role_arn(), None);
        assert_eq!(updated.external_id(), None);
    });
}

#[test]
fn an_association_can_be_deleted_once() {
    in_virtual_time(async {
        let (client, created) = created().await;
        let delete = || delete(&client, &subject(&created)).send();
        assert!(delete().await.is_ok());
        assert_eq!(code_of(delete().await), "ResourceNotFoundException");
    });
}

/// A client, and an association in the cluster `prod` that it created.
async fn created() -> (Client, PodIdentityAssociation) {
    let aws = SimulatedAws::new(Options::default());
    aws.eks(|eks| eks.create_cluster(REGION, "prod"));
    let client = eks(&aws);
    let create = create(&client, "prod").target_role_arn(TARGET);
    let created = create.tags("team", "payments").send().await;
    let created = created.expect("a valid association").association;
    (client, created.expect("the response has it"))
}

fn subject(association: &PodIdentityAssociation) -> String {
    format!("prod/{}", association.association_id().expect("an id"))
}

/// 250 associations are on three pages, each once. Filters apply before the pages are cut.
#[test]
fn lists_have_pages_of_a_hundred() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default());
        for n in 0..250 {
            let namespace = if n % 2 == 0 { "even" } else { "odd" };
            let account = format!("sa-{n}");
            aws.eks(|eks| eks.associate(REGION, "prod", namespace, &account, OLD));
        }
        // The name of this cluster starts like that of the other.
        aws.eks(|eks| eks.associate(REGION, "prod-2", "even", "sa", OLD));
        let client = eks(&aws);
        let rows = [
            (None, vec![100, 100, 50]),
            (Some("even"), vec![100, 25]),
            (Some("none"), vec![0]),
        ];
        for (namespace, lens) in rows {
            let list = list(&client, "prod").set_namespace(namespace.map(str::to_owned));
            let mut paginator = list.into_paginator().send();
            let (mut ids, mut pages) = (BTreeSet::new(), Vec::new());
            while let Some(page) = paginator.next().await {
                let page = page.expect("a page").associations.unwrap_or_default();
                pages.push(page.len());
                ids.extend(page.into_iter().filter_map(|it| it.association_id));
            }
            assert_eq!(pages, lens, "{namespace:?}");
            assert_eq!(ids.len(), lens.iter().sum::<usize>(), "{namespace:?}");
        }
        let empty_pages = list(&client, "prod").max_results(0).send().await;
        assert_eq!(code_of(empty_pages), "InvalidParameterException");
    });
}

/// Each limit of AWS has a row on each side of it.
#[test]
fn tags_outside_of_the_limits_are_refused() {
    let many = |count: usize| {
        let keys = (0..count).map(|n| format!("k{n}"));
        keys.map(|key| (key, String::new())).collect()
    };
    let one = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    let rows: [(Vec<(String, String)>, bool); 8] = [
        (many(50), true),
        (many(51), false),
        (one(&"k".repeat(128), ""), true),
        (one(&"k".repeat(129), ""), false),
        (one("k", &"ü".repeat(256)), true),
        (one("k", &"ü".repeat(257)), false),
        (one("aws:k", "v"), false),
        (one("AWS:k", "v"), false),
    ];
    for (tags, is_accepted) in rows {
        in_virtual_time(async {
            let aws = SimulatedAws::new(Options::default());
            aws.eks(|eks| eks.create_cluster(REGION, "prod"));
            let create = create(&eks(&aws), "prod");
            let create = create.set_tags(Some(tags.iter().cloned().collect()));
            assert_eq!(create.send().await.is_ok(), is_accepted, "{tags:?}");
        });
    }
}
