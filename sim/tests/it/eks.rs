//! What EKS answers, through the SDK's own client.

use crate::{NEW, OLD, REGION, code_of, eks, eks_with, in_virtual_time};
use aws_sdk_eks::config::retry::RetryConfig;
use aws_sdk_eks::error::ProvideErrorMetadata;
use rerole_sim::{AddonUpdates, Options, RoleState, SameRole, SimulatedAws, Throttle};
use std::time::Duration;

const TOKEN: &str = "0123456789012345678901234567890123456789";

/// One association in one cluster, and its id.
fn one(options: Options) -> (SimulatedAws, String, String) {
    let aws = SimulatedAws::new(options);
    let arn = aws.eks(|eks| eks.associate(REGION, "prod", "ns", "sa", OLD));
    let id = aws.eks(|eks| eks.association(&arn).expect("just made").association_id.clone());
    (aws, arn, id)
}

/// Create, Describe, Update and Delete show one association with all its fields, and times in order.
#[test]
fn an_association_lives_through_the_api() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default());
        aws.eks(|eks| eks.create_cluster(REGION, "prod"));
        let client = eks(&aws);
        let created = client
            .create_pod_identity_association()
            .cluster_name("prod")
            .namespace("ns")
            .service_account("sa")
            .role_arn(OLD)
            .target_role_arn("arn:aws:iam::999900001111:role/target")
            .tags("team", "payments")
            .send()
            .await
            .expect("a valid association is created")
            .association
            .expect("the answer has it");
        let id = created.association_id().expect("it has an id");
        assert!(id.len() == 19 && id.starts_with("a-"), "{id}");
        assert!(created.external_id().is_some(), "a target role brings an external id");
        let updated = client
            .update_pod_identity_association()
            .cluster_name("prod")
            .association_id(id)
            .role_arn(NEW)
            .send()
            .await
            .expect("a valid update")
            .association
            .expect("the answer has it");
        assert_eq!(updated.role_arn(), Some(NEW));
        assert_eq!(updated.target_role_arn(), created.target_role_arn(), "omitted fields are kept");
        assert_eq!(updated.external_id(), created.external_id());
        assert!(updated.modified_at() > created.modified_at() && updated.created_at() == created.created_at());
        let described = client.describe_pod_identity_association().cluster_name("prod").association_id(id).send().await;
        assert_eq!(described.expect("it exists").association, Some(updated));
        let cleared = client
            .update_pod_identity_association()
            .cluster_name("prod")
            .association_id(id)
            .target_role_arn("")
            .send()
            .await
            .expect("an empty target role clears it")
            .association
            .expect("the answer has it");
        assert_eq!((cleared.target_role_arn(), cleared.external_id()), (None, None));
        let delete = || client.delete_pod_identity_association().cluster_name("prod").association_id(id).send();
        assert!(delete().await.is_ok());
        assert_eq!(code_of(delete().await).0, "ResourceNotFoundException");
    });
}

/// Each row is a world, an update, and what EKS says to it.
#[test]
fn updates_are_refused_for_the_documented_reasons() {
    type Row = (&'static str, Options, fn(&SimulatedAws, &str), Option<&'static str>, (&'static str, &'static str));
    let rows: [Row; 12] = [
        ("a ready role", Options::default(), |_, _| {}, Some(NEW), ("", "")),
        (
            "a missing role",
            Options::default(),
            |aws, _| aws.eks(|eks| eks.role_state(NEW, RoleState::Missing)),
            Some(NEW),
            ("InvalidParameterException", "Role provided in the request does not exist"),
        ),
        (
            "a wrong trust policy",
            Options::default(),
            |aws, _| aws.eks(|eks| eks.role_state(NEW, RoleState::BadTrust)),
            Some(NEW),
            ("InvalidParameterException", "Trust policy of the role provided is invalid"),
        ),
        (
            "a role that is there by now",
            Options::default(),
            |aws, _| {
                let now = aws.now();
                aws.eks(|eks| eks.role_state(NEW, RoleState::MissingUntil(now)));
            },
            Some(NEW),
            ("", ""),
        ),
        (
            "another account's role",
            Options::default(),
            |_, _| {},
            Some("arn:aws:iam::444455556666:role/new"),
            ("InvalidParameterException", "same account"),
        ),
        ("no role", Options::default(), |_, _| {}, Some("new"), ("InvalidParameterException", "not valid")),
        ("nothing", Options::default(), |_, _| {}, None, ("InvalidParameterException", "You must change at least one")),
        ("the same role, accepted", Options::default(), |_, _| {}, Some(OLD), ("", "")),
        (
            "the same role, refused",
            Options { same_role_update: SameRole::Refused, ..Options::default() },
            |_, _| {},
            Some(OLD),
            ("InvalidParameterException", "You must change at least one"),
        ),
        (
            "an add-on's, refused",
            Options::default(),
            |aws, arn| aws.eks(|eks| eks.set_owner(arn, Some("arn:aws:eks:addon"))),
            Some(NEW),
            ("InvalidRequestException", "owned by an Amazon EKS add-on"),
        ),
        (
            "an add-on's, allowed",
            Options { addon_updates: AddonUpdates::Allowed, ..Options::default() },
            |aws, arn| aws.eks(|eks| eks.set_owner(arn, Some("arn:aws:eks:addon"))),
            Some(NEW),
            ("", ""),
        ),
        (
            "a denied cluster",
            Options::default(),
            |aws, _| aws.eks(|eks| eks.deny("prod")),
            Some(NEW),
            ("AccessDeniedException", "not authorized to perform: eks:UpdatePodIdentityAssociation"),
        ),
    ];
    for (what, options, arrange, role, (code, message)) in rows {
        in_virtual_time(async {
            let (aws, arn, id) = one(options);
            arrange(&aws, &arn);
            let before = aws.eks(|eks| eks.association(&arn).cloned()).expect("it exists");
            let update = eks(&aws).update_pod_identity_association().cluster_name("prod").association_id(id);
            let answer = code_of(update.set_role_arn(role.map(str::to_owned)).send().await);
            assert!(answer.0 == code && answer.1.contains(message), "{what}: {answer:?}");
            let after = aws.eks(|eks| eks.association(&arn).cloned()).expect("it exists");
            assert_eq!(after.modified_at > before.modified_at, code.is_empty(), "{what}: modifiedAt");
            assert_eq!(after != before, code.is_empty(), "{what}: state");
        });
    }
}

