//! What is read, and what is refused.

use super::*;
use crate::policy::{OperatorKind, Quantifier};

fn refused(text: &str) -> String {
    Document::parse(text).unwrap_err().to_string()
}

/// Returns the error about a document whose only statement has these members besides its effect
/// and its action.
fn refused_statement(members: &str) -> String {
    refused(&format!(
        r#"{{"Statement": [{{"Effect": "Allow", "Action": "sts:AssumeRole", {members}}}]}}"#
    ))
}

#[test]
fn a_trust_policy_is_read_member_by_member() {
    let text = r#"{"Version": "2012-10-17", "Id": "trust", "Statement": [
        {"Sid": "Pods", "Effect": "Allow",
         "Principal": {"Service": "pods.eks.amazonaws.com", "AWS": ["111122223333", "*"]},
         "Action": ["sts:AssumeRole", "sts:TagSession"],
         "Condition": {
             "StringEquals": {"aws:SourceAccount": 111122223333, "aws:RequestTag/on": true},
             "ForAnyValue:ArnLikeIfExists": {"aws:SourceArn": ["a", "b"]}}},
        {"Effect": "Deny", "NotPrincipal": {"Federated": "accounts.google.com"},
         "NotAction": "sts:*", "NotResource": "*"}]}"#;
    let document = Document::parse(text).unwrap();
    assert_eq!(document.version, Version::V2012);
    let [pods, deny] = &document.statements[..] else {
        panic!("two statements");
    };
    assert_eq!(pods.sid.as_deref(), Some("Pods"));
    assert_eq!(
        pods.principals,
        Some(Selection::Only(vec![
            Principal::Service("pods.eks.amazonaws.com".to_owned()),
            Principal::Account("111122223333".to_owned()),
            Principal::AnyAws,
        ]))
    );
    assert_eq!(pods.actions.entries().len(), 2);
    assert_eq!(pods.resources, None);
    let values: Vec<_> = pods.conditions.iter().map(|one| &one.values[..]).collect();
    assert_eq!(values, [&["111122223333"][..], &["true"], &["a", "b"]]);
    let last = pods.conditions[2].operator;
    assert_eq!(
        (last.kind, last.if_exists, last.quantifier),
        (OperatorKind::ArnLike, true, Some(Quantifier::ForAny))
    );
    assert_eq!((deny.index, deny.effect), (1, Effect::Deny));
    assert!(matches!(deny.principals, Some(Selection::AllBut(_))));
    assert!(matches!(deny.actions, Selection::AllBut(_)));
    assert!(matches!(deny.resources, Some(Selection::AllBut(_))));
}

#[test]
fn a_document_without_a_version_has_the_older_one() {
    let statement = r#""Statement": {"Effect": "Allow", "Action": "*"}"#;
    for (version, expected) in [
        ("", Version::V2008),
        (r#""Version": "2008-10-17","#, Version::V2008),
        (r#""Version": "2012-10-17","#, Version::V2012),
    ] {
        let document = Document::parse(&format!("{{{version}{statement}}}")).unwrap();
        assert_eq!(document.version, expected);
    }
}

#[test]
fn an_encoded_document_is_decoded_first() {
    let text = "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Deny%22%2C%22Action%22%3A%22*%22%7D%7D";
    let document = Document::parse_encoded(text).unwrap();
    assert_eq!(document.statements[0].effect, Effect::Deny);
    assert!(Document::parse_encoded("%ff").is_err());
}

#[test]
fn a_document_in_another_form_is_refused_with_the_place() {
    for (text, expected) in [
        ("", "not JSON of a policy"),
        ("[]", "a list instead of an object"),
        ("{}", "Statement: missing"),
        (r#"{"Statement": []}"#, "Statement: an empty list"),
        (
            r#"{"Statement": [], "Statements": []}"#,
            "Statements: unknown member",
        ),
        (r#"{"statement": []}"#, "statement: unknown member"),
        (
            r#"{"Version": "2023-01-01", "Statement": []}"#,
            "Version: not a known",
        ),
        (
            r#"{"Id": 1, "Statement": []}"#,
            "Id: a number instead of a text",
        ),
        (
            r#"{"Statement": [1]}"#,
            "Statement[0]: a number instead of an object",
        ),
        (
            r#"{"Statement": [], "Statement": []}"#,
            "\"Statement\" is given twice",
        ),
        (
            r#"{"Statement": {"Effect": "allow", "Action": "*"}}"#,
            "Effect: neither",
        ),
        (
            r#"{"Statement": {"Action": "*"}}"#,
            "Statement[0].Effect: missing",
        ),
        (
            r#"{"Statement": {"Effect": "Deny"}}"#,
            "Statement[0].Action: missing",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_statement_in_another_form_is_refused_with_the_place() {
    for (members, expected) in [
        (r#""NotAction": "*""#, "NotAction: beside its opposite"),
        (r#""Action": "sts:TagSession""#, "\"Action\" is given twice"),
        (r#""Principals": "*""#, "Principals: unknown member"),
        (
            r#""Principal": {"AWS": []}"#,
            "Principal.AWS: an empty list",
        ),
        (r#""Principal": {}"#, "Principal: an empty object"),
        (
            r#""Principal": "111122223333""#,
            "Principal: a text instead",
        ),
        (
            r#""Principal": {"aws": "*"}"#,
            "Principal.aws: unknown member",
        ),
        (
            r#""Resource": [["*"]]"#,
            "Resource: a list instead of a text",
        ),
        (
            r#""Condition": []"#,
            "Condition: a list instead of an object",
        ),
        (
            r#""Condition": {"StringEqual": {"a": "b"}}"#,
            "\"StringEqual\" is not an operator",
        ),
        (
            r#""Condition": {"Bool": {"a": null}}"#,
            "Condition.Bool.a: null instead",
        ),
        (
            r#""Condition": {"Bool": {"a": []}}"#,
            "Condition.Bool.a: an empty list",
        ),
        (
            r#""Condition": {"Bool": {"a": "true", "A": "false"}}"#,
            "Bool.A: given twice",
        ),
        (
            r#""Condition": {"Bool": {"a": "1"}, "Bool": {"b": "1"}}"#,
            "\"Bool\" is given twice",
        ),
    ] {
        let error = refused_statement(members);
        assert!(error.contains(expected), "{members}: {error}");
    }
}

#[test]
fn a_hostile_document_is_refused() {
    let long = "[".repeat(300_000);
    assert!(refused(&long).contains("at most 262144"));
    for text in [
        "[".repeat(60_000),
        format!(r#"{{"Statement": {}{}}}"#, "[".repeat(200), "]".repeat(200)),
        format!("{}1{}", r#"{"a":"#.repeat(5_000), "}".repeat(5_000)),
    ] {
        assert!(
            refused(&text).contains("recursion limit"),
            "{}",
            refused(&text)
        );
    }
    let escaped = r#"{"Statement": {"Effect": "Allow", "Action": "*", "\u0041ction": "*"}}"#;
    assert!(refused(escaped).contains("\"Action\" is given twice"));
}

#[test]
fn a_document_of_thousands_of_values_is_read() {
    let values: Vec<String> = (0..5_000).map(|n| format!("\"{n:08}\"")).collect();
    let text = format!(
        r#"{{"Statement": {{"Effect": "Allow", "Action": "*",
            "Condition": {{"StringLike": {{"a": [{}]}}}}}}}}"#,
        values.join(",")
    );
    let document = Document::parse(&text).unwrap();
    assert_eq!(document.statements[0].conditions[0].values.len(), 5_000);
}
