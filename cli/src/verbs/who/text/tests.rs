//! The screens of `rerole who`.

use expect_test::{Expect, expect};
use rerole_core::rotation::Status;

use super::*;
use crate::coverage::{Coverage, RegionCoverage};
use crate::verbs::who::view::limits;

const ROLE: &str = "arn:aws:iam::111122223333:role/platform/app-2025";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A role with these associations, on a complete index.
fn role(verdict: Verdict, users: usize) -> Who {
    let index = Coverage {
        regions: vec![RegionCoverage {
            region: "eu-west-1".to_owned(),
            complete_as_of: Some(time("2026-11-23T20:17:00.000Z")),
            listed_as_of: None,
            is_stale: false,
            excluded_clusters: vec!["outpost".to_owned()],
        }],
    };
    let user = |number: usize| User {
        region: "eu-west-1".to_owned(),
        cluster: "prod-1".to_owned(),
        namespace: "payments".to_owned(),
        service_account: format!("api-{number}"),
        association_arn: format!(
            "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod-1/a-{number}"
        ),
        role_arn: ROLE.to_owned(),
        target_role_arn: None,
        owner_arn: None,
        modified_at: "2026-10-01T00:00:00.000Z".to_owned(),
    };
    Who {
        role_arn: ROLE.to_owned(),
        verdict,
        until: None,
        grounds: vec!["the first ground".to_owned(), "the second one".to_owned()],
        limits: limits(&ROLE.parse().unwrap(), &index),
        users: (1..=users).map(user).collect(),
        clusters: Vec::new(),
        open_rotations: Vec::new(),
        last_rotation: None,
        in_use: None,
        verified: None,
        index,
    }
}

fn check(who: &Who, expected: &Expect) {
    let context = Context {
        account: "111122223333",
        now: time("2026-11-23T21:17:00.000Z"),
    };
    expected.assert_eq(&context.text(who, &Layout::of_width(80)));
}

#[test]
fn a_role_in_use_shows_its_users() {
    check(&role(Verdict::InUse, 2), &expect![[r""]]);
}

#[test]
fn a_role_that_was_left_shows_until_when_and_by_which_rotation() {
    let who = Who {
        until: Some(time("2026-11-24T03:17:00.000Z")),
        last_rotation: Some(LastRotation {
            id: "r-1".to_owned(),
            status: Status::Succeeded,
            finished_at: Some(time("2026-11-23T21:16:00.000Z")),
            new_role_arn: ROLE.replace("2025", "2026"),
            reverted: 1,
        }),
        verified: Some(VerifiedView {
            unknown: Vec::new(),
            gone: Vec::new(),
            unread: Vec::new(),
        }),
        ..role(Verdict::MayBeUsedUntil, 0)
    };
    check(&who, &expect![[r""]]);
}

#[test]
fn of_many_users_the_first_fifty_are_shown() {
    let mut who = role(Verdict::InUse, 51);
    let context = Context {
        account: "111122223333",
        now: time("2026-11-23T21:17:00.000Z"),
    };
    who.clusters = vec![crate::users::ClusterUsers {
        region: "eu-west-1".to_owned(),
        cluster: "prod-1".to_owned(),
        movable: 51,
        owned_by_addon: 0,
    }];
    let text = context.text(&who, &Layout::of_width(80));
    assert!(text.contains("payments/api-50 ") && !text.contains("payments/api-51 "));
    assert!(
        text.contains("and 1 more; --output json has all of them\n\nCLUSTER"),
        "{text}"
    );
}