/// A role that IAM has yet to tell EKS about, or whose trust policy is about to be mended, heals at its time and not before.
#[test]
fn roles_heal_at_their_time() {
    for heals in [RoleState::MissingUntil as fn(_) -> _, RoleState::BadTrustUntil] {
        in_virtual_time(async {
            let (aws, _, id) = one(Options { latency: Duration::ZERO..=Duration::ZERO, ..Options::default() });
            let (almost, instant) = (Duration::from_millis(59_999), Duration::from_millis(1));
            let healed_at = aws.now() + almost + instant;
            aws.eks(|eks| eks.role_state(NEW, heals(healed_at)));
            let client = eks(&aws);
            let update = || {
                let update = client.update_pod_identity_association().cluster_name("prod").association_id(&id);
                update.role_arn(NEW).send()
            };
            tokio::time::advance(almost).await;
            assert_eq!(code_of(update().await).0, "InvalidParameterException");
            tokio::time::advance(instant).await;
            assert!(update().await.is_ok());
        });
    }
}

/// A token replays its first success without doing it again, and takes no other parameters.
#[test]
fn a_token_works_once() {
    in_virtual_time(async {
        let (aws, arn, id) = one(Options::default());
        let client = eks(&aws);
        let update = |token: &str, role: &str| {
            let update = client.update_pod_identity_association().cluster_name("prod").association_id(&id);
            update.client_request_token(token).role_arn(role).send()
        };
        let first = update(TOKEN, NEW).await.expect("a valid update").association;
        // Somebody moves it back; the token's answer stays what it was.
        let now = aws.now();
        aws.eks(|eks| eks.set_role(&arn, OLD, now));
        let again = update(TOKEN, NEW).await.expect("a replay").association;
        assert_eq!(first, again);
        assert_eq!(aws.eks(|eks| eks.association_count_on(OLD)), 1, "the replay did nothing");
        assert!(aws.calls().last().expect("a call").replayed);
        assert_eq!(code_of(update(TOKEN, OLD).await).0, "InvalidParameterException");
        for (len, is_taken) in [(32, false), (33, true), (126, true), (127, false)] {
            let (code, _) = code_of(update(&"x".repeat(len), NEW).await);
            assert_eq!(code.is_empty(), is_taken, "a token of {len} characters");
        }
    });
}

/// A refusal is forgotten, or replayed where the switch says so.
#[test]
fn a_refusal_is_replayed_only_by_the_switch() {
    for replay_refusals in [false, true] {
        in_virtual_time(async {
            let (aws, _, id) = one(Options { replay_refusals, ..Options::default() });
            aws.eks(|eks| eks.role_state(NEW, RoleState::Missing));
            let client = eks(&aws);
            let update = || {
                let update = client.update_pod_identity_association().cluster_name("prod").association_id(&id);
                update.client_request_token(TOKEN).role_arn(NEW).send()
            };
            assert!(update().await.is_err());
            aws.eks(|eks| eks.role_state(NEW, RoleState::Ready));
            assert_eq!(update().await.is_err(), replay_refusals);
        });
    }
}

