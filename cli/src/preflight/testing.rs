//! Roles and associations for the tests of the checks.

use rerole_core::indexing::IndexItem;
use rerole_core::resource::RoleArn;

use crate::iam::{Policies, Policy, Role, RoleWithPolicies};
use crate::request::Roles;
use crate::testing::{ACCOUNT, now};

pub const POD_TRUST: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
    "Principal": {"Service": "pods.eks.amazonaws.com"},
    "Action": ["sts:AssumeRole", "sts:TagSession"]}}"#;

pub fn role(name: &str) -> RoleArn {
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/platform/{name}");
    arn.parse().unwrap()
}

pub fn roles([old, new]: [&str; 2]) -> Roles {
    Roles {
        old: role(old),
        new: role(new),
    }
}

/// A role with this trust policy.
pub fn with_trust((name, trust): (&str, &str)) -> Role {
    Role {
        arn: role(name),
        trust: Ok(trust.to_owned()),
        max_session: None,
        last_used: None,
        tags: Vec::new(),
        boundary_arn: None,
    }
}

/// A role without policies.
pub fn read(role: Role) -> RoleWithPolicies {
    with_policies(role, &[])
}

/// A role with these documents as inline policies, `policy-0` and so on.
pub fn with_policies(role: Role, documents: &[&str]) -> RoleWithPolicies {
    let policies = documents.iter().enumerate();
    let policies = policies.map(|(number, document)| Policy {
        name: format!("policy-{number}"),
        document: Ok((*document).to_owned()),
    });
    RoleWithPolicies {
        role,
        policies: Policies {
            identity: policies.collect(),
            boundary: None,
            gaps: Vec::new(),
        },
    }
}

/// An association of a workload, such as `pay/api`, with a role.
pub fn item((cluster, workload): (&str, &str), own: &str) -> IndexItem {
    let (namespace, service_account) = workload.split_once('/').unwrap();
    let id = format!("a-{namespace}-{service_account}");
    let arn = format!("arn:aws:eks:us-east-1:{ACCOUNT}:podidentityassociation/{cluster}/{id}");
    IndexItem {
        cluster_arn: format!("arn:aws:eks:us-east-1:{ACCOUNT}:cluster/{cluster}"),
        association_id: id,
        association_arn: arn.parse().unwrap(),
        cluster_name: cluster.to_owned(),
        namespace: namespace.to_owned(),
        service_account: service_account.to_owned(),
        role_arn: role(own).to_string(),
        target_role_arn: None,
        owner_arn: None,
        modified_at: now(),
    }
}
