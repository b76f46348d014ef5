//! The expected texts of the report.

#![allow(
    clippy::needless_raw_string_hashes,
    reason = "`UPDATE_EXPECT=1 cargo test` writes raw strings"
)]

use std::time::Duration;

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

fn delivery(until: Option<&str>, deliveries: u32, throttled: Option<usize>) -> Delivery {
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
    let calls = [
        (Service::Eks, "DescribePodIdentityAssociation", 3),
        (Service::Eks, "UpdatePodIdentityAssociation", 2),
    ];
    Delivery {
        summary: serde_json::from_value(summary).unwrap(),
        deliveries,
        took: Duration::from_millis(1_540),
        calls: calls
            .map(|(service, operation, count)| ((service, operation.to_owned()), count))
            .into(),
        throttled,
    }
}

#[test]
fn the_report_lists_failures_and_says_why_the_old_role_must_stay() {
    expect![[r#"
        Finished after 1.5 s, in 2 deliveries of the event:

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
        6 hours.

        Calls to EKS (1 of them throttled): 3 DescribePodIdentityAssociation, 2 UpdatePodIdentityAssociation.
        Calls to DynamoDB: none."#]]
    .assert_eq(&first_delivery(&delivery(None, 2, Some(1)), &clusters(), &rows()));
}

#[test]
fn the_report_says_for_how_long_the_old_role_must_stay() {
    let delivery = delivery(Some("2026-11-24T03:00:20.000Z"), 1, None);
    expect![[r#"
        Finished after 1.5 s:

        | cluster | region    | Updated | total |
        |---------|-----------|---------|-------|
        | prod-1  | eu-west-1 |       1 |     1 |
        | prod-2  | us-east-1 |       1 |     1 |
        | all     |           |       2 |     2 |

          status             Succeeded
          reason             none
          oldRoleInUseUntil  2026-11-24T03:00:20.000Z

        Keep the old role for another 5 h 59 min: running pods may hold its credentials until then,
        because changing an association does not reset them.

        Calls to EKS: 3 DescribePodIdentityAssociation, 2 UpdatePodIdentityAssociation.
        Calls to DynamoDB: none."#]]
    .assert_eq(&first_delivery(&delivery, &clusters(), &rows()[..2]));
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
fn the_second_delivery_reports_writes_and_calls() {
    expect!["Delivered events/role-rotation-requested.json again: CompletedWithFailures after 1.54 s, with 2 writes to EKS (5 calls in total)."].assert_eq(&second_delivery(&delivery(None, 1, None)));
}

#[test]
fn every_call_that_does_not_read_counts_as_a_write() {
    assert_eq!(delivery(None, 1, None).eks_writes(), 2);
}
