use expect_test::expect;

use super::*;
use crate::stack::flags::Form;

fn layout() -> Layout {
    Layout::plain(Form::Table)
}

fn at(second: u32) -> Timestamp {
    format!("2026-11-23T21:17:{second:02}.123Z")
        .parse()
        .unwrap()
}

fn entry(seq: u64, change: ChangeView, by: Option<&str>) -> EntryView {
    EntryView {
        seq,
        at: at(u32::try_from(seq).unwrap()),
        change,
        attempt: Some(1),
        requested_by: by.map(str::to_owned),
        event_id: by.map(|_| "e-1".to_owned()),
        request_id: None,
        reason: None,
    }
}

fn status(from: Option<Status>, to: Status) -> ChangeView {
    ChangeView::StatusChanged { from, to }
}

fn command(command: CommandName, verdict: Verdict) -> CommandView {
    CommandView {
        command,
        verdict,
        explanation: None,
        allowed: Vec::new(),
        seq: 3,
        at: Some(at(30)),
        requested_by: None,
        reason: None,
        event_id: Some("e-2".to_owned()),
    }
}

fn history() -> History {
    let jane = "arn:aws:sts::111122223333:assumed-role/Operator/jane";
    let limits = ChangeView::LimitsChanged {
        max_errors: "25%".to_owned(),
        max_concurrency: Some("8".to_owned()),
    };
    History {
        timeline: vec![
            EntryView {
                reason: Some("CHG-7".to_owned()),
                ..entry(1, status(None, Status::Queued), Some(jane))
            },
            entry(2, status(Some(Status::Queued), Status::Planning), None),
            entry(3, limits, Some("pipeline")),
            EntryView {
                reason: Some("stopped early:\u{1b}[2J 3 failed".to_owned()),
                ..entry(4, status(Some(Status::InProgress), Status::Failed), None)
            },
            EntryView {
                attempt: Some(2),
                requested_by: None,
                ..entry(
                    5,
                    status(Some(Status::Failed), Status::Planning),
                    Some(jane),
                )
            },
        ],
        commands: vec![
            CommandView {
                requested_by: Some(jane.to_owned()),
                reason: Some("INC-8".to_owned()),
                ..command(CommandName::Retry, Verdict::Accepted)
            },
            CommandView {
                explanation: Some(
                    "Resume is not allowed while the rotation is Succeeded".to_owned(),
                ),
                allowed: vec![CommandName::Retry, CommandName::Rollback],
                ..command(CommandName::Resume, Verdict::Refused)
            },
        ],
    }
}

#[test]
fn a_timeline_says_what_changed_who_changed_it_and_why() {
    expect![[r"
        Timeline:
          2026-11-23 21:17:01  Queued                           by Operator/jane: CHG-7
          2026-11-23 21:17:02  Queued -> Planning               by rerole
          2026-11-23 21:17:03  limits: 25% errors, 8 at a time  by pipeline
          2026-11-23 21:17:04  InProgress -> Failed             by rerole: stopped early:\u001b[2J 3 failed
          2026-11-23 21:17:05  Failed -> Planning               by a sender that the event does not name, attempt 2

        Commands:
          2026-11-23 21:17:30  Retry     Accepted  by Operator/jane: INC-8
          2026-11-23 21:17:30  Resume    Refused   by a sender that the event does not name
              Resume is not allowed while the rotation is Succeeded; allowed then: Retry, Rollback"]].assert_eq(&history().text(&layout(), usize::MAX));
}

#[test]
fn only_the_last_entries_are_shown_unless_all_are_asked_for() {
    let history = History {
        commands: Vec::new(),
        ..history()
    };
    expect![[r"
        Timeline:
          3 earlier; --timeline shows all
          2026-11-23 21:17:04  InProgress -> Failed  by rerole: stopped early:\u001b[2J 3 failed
          2026-11-23 21:17:05  Failed -> Planning    by a sender that the event does not name, attempt 2"]].assert_eq(&history.text(&layout(), 2));
}
