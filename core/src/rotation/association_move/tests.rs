//! What follows from each result of a Describe and of an update.

mod earlier_updates;

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::call::Operation;
use crate::indexing::IndexItem;
use crate::request::testing::requested;
use crate::resource::{RoleField, association};
use crate::rotation::RoleVerdict;

const OLD: &str = "arn:aws:iam::111122223333:role/old";
const NEW: &str = "arn:aws:iam::111122223333:role/new";
const THIRD: &str = "arn:aws:iam::111122223333:role/third";

fn request(dry_run: bool) -> RotationRequest {
    requested(&json!({ "dryRun": dry_run })).request
}

/// The row of an association whose `roleArn` is the old role.
fn row() -> Row {
    Row::planned(&OLD.parse().unwrap(), &IndexItem::of(&association(OLD)))
}

fn on(role: &str, modified_at_secs: i64) -> Association {
    Association {
        modified_at: at(modified_at_secs),
        ..association(role)
    }
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(secs * 1_000)
}

/// No pause is shortened by chance.
const MOMENT: Moment = Moment {
    now: Timestamp::from_millis(9_000),
    asked_at: Timestamp::from_millis(9_000),
    random: || 1.0,
};

/// A slice that ended long ago.
const EARLIER: Option<EarlierSlices> = Some(EarlierSlices {
    started_at: Timestamp::from_millis(-60_000),
    ended_at: Timestamp::from_millis(-30_000),
});

fn error(class: ErrorClass) -> CallError {
    let mut error = CallError::contention(
        Operation::on("update association", &"a-1"),
        format!("{class:?} for a reason"),
    );
    error.class = class;
    error
}

fn shown(step: &Step) -> String {
    let ending = |settled: &Settled| {
        let fields = settled.row_attributes();
        let error = fields.error_code.map(|code| format!(" {code}"));
        let token = fields.client_request_token.map(|_| " with a token");
        format!(
            "{:?}{}{}{} after {} sent",
            fields.outcome,
            error.unwrap_or_default(),
            token.unwrap_or_default(),
            if fields.inferred.is_some() {
                " inferred"
            } else {
                ""
            },
            fields.attempts,
        )
    };
    match step {
        Step::Settle(settled) => ending(settled),
        Step::Stop(reason, settled) => format!("stop, {reason}: {}", ending(settled)),
        Step::DescribeAgain(pause) => format!("again after {pause:?}"),
        Step::Throttled(_) => "throttled".to_owned(),
        Step::Retry(pause, _) => format!("retry after {pause:?}"),
        Step::GiveWay(pause) => format!("give way for {pause:?}"),
        Step::Leave(error) => format!("leave: {error}"),
    }
}

/// What follows from an observation.
fn described(attempts: &mut AssociationMove<'_>, observed: &Association) -> String {
    match attempts.described(observed, MOMENT) {
        Decision::Update(update) => {
            let fields: Vec<_> = update.fields.iter().map(RoleField::name).collect();
            format!("update {}", fields.join(" and "))
        }
        Decision::Plan(fields) => format!("plan {fields:?}"),
        Decision::Step(step) => shown(&step),
    }
}

/// Describes the association on the old role, and returns the update that follows.
fn started(attempts: &mut AssociationMove<'_>, before: &Association) -> Update {
    match attempts.described(before, MOMENT) {
        Decision::Update(update) => update,
        other => panic!("no update: {other:?}"),
    }
}

#[test]
fn each_describe_leads_to_one_step() {
    let (real, dry) = (request(false), request(true));
    let row = row();
    let owned = Association {
        owner_arn: Some("an add-on".to_owned()),
        ..on(OLD, 1)
    };
    let (old, new, third) = (on(OLD, 1), on(NEW, 2), on(THIRD, 2));
    for (request, observed, expected) in [
        (&real, &old, "update roleArn"),
        (&dry, &old, "WouldUpdate with a token after 0 sent"),
        (&real, &new, "AlreadyCurrent after 0 sent"),
        (&real, &third, "Drifted after 0 sent"),
        (&real, &owned, "OwnedByAddon after 0 sent"),
    ] {
        let mut attempts = AssociationMove::new(request, &row, None);
        assert_eq!(described(&mut attempts, observed), expected);
    }
    let mut attempts = AssociationMove::new(&real, &row, None);
    for expected in ["again after 5s", "again after 5s", "Deleted after 0 sent"] {
        assert_eq!(shown(&attempts.not_found(at(9))), expected);
    }
    for (class, expected) in [
        (ErrorClass::Throttled, "throttled"),
        (ErrorClass::Transient, "retry after 500ms"),
        (ErrorClass::Denied, "Failed Denied after 0 sent"),
    ] {
        let step = attempts.not_described(error(class), MOMENT);
        assert_eq!(shown(&step), expected);
    }
}

