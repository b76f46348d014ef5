//! What the rows of a rotation add up to, apart from its end.

use super::*;
use crate::indexing::IndexItem;
use crate::resource::association;

/// The row of an association that was settled at this time, and that has and had a target role.
pub(crate) fn row(outcome: Outcome, modified_at: &str, target: bool) -> Row {
    let item = IndexItem::of(&association("old"));
    let at: Timestamp = format!("2026-11-23T{modified_at}:00.000Z").parse().unwrap();
    Row {
        outcome,
        modified_at: Some(at),
        settled_at: Some(at),
        previous_target_role_arn: target.then(|| "t".to_owned()),
        target_role_arn: target.then(|| "t".to_owned()),
        observed_target_role_arn: target.then(|| "t".to_owned()),
        ..Row::planned(
            &"arn:aws:iam::111122223333:role/old".parse().unwrap(),
            &item,
        )
    }
}

/// Each row as its letter and the minute in which it was settled: `u` was updated, `c` contradicts
/// the request, `f` failed otherwise.
#[test]
fn recorded_contradictions_stop_a_rotation_as_they_do_while_it_runs() {
    for (rows, stops) in [
        ("", false),
        ("u1", false),
        ("f1", false),
        ("c1", true),
        ("u1 c2", false),
        ("c2 u1", false),
        ("u1 c2 f3 c4", true),
        ("u1 c2 u3 c4", false),
        ("u5 c6 c2 c7", true),
        ("u9 c6 c2 c7", false),
        ("u6 c6 c7", false),
    ] {
        let mut tally = Tally::default();
        for text in rows.split_whitespace() {
            let (letter, minute) = text.split_at(1);
            let outcome = if letter == "u" {
                Outcome::Updated
            } else {
                Outcome::Failed
            };
            tally.add(&Row {
                error_code: (letter == "c").then(|| UNEXPECTED_RESPONSE.to_owned()),
                ..row(outcome, &format!("10:0{minute}"), false)
            });
        }
        assert_eq!(tally.contradiction().is_some(), stops, "{rows}");
    }
}

/// An update that failed may have taken effect, if it was sent.
#[test]
fn an_update_that_was_sent_may_have_put_the_new_role_to_use() {
    use Outcome::*;
    for (outcome, is_sent, expected) in [
        (Updated, true, true),
        (AlreadyCurrent, false, true),
        (Failed, true, true),
        (Failed, false, false),
        (Drifted, false, false),
    ] {
        let mut tally = Tally::default();
        tally.add(&Row {
            client_request_token: is_sent.then(|| "token".to_owned()),
            ..row(outcome, "10:00", false)
        });
        assert_eq!(tally.may_have_moved, expected, "{outcome:?} {is_sent}");
    }
}

#[test]
fn a_region_is_proven_by_a_confirmed_update() {
    let mut tally = Tally::default();
    tally.add(&Row {
        inferred: true,
        ..row(Outcome::Updated, "10:00", false)
    });
    tally.add(&row(Outcome::Failed, "10:01", false));
    assert_eq!(tally.proven_regions, BTreeSet::new());
    for time in ["10:02", "10:03"] {
        tally.add(&row(Outcome::Updated, time, false));
        let proven = BTreeSet::from(["us-east-1".to_owned()]);
        assert_eq!(tally.proven_regions, proven);
    }
}
