use std::time::Duration;

use expect_test::{Expect, expect};
use rerole_core::command::RollbackOrder;
use rerole_core::request::Rollback;
use rerole_core::rotation::{Open, State, Status};

use super::*;
use crate::stack::flags::Form;
use crate::testing::{ACCOUNT, now, record};

fn preview(order: RotationOrder, record: RotationRecord) -> Preview {
    Preview {
        order,
        record,
        clusters: ClusterCounts::default(),
        estimate: None,
        earlier: None,
    }
}

fn check(preview: &Preview, expected: &Expect) {
    let view = View {
        account: ACCOUNT,
        now: now(),
        layout: &Layout::plain(Form::Table),
    };
    let text = format!("{}{}\n", preview.text(view), preview.question());
    expected.assert_eq(&text);
}

fn pending() -> ClusterCounts {
    ClusterCounts::of(&[
        ("prod-1", "eu-west-1", Column::Pending, 80),
        ("prod-1", "us-east-1", Column::Pending, 200),
    ])
}

#[test]
fn a_pause_says_what_is_pending_and_that_the_roles_stay_locked() {
    let running = Preview {
        clusters: pending(),
        ..preview(RotationOrder::Pause, record("app", State::IN_PROGRESS))
    };
    check(
        &running,
        &expect![[r"

        Pause app: InProgress, 120 of 400 settled
          from      platform/app-2025
          to        platform/app-2026
          pending   280 associations stay as they are until `rerole resume app`
          in flight finishes; no update is sent later than 10 s after the verdict
          roles     both stay locked: other rotations from or onto them wait

        CLUSTER  REGION     PENDING
        prod-1   eu-west-1  80
        prod-1   us-east-1  200
        Pause app?
    "]],
    );
    let queued = record("app", State::Open(Open::Queued));
    check(
        &preview(RotationOrder::Pause, queued),
        &expect![[r"

        Pause app: Queued, 120 of 400 settled
          from      platform/app-2025
          to        platform/app-2026
          queue     it keeps its place, and others may start before it
        Pause app?
    "]],
    );
}

#[test]
fn a_resume_says_how_long_the_rest_takes() {
    let paused = Preview {
        clusters: pending(),
        estimate: Some(Estimate::About(Duration::from_mins(2))),
        ..preview(
            RotationOrder::Resume,
            record("dry-run/app", State::IN_PROGRESS),
        )
    };
    check(
        &paused,
        &expect![[r"

        Resume dry-run/app: InProgress, 120 of 400 settled
          from      platform/app-2025
          to        platform/app-2026
          pending   280 associations are worked on again
          takes     about 2 min at the learned rate of EKS calls

        CLUSTER  REGION     PENDING
        prod-1   eu-west-1  80
        prod-1   us-east-1  200
        Resume dry-run/app?
    "]],
    );
}

#[test]
fn a_cancel_says_what_is_not_attempted_and_what_stays_moved() {
    let running = Preview {
        clusters: pending(),
        ..preview(RotationOrder::Cancel, record("app", State::IN_PROGRESS))
    };
    check(
        &running,
        &expect![[r"

        Cancel app: InProgress, 120 of 400 settled
          from      platform/app-2025
          to        platform/app-2026
          pending   280 associations become NotAttempted, and are not moved
          in flight finishes; no update is sent later than 10 s after the verdict
          stays     what was moved stays moved: 120 (rerole rollback takes it back)

        CLUSTER  REGION     PENDING
        prod-1   eu-west-1  80
        prod-1   us-east-1  200
        Cancel app?
    "]],
    );
}

#[test]
fn a_retry_says_what_is_tried_again() {
    let failed = State::finished(Status::Failed, now() - Duration::from_hours(1));
    let failed = Preview {
        clusters: ClusterCounts::of(&[
            ("prod-1", "eu-west-1", Column::Failed, 3),
            ("prod-1", "us-east-1", Column::NotAttempted, 40),
        ]),
        estimate: Some(Estimate::Unknown(vec!["eu-west-1".to_owned()])),
        ..preview(RotationOrder::Retry, record("app", failed))
    };
    check(
        &failed,
        &expect![[r"

        Retry app: Failed, 120 of 400 settled
          finished  2026-11-23 20:17:00 (1 h ago)
          from      platform/app-2025
          to        platform/app-2026
          again     43 associations are tried again
          also      the index is searched for others that use the old role now
          takes     unknown: rerole has learned no rate of EKS calls in eu-west-1 yet

        CLUSTER  REGION     FAILED  NOT ATTEMPTED
        prod-1   eu-west-1  3       0
        prod-1   us-east-1  0       40
        Retry app?
    "]],
    );
}

#[test]
fn a_rollback_says_what_goes_back_and_what_pods_keep() {
    let moved = ClusterCounts::of(&[
        ("prod-1", "eu-west-1", Column::Moved, 118),
        ("prod-1", "eu-west-1", Column::MovedBack, 2),
    ]);
    let order = |include_changed, dry_run| {
        RotationOrder::Rollback(RollbackOrder {
            rollback: Rollback { include_changed },
            dry_run,
        })
    };
    let open = Preview {
        clusters: moved.clone(),
        estimate: Some(Estimate::About(Duration::from_secs(5))),
        ..preview(order(false, false), record("app", State::IN_PROGRESS))
    };
    check(
        &open,
        &expect![[r"

            Rollback app: InProgress, 120 of 400 settled
              from      platform/app-2025
              to        platform/app-2026
              back      120 associations get back the role that they had, and no others
              before    2 of them were moved back by another actor already
              changed   what has changed since stays as it is (--include-changed)
              pods      keep the new role's credentials until they restart, for up to 6 h
              first     the rotation is cancelled
              takes     some seconds

            CLUSTER  REGION     MOVED  MOVED BACK
            prod-1   eu-west-1  118    2
            Roll app back?
        "]],
    );
    let finished = State::finished(Status::Succeeded, now() - Duration::from_hours(1));
    let again = Preview {
        clusters: moved,
        earlier: Some(Counts {
            updated: 100,
            ..Counts::default()
        }),
        ..preview(order(true, true), record("app", finished))
    };
    check(
        &again,
        &expect![[r"

        Rollback app: Succeeded, 120 of 400 settled
          finished  2026-11-23 20:17:00 (1 h ago)
          from      platform/app-2025
          to        platform/app-2026
          back      120 associations get back the role that they had, and no others
          before    2 of them were moved back by another actor already
          earlier   a rollback has taken back 100 of them
          changed   what has changed since is taken back where it still has the new role
          writes    nothing: it is a dry run

        CLUSTER  REGION     MOVED  MOVED BACK
        prod-1   eu-west-1  118    2
        Find out what a rollback of app would do?
    "]],
    );
}

#[test]
fn a_change_says_the_old_and_the_new_limits() {
    let limits = Limits {
        max_errors: Some("25%".parse().unwrap()),
        max_concurrency: Some("8".parse().unwrap()),
    };
    let running = record("app", State::IN_PROGRESS);
    check(
        &preview(RotationOrder::Change(limits), running.clone()),
        &expect![[r"

            Change app: InProgress, 120 of 400 settled
              from      platform/app-2025
              to        platform/app-2026
              errors    10% becomes 25%; 0 failed so far
              in flight the stack's maximum becomes 8
              when      within 4 s, if it is running
            Change the limits of app?
        "]],
    );
    let limits = Limits {
        max_concurrency: None,
        ..limits
    };
    check(
        &preview(RotationOrder::Change(limits), running),
        &expect![[r"

            Change app: InProgress, 120 of 400 settled
              from      platform/app-2025
              to        platform/app-2026
              errors    10% becomes 25%; 0 failed so far
              in flight the stack's maximum, as before
              when      within 4 s, if it is running
            Change the limits of app?
        "]],
    );
}
