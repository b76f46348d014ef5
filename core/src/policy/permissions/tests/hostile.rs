//! Policies that are made to be slow to compare, or to be understood wrongly.

use super::super::{Change, Doubt, LastAccessed, Permissions, difference};
use super::BothRoles;
use super::compare;
use super::language::permissions;

fn labels(old: &str, new: &str) -> Vec<&'static str> {
    let difference = compare(old, new);
    difference
        .entries
        .iter()
        .map(|entry| entry.change.label())
        .collect()
}

#[test]
fn many_stars_are_compared_exactly() {
    let stars = |count: usize| format!("allow s3:*{} on *", "a*".repeat(count));
    assert_eq!(labels(&stars(100), &stars(99)), Vec::<&str>::new());
    assert_eq!(labels(&stars(99), &stars(100)), ["narrowed"]);
    assert_eq!(labels(&stars(99), "allow s3:*b on *"), ["narrowed"]);
}

#[test]
fn a_comparison_that_takes_too_long_is_given_up() {
    let old = format!("allow s3:*a{} on *", "?".repeat(40));
    let new = format!("allow s3:*b{} on *", "?".repeat(41));
    let shown = labels(&old, &new);
    assert!(shown.iter().all(|label| *label != "lost"), "{shown:?}");
    assert!(!shown.is_empty());
}

/// Twenty policies of the greatest length, as many as a role can have. Each has the actions of one
/// service.
fn long_policies(role: &str, actions: impl Fn(usize) -> String) -> Permissions {
    let policies = (0..20).map(|service| {
        let actions: Vec<_> = (0..250)
            .map(|n| format!("s{service}:{}", actions(n)))
            .collect();
        let text = format!("allow {} on *", actions.join(","));
        permissions(role, &text).identity.remove(0)
    });
    Permissions {
        identity: policies.collect(),
        ..permissions(role, "")
    }
}

#[test]
fn twenty_long_policies_on_each_side_are_compared() {
    let old = long_policies("old", |n| format!("GetSome{n}Thing"));
    let compare =
        |new: &Permissions| difference(BothRoles { old: &old, new }, &LastAccessed::default());
    let shown = compare(&long_policies("new", |n| format!("GetSome{n}Thing")));
    assert_eq!((shown.entries.len(), shown.kept), (0, 5_000));
    let shown = compare(&long_policies("new", |n| format!("PutSome{n}Thing")));
    assert_eq!((shown.entries.len(), shown.kept), (20, 0));
    let shown = compare(&long_policies("new", |n| format!("*e*o*e{n}*")));
    assert_eq!((shown.entries.len(), shown.kept), (0, 5_000));
}

/// Each grant is compared with each exclusion, by a search that takes long.
#[test]
fn boundaries_and_exclusions_of_many_wildcards_end() {
    let list = |start: &str| {
        let patterns = (0..150).map(|n| format!("{start}*a?{n}*b??*{n}"));
        patterns.collect::<Vec<_>>().join(",")
    };
    let old = format!(
        "allow not {} on *\nboundary allow {} on *",
        list("s3:x"),
        list("s3:")
    );
    let new = format!(
        "allow not {} on *\nboundary allow {} on *",
        list("s3:*"),
        list("*:y")
    );
    let difference = compare(&old, &new);
    assert_eq!(difference.kept, 0);
    assert!(!difference.entries.is_empty());
}

#[test]
fn a_statement_with_too_many_pairs_cannot_be_told() {
    let list = |start: &str, count: usize| {
        let texts = (0..count).map(|n| format!("{start}{n}"));
        texts.collect::<Vec<_>>().join(",")
    };
    let (actions, resources) = (list("s3:A", 300), list("arn:aws:s3:::b", 100));
    let difference = compare(
        &format!("allow {actions} on {resources}"),
        "allow s3:* on *",
    );
    let change = Change::CannotTell {
        doubts: vec![Doubt::TooLarge],
        otherwise: None,
    };
    assert!(
        difference
            .entries
            .iter()
            .all(|entry| entry.change == change)
    );
    assert_eq!(difference.entries.len(), 1);
}

#[test]
fn only_the_letters_of_ascii_have_no_case() {
    // U+017F folds to `s` and U+212A to `k` in Unicode.
    for action in ["\u{17f}3:GetObject", "\u{212a}ms:Decrypt"] {
        let shown = labels(
            &format!("allow {action} on *"),
            "allow s3:GetObject,kms:Decrypt on *",
        );
        assert_eq!(shown, ["lost"], "{action}");
    }
}

#[test]
fn an_open_variable_is_plain_text() {
    let open = "allow s3:GetObject on arn:aws:s3:::a/${aws:PrincipalArn";
    assert_eq!(labels(open, open), Vec::<&str>::new());
    assert_eq!(
        labels(open, "allow s3:GetObject on arn:aws:s3:::a/b"),
        ["lost"]
    );
}
