//! What holds for all policies and requests.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

use crate::policy::{
    Caller, Case, Context, Document, KeyFact, Pattern, Request, Verdict, evaluate,
};

const KEYS: [&str; 3] = ["a", "b", "c"];

fn text() -> impl Strategy<Value = String> {
    select(vec!["", "x", "xy", "X", "1", "true", "arn:aws:s3:::x", "é"]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    let special = vec![
        "*",
        "x*",
        "?",
        "false",
        "${b}",
        "${c, 'x'}",
        "x${*}",
        "${",
        "arn:*:*:*:*:*",
    ];
    prop_oneof![text(), select(special).prop_map(str::to_owned)]
}

fn condition() -> impl Strategy<Value = Value> {
    let operators = vec![
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
        "StringLikeIfExists",
        "StringNotEqualsIfExists",
        "NumericLessThan",
        "NumericNotEquals",
        "Bool",
        "BoolIfExists",
        "ArnLike",
        "ArnNotEquals",
        "Null",
        "ForAllValues:StringLike",
        "ForAllValues:StringNotLike",
        "ForAnyValue:StringLike",
        "ForAnyValue:StringNotEquals",
        "ForAnyValue:StringEqualsIfExists",
    ];
    let values = prop::collection::vec(value(), 1..3);
    prop::collection::btree_map(
        select(operators).prop_map(str::to_owned),
        prop::collection::btree_map(select(&KEYS[..]).prop_map(str::to_owned), values, 1..3),
        0..3,
    )
    .prop_map(|condition| json!(condition))
}

/// A statement with this effect.
fn statement(effect: &'static str) -> impl Strategy<Value = Value> {
    let principals = vec![
        json!({"Principal": "*"}),
        json!({"Principal": {"AWS": "*"}}),
        json!({"Principal": {"Service": ["a.amazonaws.com", "pods.eks.amazonaws.com"]}}),
        json!({"Principal": {"Service": "a.amazonaws.com"}}),
        json!({"NotPrincipal": {"Service": "a.amazonaws.com"}}),
    ];
    let actions = vec![
        json!({"Action": "*"}),
        json!({"Action": "sts:*"}),
        json!({"NotAction": ["sts:TagSession"]}),
        json!({"Action": "sts:TagSession"}),
    ];
    let resources = vec![
        json!({}),
        json!({"Resource": "*"}),
        json!({"Resource": "arn:aws:iam::1:role/${a}"}),
        json!({"NotResource": "arn:aws:iam::1:role/x*"}),
    ];
    (
        select(principals),
        select(actions),
        select(resources),
        condition(),
    )
        .prop_map(move |(principal, action, resource, condition)| {
            let mut statement = json!({ "Effect": effect, "Condition": condition });
            for part in [principal, action, resource] {
                for (name, value) in part.as_object().unwrap() {
                    statement[name] = value.clone();
                }
            }
            statement
        })
}

fn statements() -> impl Strategy<Value = Vec<Value>> {
    let any = prop_oneof![2 => statement("Allow"), 1 => statement("Deny")];
    prop::collection::vec(any, 1..4)
}

fn fact() -> impl Strategy<Value = KeyFact> {
    prop_oneof![
        4 => prop::collection::vec(text(), 1..3).prop_map(KeyFact::Present),
        1 => Just(KeyFact::Exists),
        2 => Just(KeyFact::Absent),
        1 => Just(KeyFact::Unknown),
    ]
}

fn facts() -> impl Strategy<Value = Vec<KeyFact>> {
    prop::collection::vec(fact(), KEYS.len())
}

fn document(statements: &[Value]) -> Document {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    Document::parse(&document.to_string()).unwrap()
}

fn verdict(statements: &[Value], facts: &[KeyFact]) -> Verdict {
    let facts = KEYS.iter().zip(facts);
    let context = facts.fold(Context::new(), |context, (key, fact)| {
        context.with(key, fact.clone())
    });
    let request = Request {
        caller: Caller::Service("pods.eks.amazonaws.com".to_owned()),
        action: "sts:AssumeRole".to_owned(),
        resource: Some("arn:aws:iam::1:role/x".to_owned()),
        context,
    };
    evaluate(&[document(statements)], &request)
}

/// Whether it is allowed, if that is known.
fn kind(verdict: &Verdict) -> Option<bool> {
    match verdict {
        Verdict::Allowed => Some(true),
        Verdict::Denied(_) => Some(false),
        Verdict::Unknown(reasons) => {
            assert!(!reasons.is_empty());
            None
        }
    }
}

/// Matches by trying all lengths for each `*`.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
        Some(('?', rest)) => !text.is_empty() && naive(rest, &text[1..]),
        Some((own, rest)) => text.first() == Some(own) && naive(rest, &text[1..]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        rng_seed: RngSeed::Fixed(20),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_further_allow_refuses_nothing_that_was_allowed(
        mut statements in statements(), more in statement("Allow"), facts in facts(),
    ) {
        let before = kind(&verdict(&statements, &facts));
        statements.push(more);
        let after = kind(&verdict(&statements, &facts));
        prop_assert!(before != Some(true) || after == Some(true));
    }

    #[test]
    fn a_further_deny_allows_nothing_that_was_denied(
        mut statements in statements(), more in statement("Deny"), facts in facts(),
    ) {
        let before = kind(&verdict(&statements, &facts));
        statements.push(more);
        let after = kind(&verdict(&statements, &facts));
        prop_assert!(before != Some(false) || after == Some(false));
        prop_assert!(after != Some(true) || before == Some(true));
    }

    #[test]
    fn less_knowledge_never_makes_another_definite_verdict(
        statements in statements(), facts in facts(), at in 0..KEYS.len(), exists in any::<bool>(),
    ) {
        let before = kind(&verdict(&statements, &facts));
        let mut less = facts.clone();
        let is_nonempty = match &facts[at] {
            KeyFact::Present(values) => values.iter().any(|value| !value.is_empty()),
            other => *other == KeyFact::Exists,
        };
        less[at] = if exists && is_nonempty { KeyFact::Exists } else { KeyFact::Unknown };
        let after = kind(&verdict(&statements, &less));
        prop_assert!(after.is_none() || after == before, "{before:?} {after:?}");
    }

    #[test]
    fn the_order_of_statements_and_their_documents_do_not_matter(
        statements in statements(), facts in facts(),
    ) {
        let reversed: Vec<_> = statements.iter().rev().cloned().collect();
        prop_assert_eq!(
            kind(&verdict(&statements, &facts)),
            kind(&verdict(&reversed, &facts))
        );
    }

    #[test]
    fn a_pattern_matches_as_one_that_tries_everything(
        pattern in "[ab*?]{0,8}", text in "[abc]{0,8}",
    ) {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let expected = naive(&chars(&pattern), &chars(&text));
        let found = Pattern::new(pattern).matches(&text, Case::Matters);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _: Result<_, _> = Document::parse(&text);
        let _: Result<_, _> = Document::parse_encoded(&text);
    }

    #[test]
    fn no_change_of_a_document_makes_the_parser_panic(
        statements in statements(),
        at in any::<prop::sample::Index>(),
        with in ".{0,3}",
        len in 0..9_usize,
    ) {
        let mut text: Vec<char> = json!({ "Statement": statements }).to_string().chars().collect();
        let start = at.index(text.len());
        let end = text.len().min(start + len);
        text.splice(start..end, with.chars());
        let _: Result<_, _> = Document::parse(&text.into_iter().collect::<String>());
    }
}