#[test]
fn each_error_of_an_update_leads_to_one_step() {
    let (request, row, before) = (request(false), row(), on(OLD, 1));
    let check = |class: ErrorClass, verdict: RoleVerdict, expected: Expect| {
        let mut attempts = AssociationMove::new(&request, &row, None);
        let update = started(&mut attempts, &before);
        attempts.count_sent();
        let sent = Sent {
            update,
            before: &before,
        };
        let step = attempts.failed(sent, error(class), MOMENT, |_| verdict);
        expected.assert_eq(&shown(&step));
    };
    let (pause, refused) = (Duration::from_secs(3), RoleVerdict::Refused);
    check(ErrorClass::Throttled, refused, expect!["throttled"]);
    check(ErrorClass::Transient, refused, expect!["retry after 500ms"]);
    check(ErrorClass::NotFound, refused, expect!["again after 500ms"]);
    check(
        ErrorClass::RoleNotReady,
        RoleVerdict::ProbeAgain(pause),
        expect!["give way for 3s"],
    );
    check(
        ErrorClass::RoleNotReady,
        RoleVerdict::TryAgain(pause),
        expect!["again after 3s"],
    );
    check(
        ErrorClass::RoleNotReady,
        refused,
        expect!["Failed RoleNotReady with a token after 1 sent"],
    );
    check(
        ErrorClass::RoleNotReady,
        RoleVerdict::Unusable,
        expect![
            "stop, the new role cannot be used: RoleNotReady for a reason; let pods.eks.amazonaws.com assume it with sts:AssumeRole and sts:TagSession: Failed RoleNotReady with a token after 1 sent"
        ],
    );
    check(
        ErrorClass::Denied,
        refused,
        expect!["Failed Denied with a token after 1 sent"],
    );
    check(
        ErrorClass::Terminal,
        refused,
        expect!["Failed Terminal with a token after 1 sent"],
    );
}

#[test]
fn a_role_that_may_not_be_passed_stops_the_rotation_with_what_to_grant() {
    let (request, row, before) = (request(false), row(), on(OLD, 1));
    let mut attempts = AssociationMove::new(&request, &row, None);
    let sent = Sent {
        update: started(&mut attempts, &before),
        before: &before,
    };
    let mut denied = error(ErrorClass::RoleNotReady);
    denied.message = "not authorized to perform: iam:PassRole".to_owned();
    let Step::Stop(reason, _) = attempts.failed(sent, denied, MOMENT, |_| RoleVerdict::Unusable)
    else {
        panic!("no stop");
    };
    let advice = format!("iam:PassRole and iam:GetRole on {NEW}");
    assert!(reason.contains(&advice), "{reason}");
}

#[test]
fn an_association_that_is_given_up_fails_with_the_token_of_a_lost_update() {
    let (request, row, before) = (request(false), row(), on(OLD, 1));
    let mut attempts = AssociationMove::new(&request, &row, None);
    assert!(!attempts.has_lost_update());
    let step = Step::Settle(attempts.give_up(at(3), error(ErrorClass::Transient), at(9)));
    assert_eq!(shown(&step), "Failed Transient after 0 sent");
    let sent = Sent {
        update: started(&mut attempts, &before),
        before: &before,
    };
    attempts.failed(sent, error(ErrorClass::Transient), MOMENT, |_| {
        RoleVerdict::Refused
    });
    assert!(attempts.has_lost_update());
    let step = Step::Settle(attempts.give_up(at(3), error(ErrorClass::Transient), at(9)));
    assert_eq!(shown(&step), "Failed Transient with a token after 0 sent");
    let Step::Settle(settled) = step else {
        panic!("{step:?}")
    };
    let message = settled.row_attributes().error_message.unwrap();
    assert!(
        message.ends_with("its calls have failed since 1970-01-01T00:00:03.000Z"),
        "{message}"
    );
}

/// Guarantees 1 and 6.
#[test]
fn a_response_is_confirmed_only_if_it_shows_the_request_and_nothing_else() {
    let (request, row, before) = (request(false), row(), on(OLD, 5));
    let mut attempts = AssociationMove::new(&request, &row, None);
    let update = started(&mut attempts, &before);
    attempts.count_sent();
    let sent = || Sent {
        update: update.clone(),
        before: &before,
    };
    let confirmed = |after: Association| shown(&attempts.confirmed(sent(), after, None, at(9)));
    let unexpected = "Failed UnexpectedResponse with a token after 1 sent";
    assert_eq!(confirmed(on(NEW, 5)), "Updated with a token after 1 sent");
    assert_eq!(confirmed(on(OLD, 6)), unexpected);
    assert_eq!(confirmed(on(NEW, 4)), unexpected);
    let malformed = attempts.malformed(sent(), error(ErrorClass::Terminal), at(9));
    assert_eq!(shown(&malformed), unexpected);
}

