use clap::Parser;
use expect_test::expect;
use rerole::aws::ledger::RejectedEvent;
use rerole_core::request::Rejection;
use rerole_core::rotation::{PauseCause, Status};
use rerole_core::timestamp::Timestamp;
use serde_json::json;

use super::*;
use crate::rotation::rejected::RejectedView;
use crate::stack::flags::Form;
use crate::terminal::Layout;
use crate::verbs::list::flags::Filter;
use crate::verbs::list::listed::ListedRotation;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    flags: ListFlags,
}

fn now() -> Timestamp {
    "2026-11-23T21:17:00.000Z".parse().unwrap()
}

fn rotation(id: &str, status: Status) -> ListedRotation {
    let role = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
    ListedRotation {
        id: id.to_owned(),
        status,
        status_cause: (status == Status::Paused).then_some(PauseCause::Operator),
        old_role_arn: role("app-2025"),
        new_role_arn: role("app-2026"),
        total: 400,
        settled: 120,
        failed: u64::from(status == Status::Failed) * 3,
        started_at: now() - std::time::Duration::from_mins(90),
        finished_at: status.is_final().then(now),
        requested_by: Some("arn:aws:sts::111122223333:assumed-role/Operator/jane".to_owned()),
    }
}

fn list() -> List {
    let rejected = RejectedEvent {
        key: "rejected/0d079340-135a-c8c6-95c2-41fb8f496c53".to_owned(),
        rejection: Rejection::new("detail.newRoleArn", &json!("app"), "the ARN of an IAM role"),
        at: now(),
        event: json!({ "detail": { "requestedBy": "pipeline" } }).to_string(),
        request_id: None,
    };
    List {
        frozen: None,
        since: Some(now() - std::time::Duration::from_hours(24 * 7)),
        rotations: vec![
            rotation("app-2025-to-app-2026", Status::InProgress),
            rotation("app-7", Status::Paused),
            rotation("rollback/app-6", Status::Failed),
        ],
        rejected: vec![RejectedView::from(&rejected)],
        malformed: vec!["app-9".to_owned()],
    }
}

fn text(list: &List, form: Form) -> String {
    let layout = Layout::plain(form);
    let view = View {
        account: "111122223333",
        now: now(),
        layout: &layout,
    };
    view.text(list, &ListFlags::default())
}

#[test]
fn a_list_names_rotations_rejected_events_and_what_cannot_be_read() {
    expect![[r#"

        Open rotations, and those that finished or were rejected since 2026-11-16 21:17:00:

        ID                    STATUS             FROM      TO        PROGRESS           STARTED              BY
        app-2025-to-app-2026  InProgress         app-2025  app-2026  120/400            2026-11-23 19:47:00  arn:aws:sts::111122223333:assumed-role/Operator/jane
        app-7                 Paused (Operator)  app-2025  app-2026  120/400            2026-11-23 19:47:00  arn:aws:sts::111122223333:assumed-role/Operator/jane
        rollback/app-6        Failed             app-2025  app-2026  120/400, 3 failed  2026-11-23 19:47:00  arn:aws:sts::111122223333:assumed-role/Operator/jane

        Rejected events:
          rejected/0d079340-135a-c8c6-95c2-41fb8f496c53  2026-11-23 21:17:00 by pipeline
              detail.newRoleArn "app" is not allowed; allowed: the ARN of an IAM role

        Items that cannot be read; another version of rerole may have written them:
          app-9

        This is from a secondary index: a rotation that was requested seconds ago may be
        missing, or shown as it was before. `rerole status ID` is up to date."#]].assert_eq(&text(&list(), Form::Wide));
}

#[test]
fn a_table_fits_eighty_columns_and_shows_all_of_an_id() {
    expect![[r#"

        Open rotations, and those that finished or were rejected since 2026-11-16 21:17:00:

        ID                    STATUS      FROM      TO        PROGRESS      AGE     BY
        app-2025-to-app-2026  InProgress  app-2025  app-2026  120/400       1 h     jane
        app-7                 Paused      app-2025  app-2026  120/400       1 h     jane
        rollback/app-6        Failed      app-2025  app-2026  120/400, 3 …  1 h     jane

        Rejected events:
          rejected/0d079340-135a-c8c6-95c2-41fb8f496c53  0 s ago by pipeline
              detail.newRoleArn "app" is not allowed; allowed: the ARN of an IAM role

        Items that cannot be read; another version of rerole may have written them:
          app-9

        This is from a secondary index: a rotation that was requested seconds ago may be
        missing, or shown as it was before. `rerole status ID` is up to date."#]]
    .assert_eq(&text(&list(), Form::Table));
}

#[test]
fn an_empty_list_says_what_there_is_none_of() {
    let list = List {
        since: Some(now()),
        ..List::default()
    };
    expect![[r"

        There is nothing to list. Looked for: open rotations, and those that finished or were rejected since 2026-11-23 21:17:00.

        This is from a secondary index: a rotation that was requested seconds ago may be
        missing, or shown as it was before. `rerole status ID` is up to date."]].assert_eq(&text(&list, Form::Table));
}

#[test]
fn the_rotation_that_needs_a_person_comes_next() {
    let next = list().next(&ListFlags::default());
    assert_eq!(next[0].command, "rerole status app-7");
}

#[test]
fn at_most_one_filter_is_given() {
    let parse = |args: &[&str]| Cli::try_parse_from([&["list"], args].concat());
    let filter = |args: &[&str]| parse(args).unwrap().flags.filter;
    assert_eq!(filter(&[]), Filter::OpenAndRecent);
    assert_eq!(filter(&["--failed", "--since", "2d"]), Filter::Failed);
    parse(&["--failed", "--open"]).unwrap_err();
    assert_eq!(parse(&["--all"]).unwrap().flags.since(now()), None);
}