/// 250 associations come in three pages, each once, with the filters applied before the page is cut.
#[test]
fn lists_come_in_pages_of_a_hundred() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default());
        for n in 0..250 {
            aws.eks(|eks| {
                eks.associate(REGION, "prod", if n % 2 == 0 { "even" } else { "odd" }, &format!("sa-{n}"), OLD)
            });
        }
        // A cluster whose name begins like the other's keeps its own.
        aws.eks(|eks| eks.associate(REGION, "prod-2", "even", "sa", OLD));
        let client = eks(&aws);
        for (namespace, sizes) in [(None, vec![100, 100, 50]), (Some("even"), vec![100, 25]), (Some("none"), vec![0])] {
            let list = client.list_pod_identity_associations().cluster_name("prod");
            let mut pages = list.set_namespace(namespace.map(str::to_owned)).into_paginator().send();
            let (mut seen, mut lens) = (std::collections::BTreeSet::new(), Vec::new());
            while let Some(page) = pages.next().await {
                let page = page.expect("a page");
                lens.push(page.associations().len());
                seen.extend(page.associations().iter().filter_map(|it| it.association_id().map(str::to_owned)));
            }
            assert_eq!(lens, sizes, "{namespace:?}");
            assert_eq!(seen.len(), sizes.iter().sum::<usize>(), "{namespace:?}");
        }
        let zero = client.list_pod_identity_associations().cluster_name("prod").max_results(0).send().await;
        assert_eq!(code_of(zero).0, "InvalidParameterException");
    });
}

/// Tags within AWS's limits are taken; each limit has a row.
#[test]
fn tags_have_limits() {
    let many = |count: usize| (0..count).map(|n| (format!("k{n}"), String::new())).collect::<Vec<_>>();
    let one = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    let rows = [
        (many(50), true),
        (many(51), false),
        (one(&"k".repeat(128), ""), true),
        (one(&"k".repeat(129), ""), false),
        (one("k", &"ü".repeat(256)), true),
        (one("k", &"ü".repeat(257)), false),
        (one("aws:k", "v"), false),
        (one("AWS:k", "v"), false),
    ];
    for (tags, is_taken) in rows {
        in_virtual_time(async {
            let aws = SimulatedAws::new(Options::default());
            aws.eks(|eks| eks.create_cluster(REGION, "prod"));
            let create = eks(&aws).create_pod_identity_association().cluster_name("prod").namespace("ns");
            let create = create.service_account("sa").role_arn(OLD).set_tags(Some(tags.iter().cloned().collect()));
            assert_eq!(create.send().await.is_ok(), is_taken, "{tags:?}");
        });
    }
}

/// Accounts and regions are worlds of their own, and each has its own bucket.
#[test]
fn throttles_are_per_account_and_region() {
    in_virtual_time(async {
        let throttle = Some(Throttle { rate_per_sec: 1.0, burst: 2.0 });
        let aws =
            SimulatedAws::new(Options { throttle, latency: Duration::ZERO..=Duration::ZERO, ..Options::default() });
        let rows = [("111122223333", REGION), ("111122223333", "us-east-1"), ("444455556666", REGION)];
        for (account, region) in rows {
            let client = eks_with(&aws, account, region, RetryConfig::disabled());
            let mut codes = Vec::new();
            for _ in 0..3 {
                codes.push(code_of(client.list_clusters().send().await).0);
            }
            assert_eq!(codes, ["", "", "TooManyRequestsException"], "{account} in {region}");
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(eks(&aws).list_clusters().send().await.is_ok(), "the bucket fills again");
        // The SDK sees the throttle for what it is and waits it out.
        let retrying = eks_with(&aws, "111122223333", REGION, RetryConfig::standard().with_max_attempts(10));
        assert!(retrying.list_clusters().send().await.is_ok());
    });
}

/// A bare 429 has no code, and whole-second counterparts show whole seconds.
#[test]
fn the_counterparts_other_habits_can_be_had() {
    in_virtual_time(async {
        let (aws, _, id) = one(Options {
            throttle: Some(Throttle { rate_per_sec: 0.001, burst: 1.0 }),
            bare_throttle: true,
            modified_at_resolution: Duration::from_secs(1),
            ..Options::default()
        });
        let client = eks(&aws);
        let update = || {
            let update = client.update_pod_identity_association().cluster_name("prod").association_id(&id);
            update.role_arn(NEW).send()
        };
        tokio::time::advance(Duration::from_millis(1500)).await;
        let updated = update().await.expect("the first call is admitted").association.expect("the answer has it");
        assert_eq!(updated.modified_at().map(aws_sdk_eks::primitives::DateTime::subsec_nanos), Some(0));
        let throttled = update().await.expect_err("the bucket is empty");
        assert_eq!(throttled.raw_response().map(|response| response.status().as_u16()), Some(429));
        assert_eq!(throttled.code(), None);
    });
}
