//! The expected texts of the report.

#![allow(
    clippy::needless_raw_string_hashes,
    reason = "`UPDATE_EXPECT=1 cargo test` writes raw strings"
)]

use expect_test::expect;
use serde_json::json;

use super::*;

fn clusters() -> Vec<(String, String)> {
    [("eu-west-1", "prod-1"), ("us-east-1", "prod-2")]
        .map(|(r, c)| (r.to_owned(), c.to_owned()))
        .to_vec()
}

fn rows() -> Vec<LedgerRow> {
    let row =
        |cluster: &str, service_account: &str, outcome, error: Option<(&str, &str)>| LedgerRow {
            association_arn: String::new(),
            cluster_name: cluster.to_owned(),
            namespace: "payments".to_owned(),
            service_account: service_account.to_owned(),
            outcome,
            error_code: error.map(|(code, _)| code.to_owned()),
            error_message: error.map(|(_, message)| message.to_owned()),
        };
    vec![
        row("prod-1", "api-1", Outcome::Updated, None),
        row("prod-2", "api-2", Outcome::Updated, None),
        row(
            "prod-2",
            "api-3",
            Outcome::Failed,
            Some(("AccessDeniedException", "not yours")),
        ),
    ]
}

fn summary(until: Option<&str>) -> Summary {
    let counts = json!({
        "total": 3, "pending": 0, "updated": 2, "alreadyCurrent": 0, "drifted": 0, "deleted": 0,
        "ownedByAddon": 0, "failed": 1, "notAttempted": 0, "wouldUpdate": 0, "outOfScope": 0,
        "reverted": 0,
    });
    let (status, reason) = match until {
        None => ("CompletedWithFailures", Some("1 failed")),
        Some(_) => ("Succeeded", None),
    };
    let summary = json!({
        "rotationId": "app-2026", "status": status, "reason": reason, "dryRun": false,
        "oldRoleArn": "arn:aws:iam::111122223333:role/platform/a",
        "newRoleArn": "arn:aws:iam::111122223333:role/platform/b",
        "counts": counts, "oldRoleInUseUntil": until,
        "startedAt": "2026-11-23T21:00:00.000Z", "finishedAt": "2026-11-23T21:00:30.000Z",
    });
    serde_json::from_value(summary).unwrap()
}

fn calls(throttled: usize) -> Calls {
    let counts = [
        (Service::Eks, "DescribePodIdentityAssociation", 3),
        (Service::Eks, "UpdatePodIdentityAssociation", 2),
    ];
    Calls {
        counts: counts
            .map(|(service, operation, count)| ((service, operation.to_owned()), count))
            .into(),
        throttled,
    }
}

#[test]
fn the_result_lists_failures_and_says_why_the_old_role_must_stay() {
    expect![[r"
        | cluster | region    | Updated | Failed | total |
        |---------|-----------|---------|--------|-------|
        | prod-1  | eu-west-1 |       1 |      0 |     1 |
        | prod-2  | us-east-1 |       1 |      1 |     2 |
        | all     |           |       2 |      1 |     3 |

          failed: prod-2 payments/api-3: AccessDeniedException: not yours

          status             CompletedWithFailures
          reason             1 failed
          oldRoleInUseUntil  null

        Keep the old role: associations still use it, as the reason says, so there is no time yet after
        which you can delete it. Pods of the associations that moved may hold its credentials for up to
        6 hours."]].assert_eq(&result(&summary(None), &clusters(), &rows()));
}

#[test]
fn the_result_says_for_how_long_the_old_role_must_stay() {
    let summary = summary(Some("2026-11-24T03:00:20.000Z"));
    expect![[r"
        | cluster | region    | Updated | total |
        |---------|-----------|---------|-------|
        | prod-1  | eu-west-1 |       1 |     1 |
        | prod-2  | us-east-1 |       1 |     1 |
        | all     |           |       2 |     2 |

          status             Succeeded
          reason             none
          oldRoleInUseUntil  2026-11-24T03:00:20.000Z

        Keep the old role for another 5 h 59 min: running pods may hold its credentials until then,
        because changing an association does not reset them."]]
    .assert_eq(&result(&summary, &clusters(), &rows()[..2]));
}

#[test]
fn calls_are_listed_by_service() {
    expect![[r"
        Calls of the whole stack to EKS (1 of them throttled): 3 DescribePodIdentityAssociation, 2 UpdatePodIdentityAssociation.
        Calls to DynamoDB: none."]].assert_eq(&calls_text(&calls(1)));
    assert!(!calls_text(&calls(0)).contains("throttled"));
}

#[test]
fn only_the_first_failures_are_listed() {
    let rows = vec![rows()[2].clone(); FAILURES_SHOWN_MAX + 2];
    let text = failures(&rows);
    assert_eq!(text.matches("failed: ").count(), FAILURES_SHOWN_MAX);
    assert!(
        text.ends_with("and 2 more; the ledger has all of them\n"),
        "{text}"
    );
}

#[test]
fn every_call_that_does_not_read_counts_as_a_write() {
    assert_eq!(calls(0).eks_writes(), 2);
}
