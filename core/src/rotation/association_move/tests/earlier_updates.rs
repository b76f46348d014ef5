//! What updates mean that were sent before: lost ones, refused ones, and those of earlier slices.

use super::*;

#[test]
fn a_lost_update_that_took_effect_is_inferred_with_its_token() {
    let (request, row, before) = (request(false), row(), on(OLD, 1));
    let mut attempts = AssociationMove::new(&request, &row, None);
    let update = started(&mut attempts, &before);
    let sent = Sent {
        update: update.clone(),
        before: &before,
    };
    attempts.count_sent();
    attempts.failed(sent, error(ErrorClass::Transient), MOMENT, |_| {
        RoleVerdict::Refused
    });
    assert_eq!(
        started(&mut attempts, &before),
        update,
        "the same version gets the same token"
    );
    let next = described(&mut attempts, &on(NEW, 2));
    assert_eq!(next, "Updated with a token inferred after 1 sent");
}

#[test]
fn an_update_of_an_earlier_slice_is_inferred_but_a_dry_run_never_wrote() {
    let row = row();
    for (request, since, expected) in [
        (request(false), EARLIER, "Updated inferred after 0 sent"),
        (request(false), None, "AlreadyCurrent after 0 sent"),
        (request(true), EARLIER, "AlreadyCurrent after 0 sent"),
    ] {
        let mut attempts = AssociationMove::new(&request, &row, since);
        let next = described(&mut attempts, &on(NEW, 2));
        assert_eq!(next, expected, "dry run: {}", request.dry_run);
    }
}

/// Guarantee 5.
#[test]
fn each_refusal_changes_the_token_and_is_saved_for_the_next_slice() {
    let (request, before) = (request(false), on(OLD, 1));
    let row = Row {
        refusals: 3,
        ..row()
    };
    let mut attempts = AssociationMove::new(&request, &row, None);
    assert_eq!(attempts.unsaved_refusals(), None);
    let mut tokens = Vec::new();
    for refusals in 1..=3 {
        let update = started(&mut attempts, &before);
        tokens.push(update.token.clone());
        let sent = Sent {
            update,
            before: &before,
        };
        let step = attempts.failed(sent, error(ErrorClass::RoleNotReady), MOMENT, |own| {
            assert_eq!(own, refusals, "those of this slice");
            RoleVerdict::TryAgain(Duration::from_secs(2))
        });
        assert_eq!(shown(&step), "again after 2s");
    }
    assert_eq!(attempts.unsaved_refusals(), Some(6));
    tokens.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    tokens.dedup();
    assert_eq!(tokens.len(), 3);
}

#[test]
fn after_a_stop_an_update_that_was_sent_is_never_not_attempted() {
    let (request, row, before) = (request(false), row(), on(OLD, 1));
    for (class, expected) in [
        (None, "NotAttempted after 0 sent"),
        (
            Some(ErrorClass::Transient),
            "Failed Transient with a token after 0 sent",
        ),
        (
            Some(ErrorClass::RoleNotReady),
            "Failed RoleNotReady with a token after 0 sent",
        ),
    ] {
        let mut attempts = AssociationMove::new(&request, &row, None);
        if let Some(class) = class {
            let sent = Sent {
                update: started(&mut attempts, &before),
                before: &before,
            };
            attempts.failed(sent, error(class), MOMENT, |_| {
                RoleVerdict::TryAgain(Duration::from_secs(1))
            });
        }
        assert_eq!(
            shown(&attempts.stopped(&before, moment(99))),
            expected,
            "{class:?}"
        );
    }
}

/// A slice that died may have sent its last update just before this slice took the lease at 2.
#[test]
fn a_stopped_rotation_waits_until_updates_of_earlier_slices_would_show() {
    let (request, row) = (request(false), row());
    let earlier = EarlierSlices {
        started_at: at(0),
        ended_at: at(2),
    };
    let mut attempts = AssociationMove::new(&request, &row, Some(earlier));
    for (now, expected) in [
        (2, "again after 10s"),
        (9, "again after 3s"),
        (12, "NotAttempted after 0 sent"),
    ] {
        assert_eq!(shown(&attempts.stopped(&on(OLD, 1), moment(now))), expected);
    }
}

/// EKS may show another actor's change from before an update that has overwritten it.
#[test]
fn what_others_did_is_believed_once_an_update_of_this_rotation_would_show() {
    let (request, row, before) = (request(false), row(), on(OLD, 1));
    let earlier = EarlierSlices {
        started_at: at(0),
        ended_at: at(2),
    };
    let owned = Association {
        owner_arn: Some("arn:aws:eks:us-east-1:1:addon/c/a/1".to_owned()),
        ..before.clone()
    };
    // An update of this slice gets its error at 2, two seconds after its Describe was sent.
    for (observed, ending) in [(on(THIRD, 2), "Drifted"), (owned, "OwnedByAddon")] {
        let attempts_after = |earlier, is_lost| {
            let mut attempts = AssociationMove::new(&request, &row, earlier);
            if is_lost {
                let sent = Sent {
                    update: started(&mut attempts, &before),
                    before: &before,
                };
                attempts.failed(sent, error(ErrorClass::Transient), moment(0), |_| {
                    RoleVerdict::Refused
                });
            }
            attempts
        };
        for (earlier, is_lost) in [(Some(earlier), false), (None, true)] {
            for (now, expected) in [(2, "again after 10s"), (11, "again after 1s")] {
                let mut attempts = attempts_after(earlier, is_lost);
                assert_eq!(described_at(&mut attempts, &observed, now), expected);
            }
            let mut attempts = attempts_after(earlier, is_lost);
            let settled = format!("{ending} after 0 sent");
            assert_eq!(described_at(&mut attempts, &observed, 12), settled);
        }
        let mut attempts = attempts_after(None, false);
        let settled = format!("{ending} after 0 sent");
        assert_eq!(described_at(&mut attempts, &observed, 2), settled);
    }
}

/// The moment of a Describe that was sent at this time, in seconds, and answered two seconds later.
fn moment(asked_at: i64) -> Moment {
    Moment {
        now: at(asked_at + 2),
        asked_at: at(asked_at),
        ..MOMENT
    }
}

/// What follows from a Describe at this time, in seconds.
fn described_at(attempts: &mut AssociationMove<'_>, observed: &Association, now: i64) -> String {
    match attempts.described(observed, moment(now)) {
        Decision::Step(step) => shown(&step),
        other => panic!("{other:?}"),
    }
}

/// EKS does not respond, so it is not known whether an update of a slice that died took effect.
#[test]
fn a_failure_in_a_resumed_slice_has_the_token_that_may_have_been_sent() {
    let (request, row) = (request(false), row());
    let mut first = AssociationMove::new(&request, &row, None);
    let sent = started(&mut first, &association(OLD)).token;
    for (earlier, expected) in [(None, None), (EARLIER, Some(sent.to_string()))] {
        let mut attempts = AssociationMove::new(&request, &row, earlier);
        let given_up = attempts.give_up(at(3), error(ErrorClass::Transient), at(9));
        let denied = attempts.not_described(error(ErrorClass::Denied), MOMENT);
        let Step::Settle(denied) = denied else {
            panic!("{denied:?}")
        };
        for settled in [given_up, denied] {
            let token = settled.row_attributes().client_request_token;
            assert_eq!(token.map(|token| token.to_string()), expected);
        }
    }
}
