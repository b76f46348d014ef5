//! The screens of `rerole who`.

use expect_test::{Expect, expect};
use rerole_core::rotation::Status;

use super::*;
use crate::coverage::{Coverage, RegionCoverage};
use crate::users::User;
use crate::verbs::who::view::limits;
use crate::verify::VerifiedView;

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
        invalid_items: 0,
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
    check(
        &role(Verdict::InUse, 2),
        &expect![[r"
        Role platform/app-2025: in use
          delete?   no
          because   the first ground
                    the second one

        WORKLOAD        CLUSTER           ROLE               OWNER  SINCE
        payments/api-1  eu-west-1/prod-1  platform/app-2025  -      2026-10-01
        payments/api-2  eu-west-1/prod-1  platform/app-2025  -      2026-10-01

        From the index:
          eu-west-1: complete as of 2026-11-23 20:17:00 (1 h ago)
          not covered: other regions and accounts, IRSA, nodes, and the excluded clusters eu-west-1/outpost

        rerole cannot know:
          who uses it in another way: service accounts with IRSA, nodes and other EC2 instances, Lambda functions, people
          EKS clusters in other accounts and in regions that are not indexed
          clusters that the stack leaves out: eu-west-1/outpost
          CloudTrail knows who received its credentials in the last hours: rerole drain arn:aws:iam::111122223333:role/platform/app-2025"]],
    );
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
    check(
        &who,
        &expect![[r"
        Role platform/app-2025: may still be used until 2026-11-24 03:17:00 (in 6 h)
          delete?   not yet
          because   the first ground
                    the second one
          last left by rotation r-1 to platform/app-2026 (Succeeded, finished 2026-11-23 21:16:00 (1 min ago)); another actor has moved back 1 association

        EKS shows the same.

        From the index:
          eu-west-1: complete as of 2026-11-23 20:17:00 (1 h ago)
          not covered: other regions and accounts, IRSA, nodes, and the excluded clusters eu-west-1/outpost

        rerole cannot know:
          who uses it in another way: service accounts with IRSA, nodes and other EC2 instances, Lambda functions, people
          EKS clusters in other accounts and in regions that are not indexed
          clusters that the stack leaves out: eu-west-1/outpost
          CloudTrail knows who received its credentials in the last hours: rerole drain arn:aws:iam::111122223333:role/platform/app-2025"]],
    );
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
