//! Roles and policies, as `GetRole` and the lists of a role have them, and jobs that find out which
//! services a role has used.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_iam::types::{JobStatusType, Role as Shown};
use percent_encoding::percent_decode_str;
use rerole_sim::fleet::Fleet;
use rerole_sim::{Fault, LastUse, Policy, Role, RoleState, ServiceUse, SimulatedAws};

use crate::harness::{
    NEW, OLD, OneAssociation, REGION, at_home, code_of, error_of, iam, in_virtual_time,
};

const APP: &str = "arn:aws:iam::111122223333:role/teams/a/app";
const BOUNDARY: &str = "arn:aws:iam::111122223333:policy/boundary";

async fn get(aws: &SimulatedAws, name: &str) -> Shown {
    let got = iam(aws).get_role().role_name(name).send().await;
    got.expect("it exists").role.expect("GetRole has a role")
}

async fn code_of_role(aws: &SimulatedAws, name: &str) -> String {
    code_of(iam(aws).get_role().role_name(name).send().await)
}

fn decoded(document: Option<&str>) -> String {
    let decoded = percent_decode_str(document.expect("there is a document"));
    decoded.decode_utf8().expect("it is UTF-8").into_owned()
}

#[test]
fn a_role_has_what_a_test_gave_it() {
    in_virtual_time(async {
        let aws = at_home();
        let trust = "{\"Statement\": [{\"Sid\": \"ü + %\", \"Principal\": \
                     {\"Service\": \"pods.eks.amazonaws.com\"}}]}";
        aws.put_role(Role {
            trust_policy: trust.to_owned(),
            max_session_duration: Duration::from_hours(12),
            description: Some("<the app>".to_owned()),
            tags: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
            permissions_boundary: Some(BOUNDARY.to_owned()),
            last_used: Some(LastUse {
                at: aws.now() - Duration::from_hours(5),
                region: REGION.to_owned(),
            }),
            ..Role::new(APP)
        });
        let role = get(&aws, "app").await;
        assert_eq!((role.arn(), role.path()), (APP, "/teams/a/"));
        assert_eq!(decoded(role.assume_role_policy_document()), trust);
        let raw = role.assume_role_policy_document().unwrap();
        assert!(
            raw.contains("%C3%BC%20%2B%20%25"),
            "RFC 3986, not a form: {raw}"
        );
        assert_eq!(role.max_session_duration(), Some(43_200));
        assert_eq!(role.description(), Some("<the app>"));
        assert_eq!(role.tags()[0].key(), "team");
        let boundary = role.permissions_boundary().unwrap();
        assert_eq!(boundary.permissions_boundary_arn(), Some(BOUNDARY));
        let used = role.role_last_used().unwrap();
        assert_eq!(used.region(), Some(REGION));
        let age = 1_795_467_600 - used.last_used_date().unwrap().secs();
        assert_eq!(age, 5 * 60 * 60);
        assert!(role.role_id().starts_with("AROA"));
        assert_eq!(aws.calls()[0].call.subject, "app");
    });
}

#[test]
fn a_role_that_eks_accepts_exists() {
    in_virtual_time(async {
        let OneAssociation { aws, .. } = OneAssociation::new(rerole_sim::Options::default());
        let role = get(&aws, "old").await;
        assert_eq!(role.arn(), OLD);
        let trust = decoded(role.assume_role_policy_document());
        assert!(trust.contains("pods.eks.amazonaws.com"), "{trust}");
        assert_eq!(get(&aws, "new").await.arn(), NEW);

        let fleet = Fleet::default();
        aws.create_tables("index", "ledger");
        fleet.build(&aws, "index");
        for role in [&fleet.old_role, &fleet.new_role] {
            let name = role.rsplit('/').next().unwrap();
            assert_eq!(get(&aws, name).await.arn(), role);
        }
    });
}

#[test]
fn eks_and_iam_agree_about_a_role() {
    in_virtual_time(async {
        let one = OneAssociation::new(rerole_sim::Options::default());
        let aws = &one.aws;
        let trusts_pods = async || {
            let role = get(aws, "new").await;
            decoded(role.assume_role_policy_document()).contains("pods.eks.amazonaws.com")
        };
        aws.eks(|eks| eks.set_role_state(NEW, RoleState::Missing));
        assert_eq!(code_of_role(aws, "new").await, "NoSuchEntity");
        aws.eks(|eks| eks.set_role_state(NEW, RoleState::BadTrust));
        assert!(!trusts_pods().await);

        aws.put_role(Role::new(NEW));
        assert!(trusts_pods().await);
        assert!(one.update(NEW).await.is_ok());
        aws.edit_role(NEW, |role| role.trust_policy = "{}".to_owned());
        let (_, message) = error_of(one.update(NEW).await);
        assert_eq!(message, "Trust policy of the role provided is invalid.");
        aws.delete_role(NEW);
        let (_, message) = error_of(one.update(NEW).await);
        assert_eq!(message, "Role provided in the request does not exist.");
        assert_eq!(code_of_role(aws, "new").await, "NoSuchEntity");
        // EKS sees a change of IAM later than IAM itself.
        let later = aws.now() + Duration::from_mins(1);
        aws.eks(|eks| eks.set_role_state(NEW, RoleState::MissingUntil(later)));
        assert!(trusts_pods().await);
    });
}

