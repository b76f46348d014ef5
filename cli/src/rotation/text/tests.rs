use std::fmt::Write;
use std::time::Duration;

use expect_test::expect;
use rerole_core::rotation::Status;
use serde_json::json;

use super::*;
use crate::rotation::RollbackView;
use crate::rotation::next::next;
use crate::stack::flags::Form;
use crate::testing::{ACCOUNT, now, view};

fn text(view: &RotationView) -> String {
    let context = Context {
        account: ACCOUNT,
        now: now(),
        layout: &Layout::plain(Form::Table),
    };
    rotation(view, context)
}

#[test]
fn each_status_has_its_next_commands() {
    let mut all = String::new();
    for status in Status::of_rotations() {
        let is_rollback = matches!(status, Status::RolledBack | Status::RollbackIncomplete);
        let view = RotationView {
            rollback_of: is_rollback.then(|| "app".to_owned()),
            ..view(status)
        };
        let title = text(&view).lines().next().unwrap().to_owned();
        let commands: Vec<_> = next(&view).into_iter().map(|it| it.command).collect();
        let _ = writeln!(all, "{title}\n  {}", commands.join("\n  "));
    }
    expect![[r"
        Rotation app: Queued
          rerole status app
          rerole cancel app
          rerole rollback app
        Rotation app: Planning
          rerole status app --watch
          rerole pause app
          rerole cancel app
          rerole rollback app
        Rotation app: InProgress
          rerole status app --watch
          rerole pause app
          rerole cancel app
          rerole rollback app
        Rotation app: Paused (Operator)
          rerole resume app
          rerole cancel app
          rerole rollback app
        Rotation app: Cancelling
          rerole status app --watch
          rerole rollback app
        Rotation app: Succeeded
          rerole who arn:aws:iam::111122223333:role/platform/app-2025
          rerole rollback app
        Rotation app: Incomplete
          rerole status app --rows addon,reverted
          rerole who arn:aws:iam::111122223333:role/platform/app-2025
          rerole rollback app
        Rotation app: CompletedWithFailures
          rerole status app --rows failed
          rerole retry app
          rerole rollback app
        Rotation app: Failed
          rerole status app --rows failed
          rerole retry app
          rerole rollback app
        Rotation app: NoAssociations
          rerole index status
          rerole rollback app
        Rotation app: Planned
          rerole status app --rows wouldUpdate
          rerole rollback app
        Rotation app: Cancelled
          rerole retry app
          rerole rollback app
        Rollback app: RolledBack
          rerole who arn:aws:iam::111122223333:role/platform/app-2025
        Rollback app: RollbackIncomplete
          rerole status app --rows changedSince,failed
    "]]
    .assert_eq(&all);
}

#[test]
fn a_running_rotation_shows_its_progress() {
    let running = RotationView {
        settled_per_sec: Some(4.25),
        estimated_end_at: Some(now() + Duration::from_mins(3)),
        max_concurrency: Some("8".to_owned()),
        scope: json!({ "clusterNames": ["prod-*"], "namespaces": ["!kube-system"] }),
        is_stalled: true,
        ..view(Status::InProgress)
    };
    expect![[r"
        Rotation app: InProgress
          from      platform/app-2025
          to        platform/app-2026
          scope     clusters prod-*; namespaces !kube-system
          asked     2026-11-23 19:47:00 (1 h 30 min ago) by jane: CHG-7
          limits    stops after 10% errors, at most 8 at a time
          progress  120 of 400 settled: 120 moved; 4.2 per second, about 3 min left
          stalled   no invocation has worked on it for ten minutes
          old role  in use since 2026-11-23 19:47:00 (1 h 30 min ago): a rotation from the role has not finished"]].assert_eq(&text(&running));
}

#[test]
fn a_queued_rotation_says_what_it_waits_for() {
    let queued = RotationView {
        counts: Counts::default(),
        queued_at: Some(now() - Duration::from_mins(90)),
        waits_for: Some("the rotations that need its roles first: app-1".to_owned()),
        old_role_in_use: None,
        ..view(Status::Queued)
    };
    expect![[r"
        Rotation app: Queued
          from      platform/app-2025
          to        platform/app-2026
          scope     all associations that the index knows
          asked     2026-11-23 19:47:00 (1 h 30 min ago) by jane: CHG-7
          limits    stops after 10% errors
          progress  0 of 0 settled
          waits for the rotations that need its roles first: app-1
          old role  no rotation has left it"]]
    .assert_eq(&text(&queued));
}

#[test]
fn a_finished_rotation_says_how_it_ended_and_until_when_pods_have_the_old_role() {
    let finished = RotationView {
        reason: Some("2 of 400 associations failed".to_owned()),
        counts: Counts {
            total: 400,
            updated: 397,
            owned_by_addon: 1,
            failed: 2,
            reverted: 1,
            ..Counts::default()
        },
        attempt: 2,
        finished_at: Some(now() - Duration::from_hours(1)),
        old_role_in_use: None,
        old_role_in_use_until: Some(now() + Duration::from_hours(5)),
        rollback: Some(RollbackView {
            id: "rollback/app".to_owned(),
            status: Status::InProgress,
        }),
        ..view(Status::CompletedWithFailures)
    };
    expect![[r"
        Rotation app: CompletedWithFailures, attempt 2
          from      platform/app-2025
          to        platform/app-2026
          scope     all associations that the index knows
          asked     2026-11-23 19:47:00 (1 h 30 min ago) by jane: CHG-7
          limits    stops after 10% errors
          progress  400 of 400 settled: 397 moved, 1 owned by an add-on, 2 failed, 1 moved back by another actor; finished 2026-11-23 20:17:00 (1 h ago)
          reason    2 of 400 associations failed
          rollback  rollback/app: InProgress
          old role  pods may have its credentials until 2026-11-24 02:17:00 (in 5 h)"]].assert_eq(&text(&finished));
}
