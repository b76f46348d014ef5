//! Target roles: both sides of a chain.

use serde_json::{Value, json};

use super::{pod_actions, session};
use crate::policy::{
    Chain, ChainVerdict, Document, ExternalId, IdentityPart, SessionTags, TrustVerdict, Verdict,
    evaluate, role_can_chain,
};

const SOURCE: &str = "arn:aws:iam::111122223333:role/source";
const SAME: &str = "arn:aws:iam::111122223333:role/target";
const OTHER: &str = "arn:aws:iam::444455556666:role/target";

fn chain(target: &str, tags: SessionTags) -> Chain {
    Chain {
        source: SOURCE.parse().unwrap(),
        target: target.parse().unwrap(),
        external_id: ExternalId::Sent("us-east-1/111122223333/prod-1/payments/api".to_owned()),
        session: session(tags),
    }
}

fn trust(principal: &Value, condition: &Value) -> Document {
    let document = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": { "AWS": principal }, "Action": pod_actions(),
        "Condition": condition,
    }});
    Document::parse(&document.to_string()).unwrap()
}

#[test]
fn the_part_of_the_sources_policies_follows_from_who_is_trusted_and_where() {
    let session = "arn:aws:sts::111122223333:assumed-role/source/eks";
    let (root, both) = ("arn:aws:iam::111122223333:root", [SOURCE, "111122223333"]);
    for (principal, target, expected) in [
        (json!(SOURCE), SAME, ("allowed", IdentityPart::MustNotDeny)),
        (json!(SOURCE), OTHER, ("allowed", IdentityPart::MustAllow)),
        (json!(root), SAME, ("allowed", IdentityPart::MustAllow)),
        (json!(root), OTHER, ("allowed", IdentityPart::MustAllow)),
        (json!(both), SAME, ("allowed", IdentityPart::MustNotDeny)),
        (json!("*"), SAME, ("allowed", IdentityPart::MustNotDeny)),
        (json!(session), SAME, ("unknown", IdentityPart::Unknown)),
        (json!(OTHER), SAME, ("denied", IdentityPart::MustAllow)),
    ] {
        let chain = chain(target, SessionTags::Sent);
        let found = role_can_chain(&trust(&principal, &json!({})), &chain);
        let kind = match found.trust {
            TrustVerdict::Allowed => "allowed",
            TrustVerdict::Denied { .. } => "denied",
            TrustVerdict::Unknown(_) => "unknown",
        };
        assert_eq!((kind, found.identity), expected, "{principal} {target}");
    }
}

#[test]
fn the_example_of_the_documentation_allows_its_pod_alone() {
    let condition = json!({
        "StringEquals": {
            "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-east-1:111122223333:cluster/prod-1",
            "aws:RequestTag/kubernetes-namespace": "payments",
            "aws:RequestTag/kubernetes-service-account": "api",
        },
        "ArnEquals": { "aws:PrincipalARN": SOURCE },
    });
    let trust = trust(&json!("arn:aws:iam::111122223333:root"), &condition);
    let mut chain = chain(OTHER, SessionTags::Sent);
    assert_eq!(role_can_chain(&trust, &chain).trust, TrustVerdict::Allowed);
    chain.source = "arn:aws:iam::111122223333:role/new".parse().unwrap();
    let TrustVerdict::Denied { denial, .. } = role_can_chain(&trust, &chain).trust else {
        panic!("another source is refused");
    };
    assert_eq!(
        denial.to_string(),
        "aws:PrincipalARN is limited to arn:aws:iam::111122223333:role/source, \
         and the request has arn:aws:iam::111122223333:role/new"
    );
}

#[test]
fn an_external_id_is_compared_if_it_is_known() {
    let id = "us-east-1/111122223333/prod-1/payments/api";
    let trust = trust(
        &json!(SOURCE),
        &json!({ "StringEquals": { "sts:ExternalId": id } }),
    );
    for (external_id, expected) in [
        (ExternalId::Sent(id.to_owned()), Some(true)),
        (ExternalId::Sent("x".to_owned()), Some(false)),
        (ExternalId::Absent, Some(false)),
        (ExternalId::Unknown, None),
    ] {
        let mut chain = chain(SAME, SessionTags::Disabled);
        chain.external_id = external_id;
        let found = match role_can_chain(&trust, &chain).trust {
            TrustVerdict::Allowed => Some(true),
            TrustVerdict::Denied { .. } => Some(false),
            TrustVerdict::Unknown(_) => None,
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn without_session_tags_the_chain_passes_none() {
    let condition = json!({ "Null": {
        "aws:TagKeys": "true", "sts:TransitiveTagKeys": "true", "aws:RequestTag/a": "true",
    }});
    let trust = trust(&json!(SOURCE), &condition);
    for (tags, expected) in [(SessionTags::Disabled, true), (SessionTags::Sent, false)] {
        let found = role_can_chain(&trust, &chain(SAME, tags)).trust;
        assert_eq!(found == TrustVerdict::Allowed, expected, "{found:?}");
    }
}

#[test]
fn the_sources_policies_are_evaluated_with_the_requests_of_the_chain() {
    let policy = |resource: &str| {
        let statement = json!({
            "Effect": "Allow", "Action": pod_actions(), "Resource": resource,
        });
        Document::parse(&json!({ "Statement": statement }).to_string()).unwrap()
    };
    let trust = trust(&json!("111122223333"), &json!({}));
    let found = role_can_chain(&trust, &chain(OTHER, SessionTags::Unknown));
    let actions =
        |found: &ChainVerdict| -> Vec<usize> { found.cases.iter().map(Vec::len).collect() };
    assert_eq!(actions(&found), [2, 1]);
    for request in found.cases.iter().flatten() {
        assert_eq!(evaluate(&[policy(OTHER)], request), Verdict::Allowed);
        let denied = evaluate(&[policy(SAME)], request);
        assert!(matches!(denied, Verdict::Denied(_)));
    }
    let found = role_can_chain(&trust, &chain(OTHER, SessionTags::Disabled));
    assert_eq!(actions(&found), [1]);
}
