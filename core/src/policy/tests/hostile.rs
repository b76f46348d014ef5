//! Policies that were made to be slow or to be misread.

use serde_json::json;

use super::{pod_actions, session};
use crate::policy::{DOCUMENT_BYTES_MAX, Document, SessionTags, TrustVerdict, pod_can_assume};

fn verdict(condition: &serde_json::Value) -> TrustVerdict {
    let document = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" },
        "Action": pod_actions(), "Condition": condition,
    }});
    let text = document.to_string();
    assert!(text.len() <= DOCUMENT_BYTES_MAX, "{}", text.len());
    pod_can_assume(
        &Document::parse(&text).unwrap(),
        &session(SessionTags::Sent),
    )
}

#[test]
fn a_policy_as_long_as_allowed_is_evaluated() {
    let mut values: Vec<String> = (0..6_000).map(|n| format!("{n:06}")).collect();
    let key = "aws:RequestTag/kubernetes-namespace";
    let denied = verdict(&json!({ "StringLike": { key: values } }));
    assert!(matches!(denied, TrustVerdict::Denied { .. }));
    values.push("*a*y*m*".to_owned());
    let allowed = verdict(&json!({ "StringLike": { key: values } }));
    assert_eq!(allowed, TrustVerdict::Allowed);
}

#[test]
fn stars_and_variables_do_not_multiply() {
    let key = "aws:RequestTag/eks-cluster-arn";
    for pattern in [
        "*a".repeat(30_000),
        "*a".repeat(20) + "!",
        "${aws:SourceArn}".repeat(4_000),
        "${".repeat(30_000),
        "${aws:SourceArn, '".repeat(3_000),
    ] {
        let found = verdict(&json!({ "StringLike": { key: pattern } }));
        assert_ne!(found, TrustVerdict::Allowed, "{pattern:.40}");
    }
}

#[test]
fn a_letter_that_looks_like_another_one_does_not_match() {
    for (key, value) in [
        ("aws:RequestTag/kubernetes-namespace", "раyments"),
        ("aws:RequestTag/kubernetes-namespace", "payments\u{200b}"),
        ("aws:RequestTag/kubernetes-namespace", "paymentſ"),
        ("aws:SourceАccount", "111122223333"),
        ("aws:SourceAccount", "１１１１２２２２３３３３"),
    ] {
        for operator in ["StringEquals", "StringEqualsIgnoreCase", "StringLike"] {
            let found = verdict(&json!({ operator: { key: value } }));
            assert_ne!(found, TrustVerdict::Allowed, "{key} {value}");
        }
    }
}

#[test]
fn thousands_of_associations_are_evaluated_with_one_parsed_policy() {
    let condition = json!({
        "StringEquals": { "aws:SourceAccount": "111122223333" },
        "ArnLike": { "aws:SourceArn": "arn:aws:eks:*:111122223333:cluster/prod-*" },
        "StringLike": { "aws:RequestTag/kubernetes-namespace": ["billing-*", "pay*"] },
    });
    let document = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" },
        "Action": pod_actions(), "Condition": condition,
    }});
    let trust = Document::parse(&document.to_string()).unwrap();
    let mut session = session(SessionTags::Sent);
    for n in 0..5_000 {
        session.service_account = format!("account-{n}");
        assert_eq!(pod_can_assume(&trust, &session), TrustVerdict::Allowed);
    }
}