#[test]
fn a_role_has_policies() {
    in_virtual_time(async {
        let aws = at_home();
        let managed = |number| format!("arn:aws:iam::111122223333:policy/p{number}");
        aws.put_role(Role {
            inline_policies: BTreeMap::from([("own".to_owned(), "{\"a\": 1}".to_owned())]),
            attached_policies: (0..5).map(managed).collect(),
            ..Role::new(APP)
        });
        for document in ["{\"v\": 1}", "{\"v\": 2}"] {
            aws.put_policy(Policy {
                arn: managed(0),
                description: None,
                document: document.to_owned(),
            });
        }
        let client = iam(&aws);
        let mut pages = client
            .list_attached_role_policies()
            .role_name("app")
            .max_items(2)
            .into_paginator()
            .send();
        let mut sizes = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            assert_eq!(page.is_truncated(), sizes.len() < 2);
            sizes.push(page.attached_policies().len());
        }
        assert_eq!(sizes, [2, 2, 1]);

        let got = client.get_policy().policy_arn(managed(0)).send().await;
        let policy = got.unwrap().policy.unwrap();
        assert_eq!(policy.default_version_id(), Some("v2"));
        assert_eq!(policy.attachment_count(), Some(1));
        for (id, document) in [("v1", "{\"v\": 1}"), ("v2", "{\"v\": 2}")] {
            let version = client.get_policy_version().policy_arn(managed(0));
            let version = version.version_id(id).send().await.unwrap();
            let version = version.policy_version().unwrap();
            assert_eq!(decoded(version.document()), document);
            assert_eq!(version.is_default_version(), id == "v2");
        }
        let listed = client.list_role_policies().role_name("app").send().await;
        assert_eq!(listed.unwrap().policy_names(), ["own"]);
        let own = client.get_role_policy().role_name("app").policy_name("own");
        let own = own.send().await.unwrap();
        assert_eq!(decoded(Some(own.policy_document())), "{\"a\": 1}");
        assert_eq!(aws.calls()[3].call.subject, managed(0));

        aws.delete_policy(&managed(0));
        let listed = client.list_attached_role_policies().role_name("app");
        assert_eq!(listed.send().await.unwrap().attached_policies().len(), 4);
        let deleted = client.get_policy().policy_arn(managed(0)).send().await;
        assert_eq!(code_of(deleted), "NoSuchEntity");
        let absent = client.get_role_policy().role_name("app").policy_name("x");
        assert_eq!(code_of(absent.send().await), "NoSuchEntity");
    });
}

#[test]
fn a_job_finds_the_services_that_a_role_has_used() {
    in_virtual_time(async {
        let aws = at_home();
        let service = |namespace: &str, last_used| ServiceUse {
            namespace: namespace.to_owned(),
            name: namespace.to_uppercase(),
            last_used,
        };
        let used = LastUse {
            at: aws.now() - Duration::from_hours(24),
            region: REGION.to_owned(),
        };
        aws.put_role(Role {
            services: vec![service("sqs", None), service("s3", Some(used))],
            ..Role::new(APP)
        });
        let client = iam(&aws);
        let started = client.generate_service_last_accessed_details().arn(APP);
        let job = started
            .send()
            .await
            .unwrap()
            .job_id
            .expect("a job has an ID");
        let read = || {
            let read = client.get_service_last_accessed_details().job_id(&job);
            async { read.max_items(1).send().await.expect("the job exists") }
        };
        for _ in 0..2 {
            assert_eq!(*read().await.job_status(), JobStatusType::InProgress);
        }
        let completed = read().await;
        assert_eq!(*completed.job_status(), JobStatusType::Completed);
        assert!(completed.is_truncated());
        let first = &completed.services_last_accessed()[0];
        assert_eq!(first.service_namespace(), "s3");
        assert_eq!(first.last_authenticated_region(), Some(REGION));
        let rest = client.get_service_last_accessed_details().job_id(&job);
        let rest = rest
            .marker(completed.marker().unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(rest.services_last_accessed()[0].service_namespace(), "sqs");
        assert_eq!(rest.services_last_accessed()[0].last_authenticated(), None);

        let absent = client.get_service_last_accessed_details().job_id("absent");
        assert_eq!(code_of(absent.send().await), "NoSuchEntity");
        let other_path = "arn:aws:iam::111122223333:role/app";
        let absent = client
            .generate_service_last_accessed_details()
            .arn(other_path);
        assert_eq!(code_of(absent.send().await), "NoSuchEntity");
    });
}

#[test]
fn calls_fail_with_the_codes_of_iam() {
    in_virtual_time(async {
        let aws = at_home();
        aws.on_call(|_| Fault::Throttle);
        assert_eq!(code_of_role(&aws, "app").await, "Throttling");
        aws.on_call(|_| Fault::Error {
            status: 403,
            code: "AccessDenied".to_owned(),
            message: "not authorized to perform: iam:GetRole".to_owned(),
        });
        assert_eq!(code_of_role(&aws, "app").await, "AccessDenied");
        aws.on_call(|_| Fault::ServerError(500));
        assert_eq!(code_of_role(&aws, "app").await, "ServiceFailure");
    });
}
