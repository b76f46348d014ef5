//! The status, reason and drain of a rotation, by its rows.

use expect_test::{Expect, expect};

use super::*;
use crate::indexing::IndexItem;
use crate::request::testing::requested;
use crate::resource::association;

fn row(outcome: Outcome, modified_at: &str, target: bool) -> Row {
    let item = IndexItem::of(&association("old"));
    let at: Timestamp = format!("2026-11-23T{modified_at}:00.000Z").parse().unwrap();
    Row {
        outcome,
        modified_at: Some(at),
        settled_at: Some(at),
        previous_target_role_arn: target.then(|| "t".to_owned()),
        target_role_arn: target.then(|| "t".to_owned()),
        ..Row::planned(
            &"arn:aws:iam::111122223333:role/old".parse().unwrap(),
            &item,
        )
    }
}

fn check(
    rows: &[(Outcome, &str, bool)],
    out_of_scope: u64,
    stopped: Option<&str>,
    dry_run: bool,
    expected: &Expect,
) {
    let mut tally = Tally::default();
    for (outcome, at, target) in rows {
        tally.add(&row(*outcome, at, *target));
    }
    tally.counts.out_of_scope = out_of_scope;
    let request = requested(&serde_json::json!({ "dryRun": dry_run })).request;
    let end = close(&tally, &request, stopped);
    let until = end
        .old_role_in_use_until
        .map_or("null".to_owned(), |at| at.to_string());
    expected.assert_eq(&format!(
        "{:?} until {until}: {}",
        end.status,
        end.reason.unwrap_or_default()
    ));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table is as long as its rows")]
fn rows_decide_status_reason_and_drain() {
    use Outcome::*;
    for (rows, out_of_scope, stopped, dry_run, expected) in [
        (
            &[(Updated, "10:00", false), (Updated, "10:05", false)][..],
            0,
            None,
            false,
            expect!["Succeeded until 2026-11-23T16:05:00.000Z: "],
        ),
        (
            &[(Updated, "10:00", false), (Updated, "14:00", true)],
            0,
            None,
            false,
            expect!["Succeeded until 2026-11-23T16:00:00.000Z: "],
        ),
        (
            &[(Updated, "10:00", true)],
            0,
            None,
            false,
            expect!["Succeeded until 2026-11-23T10:59:00.000Z: "],
        ),
        (
            &[
                (Updated, "10:00", false),
                (AlreadyCurrent, "09:00", false),
                (Deleted, "10:01", false),
                (Drifted, "08:00", false),
            ],
            0,
            None,
            false,
            expect!["Succeeded until 2026-11-23T16:01:00.000Z: "],
        ),
        (
            &[(Updated, "10:00", false), (OwnedByAddon, "08:00", false)],
            0,
            None,
            false,
            expect!["Succeeded until null: the old role is still in use: 1 owned by an add-on"],
        ),
        (
            &[(Updated, "10:00", false), (Failed, "08:00", false)],
            0,
            None,
            false,
            expect!["CompletedWithFailures until null: the old role is still in use: 1 failed"],
        ),
        (
            &[(Updated, "10:00", false)],
            3,
            None,
            false,
            expect!["Succeeded until null: the old role is still in use: 3 out of scope"],
        ),
        (
            &[(Failed, "10:00", false), (NotAttempted, "10:00", false)],
            0,
            Some("more failures than maxErrors allows"),
            false,
            expect![
                "Failed until null: more failures than maxErrors allows; the old role is still in use: 1 failed, 1 not attempted"
            ],
        ),
        (
            &[
                (WouldUpdate, "10:00", false),
                (AlreadyCurrent, "10:00", false),
            ],
            0,
            None,
            true,
            expect!["Planned until null: the old role is still in use: 1 would be updated"],
        ),
        (
            &[(WouldUpdate, "10:00", false), (Failed, "10:00", false)],
            0,
            None,
            true,
            expect![
                "CompletedWithFailures until null: the old role is still in use: 1 would be updated, 1 failed"
            ],
        ),
        (
            &[],
            0,
            None,
            false,
            expect![
                "NoAssociations until null: the index has no association on arn:aws:iam::111122223333:role/old"
            ],
        ),
        (
            &[],
            2,
            None,
            false,
            expect![
                "NoAssociations until null: the index has no association on arn:aws:iam::111122223333:role/old in scope; the old role is still in use: 2 out of scope"
            ],
        ),
        (
            &[],
            0,
            None,
            true,
            expect![
                "NoAssociations until null: the index has no association on arn:aws:iam::111122223333:role/old"
            ],
        ),
    ] {
        check(rows, out_of_scope, stopped, dry_run, &expected);
    }
}

#[test]
#[should_panic(expected = "every row is settled")]
fn a_rotation_with_a_pending_row_cannot_be_closed() {
    check(
        &[(Outcome::Pending, "10:00", false)],
        0,
        None,
        false,
        &expect![""],
    );
}