/// Another actor sets a third role, and the old role as target role. The update moves the target
/// role, and is inferred also by a slice that knows of it only from the row.
#[test]
fn a_field_that_was_not_planned_is_planned_before_it_is_moved() {
    let (request, row, dry_run) = (request(false), row(), request(true));
    let target = |target: &str, modified_at| Association {
        target_role_arn: Some(target.to_owned()),
        ..on(THIRD, modified_at)
    };
    let before = target(OLD, 2);
    let mut attempts = AssociationMove::new(&request, &row, None);
    let Decision::Plan(planned) = attempts.described(&before, MOMENT) else {
        panic!("an update of a field that is not planned");
    };
    let names: Vec<_> = planned.iter().map(RoleField::name).collect();
    assert_eq!(names, ["roleArn", "targetRoleArn"]);
    attempts.note_planned(planned);
    assert_eq!(described(&mut attempts, &before), "update targetRoleArn");

    let row = Row {
        fields: planned,
        ..row
    };
    let mut next_slice = AssociationMove::new(&request, &row, EARLIER);
    let next = described(&mut next_slice, &target(NEW, 3));
    assert_eq!(next, "Updated inferred after 0 sent");

    let mut attempts = AssociationMove::new(&dry_run, &row, None);
    let next = described(&mut attempts, &before);
    assert_eq!(next, "WouldUpdate with a token after 0 sent");
}

#[test]
fn an_association_is_left_after_ten_retryable_errors() {
    let (request, row) = (request(false), row());
    let mut attempts = AssociationMove::new(&request, &row, None);
    for _ in 1..=RETRYABLE_ERRORS_MAX {
        let step = attempts.not_described(error(ErrorClass::Transient), MOMENT);
        assert!(matches!(step, Step::Retry(..)), "{step:?}");
    }
    let step = attempts.not_described(error(ErrorClass::Transient), MOMENT);
    assert!(matches!(step, Step::Leave(_)), "{step:?}");
}

/// EKS is eventually consistent.
#[test]
fn an_association_that_is_found_again_is_not_deleted() {
    let (request, row) = (request(false), row());
    let mut attempts = AssociationMove::new(&request, &row, None);
    assert!(!attempts.is_missing());
    for _ in 0..2 {
        attempts.not_found(at(9));
        assert!(attempts.is_missing());
    }
    assert_eq!(described(&mut attempts, &on(OLD, 1)), "update roleArn");
    assert!(!attempts.is_missing());
    for expected in ["again after 5s", "again after 5s", "Deleted after 0 sent"] {
        assert_eq!(shown(&attempts.not_found(at(9))), expected);
    }
}

/// The plan has version 5 on the old role.
#[test]
fn an_older_version_than_known_shows_nothing() {
    let request = request(false);
    let row = Row {
        planned_modified_at: at(5),
        ..row()
    };
    let millis = |role: &str, millis| Association {
        modified_at: Timestamp::from_millis(millis),
        ..association(role)
    };
    let outdated = "again after 500ms";
    for (observed, expected) in [
        (on(OLD, 4), outdated),
        (on(NEW, 4), outdated),
        (on(THIRD, 4), outdated),
        (on(NEW, 5), "AlreadyCurrent after 0 sent"),
        (on(THIRD, 6), "Drifted after 0 sent"),
        // The response to the update that made version 5 had other milliseconds.
        (millis(OLD, 4_001), "update roleArn"),
        (millis(NEW, 4_999), outdated),
    ] {
        let mut attempts = AssociationMove::new(&request, &row, None);
        let step = described(&mut attempts, &observed);
        assert_eq!(step, expected, "{observed:?}");
    }

    // A version that a Describe has shown counts as well.
    let mut attempts = AssociationMove::new(&request, &row, None);
    assert_eq!(described(&mut attempts, &on(OLD, 8)), "update roleArn");
    for n in 1..=RETRYABLE_ERRORS_MAX {
        let step = described(&mut attempts, &on(THIRD, 7));
        assert!(step.starts_with("again after"), "{n}: {step}");
    }
    let step = described(&mut attempts, &on(THIRD, 7));
    assert!(step.starts_with("leave: describe association"), "{step}");
    assert!(step.contains("OutdatedResponse"), "{step}");
}
