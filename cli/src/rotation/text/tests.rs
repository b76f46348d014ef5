use std::fmt::Write;
use std::time::Duration;

use expect_test::expect;
use rerole_core::rotation::PauseCause;
use serde_json::json;

use super::*;
use crate::found::ALL;
use crate::rotation::next::next;
use crate::rotation::{InUseView, RollbackView};
use crate::stack::flags::Form;
use crate::testing::{ACCOUNT, now};

fn view(status: Status) -> RotationView {
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/platform/{name}");
    let started_at = now() - Duration::from_mins(90);
    RotationView {
        id: "app".to_owned(),
        status,
        status_cause: (status == Status::Paused).then_some(PauseCause::Operator),
        reason: None,
        rollback_of: None,
        dry_run: false,
        old_role_arn: role("app-2025"),
        new_role_arn: role("app-2026"),
        scope: json!({}),
        max_errors: "10%".to_owned(),
        max_concurrency: None,
        counts: Counts {
            total: 400,
            pending: 280,
            updated: 120,
            ..Counts::default()
        },
        settled_per_sec: None,
        estimated_end_at: None,
        attempt: 1,
        started_at,
        queued_at: None,
        finished_at: None,
        requested_by: Some("jane".to_owned()),
        request_reason: Some("CHG-7".to_owned()),
        request_event_id: None,
        timeline_seq: 7,
        is_stalled: false,
        waits_for: None,
        old_role_in_use: Some(InUseView {
            since: started_at,
            by: "app".to_owned(),
            why: "a rotation from the role has not finished".to_owned(),
        }),
        old_role_in_use_until: None,
        rollback: None,
    }
}

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
    for status in ALL {
        let view = view(status);
        let title = text(&view).lines().next().unwrap().to_owned();
        let commands: Vec<_> = next(&view).into_iter().map(|it| it.command).collect();
        let _ = writeln!(all, "{title}\n  {}", commands.join("\n  "));
    }
    expect![[r#""#]].assert_eq(&all);
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
    expect![[r#""#]].assert_eq(&text(&running));
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
    expect![[r#""#]].assert_eq(&text(&queued));
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
    expect![[r#""#]].assert_eq(&text(&finished));
}
