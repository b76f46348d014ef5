use expect_test::expect;

use super::*;
use crate::stack::flags::Form;

fn verdict(verdict: Verdict, explanation: Option<&str>) -> CommandView {
    CommandView {
        command: CommandName::Retry,
        verdict,
        explanation: explanation.map(str::to_owned),
        allowed: vec![CommandName::Pause, CommandName::Change],
        seq: 3,
        at: None,
        requested_by: None,
        reason: None,
        event_id: None,
    }
}

#[test]
fn a_verdict_says_why() {
    let layout = Layout::plain(Form::Table);
    for (view, expected, code) in [
        (verdict(Verdict::Accepted, None), "Retry is accepted", 0),
        (
            verdict(Verdict::NoChange, Some("the rotation is Paused")),
            "Retry changes nothing: the rotation is Paused",
            0,
        ),
        (
            verdict(Verdict::Refused, Some("the timeline has entry 4")),
            "Retry is refused: the timeline has entry 4",
            1,
        ),
    ] {
        assert_eq!(verdict_text(&view, &layout), expected);
        assert_eq!(exit(&view).code(), code);
    }
}

#[test]
fn a_command_names_the_last_entry_that_the_operator_has_seen() {
    let outgoing = |key| Outgoing {
        name: CommandName::Pause,
        key,
        expected_seq: 7,
        members: Map::new(),
    };
    let claims = claims("arn:aws:iam::111122223333:user/jane", Some("INC-7")).unwrap();
    let rotation = outgoing(LedgerKey::Rotation("rollback/app".parse().unwrap()));
    let expected = json!({
        "command": "Pause", "rotationId": "rollback/app", "expectedSeq": 7, "reason": "INC-7",
        "requestedBy": "arn:aws:iam::111122223333:user/jane",
    });
    assert_eq!(rotation.detail(claims), expected);
    let stack = outgoing(LedgerKey::Stack).detail(Map::new());
    assert_eq!(stack, json!({ "command": "Pause", "expectedSeq": 7 }));
}

#[test]
fn what_is_allowed_instead_is_ready_to_paste() {
    let view = verdict(Verdict::Refused, None);
    let commands: Vec<_> = allowed(&view.allowed, "app")
        .into_iter()
        .map(|it| it.command)
        .collect();
    expect![[r"
        rerole pause app
        rerole change app --max-errors N"]]
    .assert_eq(&commands.join("\n"));
}
