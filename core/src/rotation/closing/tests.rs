//! The status, reason and drain of a rotation, by its rows.

use expect_test::{Expect, expect};

use super::*;
use crate::request::testing::requested;
use crate::resource::RoleFields;
use crate::rotation::tally::tests::row;
use crate::rotation::{Outcome, Row, Tally};

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
    let end = close(&Facts {
        request: &request,
        tally: &tally,
        stopped,
        incomplete_regions: &[],
        invalid_items: 0,
        excluded_clusters: &[],
        moved_before: None,
        is_cancelled: false,
    });
    let drained_at = end
        .drained_at
        .map_or("null".to_owned(), |at| at.to_string());
    let in_use = if end.still_used.is_some() {
        "in use"
    } else {
        "left"
    };
    expected.assert_eq(&format!(
        "{:?}, {in_use}, drained at {drained_at}: {}",
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
            expect!["Succeeded, left, drained at 2026-11-23T16:06:00.000Z: "],
        ),
        (
            &[(Updated, "10:00", false), (Updated, "14:00", true)],
            0,
            None,
            false,
            expect!["Succeeded, left, drained at 2026-11-23T16:01:00.000Z: "],
        ),
        (
            &[(Updated, "10:00", true)],
            0,
            None,
            false,
            expect!["Succeeded, left, drained at 2026-11-23T11:00:00.000Z: "],
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
            expect!["Succeeded, left, drained at 2026-11-23T16:02:00.000Z: "],
        ),
        (
            &[(Updated, "10:00", false), (OwnedByAddon, "08:00", false)],
            0,
            None,
            false,
            expect![
                "Incomplete, in use, drained at 2026-11-23T16:01:00.000Z: the old role is still in use: 1 owned by an add-on"
            ],
        ),
        (
            &[(Updated, "10:00", false), (Failed, "08:00", false)],
            0,
            None,
            false,
            expect![
                "CompletedWithFailures, in use, drained at 2026-11-23T16:01:00.000Z: the old role is still in use: 1 failed"
            ],
        ),
        (
            &[(Updated, "10:00", false)],
            3,
            None,
            false,
            expect![
                "Succeeded, in use, drained at 2026-11-23T16:01:00.000Z: the old role is still in use: 3 out of scope"
            ],
        ),
        (
            &[(Failed, "10:00", false), (NotAttempted, "10:00", false)],
            0,
            Some("more failures than maxErrors allows"),
            false,
            expect![
                "Failed, in use, drained at null: more failures than maxErrors allows; the old role is still in use: 1 failed, 1 not attempted"
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
            expect![
                "Planned, in use, drained at 2026-11-23T16:01:00.000Z: the old role is still in use: 1 would be updated"
            ],
        ),
        (
            &[(WouldUpdate, "10:00", false), (Failed, "10:00", false)],
            0,
            None,
            true,
            expect![
                "CompletedWithFailures, in use, drained at null: the old role is still in use: 1 would be updated, 1 failed"
            ],
        ),
        (
            &[],
            0,
            None,
            false,
            expect![
                "NoAssociations, left, drained at null: the index has no association on arn:aws:iam::111122223333:role/old"
            ],
        ),
        (
            &[],
            2,
            None,
            false,
            expect![
                "NoAssociations, in use, drained at null: the index has no association on arn:aws:iam::111122223333:role/old in scope; the old role is still in use: 2 out of scope"
            ],
        ),
        (
            &[],
            0,
            None,
            true,
            expect![
                "NoAssociations, left, drained at null: the index has no association on arn:aws:iam::111122223333:role/old"
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

/// `Succeeded` says that no association in scope is left. That is not known of a region whose index
/// is not complete.
#[test]
fn an_incomplete_index_is_said_and_keeps_the_role_in_use() {
    for (scope, dry_run, total, expected) in [
        (
            serde_json::json!({}),
            false,
            1,
            "Incomplete: the index is not complete for eu-west-1, so unknown associations there \
             may use the old role",
        ),
        (
            serde_json::json!({ "regions": ["us-*"] }),
            false,
            1,
            "Succeeded: the index is not complete for eu-west-1, so unknown associations there \
             may use the old role",
        ),
        (
            serde_json::json!({}),
            true,
            1,
            "Planned: the index is not complete for eu-west-1, so unknown associations there may \
             use the old role",
        ),
        (
            serde_json::json!({}),
            false,
            0,
            "NoAssociations: the index has no association on \
             arn:aws:iam::111122223333:role/old; the index is not complete for eu-west-1, so \
             unknown associations there may use the old role",
        ),
    ] {
        let mut tally = Tally::default();
        for _ in 0..total {
            tally.add(&row(Outcome::Updated, "10:00", false));
        }
        let mut requested = requested(&scope);
        requested.request.dry_run = dry_run;
        let end = close(&Facts {
            request: &requested.request,
            tally: &tally,
            stopped: None,
            incomplete_regions: &["eu-west-1".to_owned()],
            invalid_items: 0,
            excluded_clusters: &[],
            moved_before: None,
            is_cancelled: false,
        });
        let shown = format!("{:?}: {}", end.status, end.reason.unwrap());
        assert_eq!(shown, expected);
        assert!(end.still_used.is_some());
    }
}

#[test]
fn what_another_actor_moved_back_stays_on_the_role() {
    let mut tally = Tally::default();
    tally.add(&row(Outcome::Updated, "10:00", false));
    tally.counts.reverted = 1;
    let end = close(&Facts {
        request: &requested(&serde_json::json!({})).request,
        tally: &tally,
        stopped: None,
        incomplete_regions: &[],
        invalid_items: 0,
        excluded_clusters: &[],
        moved_before: None,
        is_cancelled: false,
    });
    assert_eq!(end.status, Status::Incomplete);
}

/// Closes a rotation that has moved its one association.
fn close_moved(invalid_items: u64, excluded_clusters: &[String]) -> Closing {
    let mut tally = Tally::default();
    tally.add(&row(Outcome::Updated, "10:00", false));
    close(&Facts {
        request: &requested(&serde_json::json!({})).request,
        tally: &tally,
        stopped: None,
        incomplete_regions: &[],
        invalid_items,
        excluded_clusters,
        moved_before: None,
        is_cancelled: false,
    })
}

#[test]
fn an_invalid_item_of_the_index_may_hide_an_association() {
    let end = close_moved(2, &[]);
    assert_eq!(end.status, Status::Incomplete);
    assert_eq!(
        end.still_used.unwrap(),
        "invalid items of the index name the old role (2), and may hide associations; a full \
         run removes them"
    );
}

/// Who leaves a cluster out of the index knows that, so the role counts as free nevertheless.
#[test]
fn clusters_that_the_index_leaves_out_are_named() {
    let end = close_moved(0, &["us-east-1/local-1".to_owned()]);
    assert_eq!((end.status, end.still_used), (Status::Succeeded, None));
    assert_eq!(
        end.reason.unwrap(),
        "INDEX_EXCLUDE leaves out us-east-1/local-1, so associations there are not known"
    );
}

#[test]
fn target_roles_that_stay_must_trust_the_new_role() {
    let old = "arn:aws:iam::111122223333:role/old";
    let fields = |target| RoleFields::naming(&old.parse().unwrap(), old, target);
    for (targets, moved, outcome, expected) in [
        (&[None][..], fields(None), Outcome::Updated, None),
        (&[Some("t")], fields(Some(old)), Outcome::Updated, None),
        (&[Some("t")], fields(None), Outcome::Failed, None),
        (
            &[Some("b"), Some("a"), Some("b"), None],
            fields(None),
            Outcome::WouldUpdate,
            Some("3 associations have a target role, which must trust NEW: a, b"),
        ),
        (
            &[
                Some("f"),
                Some("e"),
                Some("d"),
                Some("c"),
                Some("b"),
                Some("a"),
                Some("g"),
            ],
            fields(None),
            Outcome::Updated,
            Some(
                "7 associations have a target role, which must trust NEW: a, b, c, d, e, and 2 more",
            ),
        ),
    ] {
        let mut tally = Tally::default();
        for target in targets {
            tally.add(&Row {
                fields: moved,
                target_role_arn: target.map(str::to_owned),
                ..row(outcome, "10:00", false)
            });
        }
        let new_role = "arn:aws:iam::111122223333:role/new";
        let shown = tally.target_roles_must_trust(&new_role.parse().unwrap());
        let shown = shown.map(|text| text.replace(new_role, "NEW"));
        assert_eq!(shown.as_deref(), expected);
    }
}
