use expect_test::expect;
use rerole_core::rotation::{Open, PausedFrom, State, Work};

use super::*;
use crate::stack::flags::Form;
use crate::testing::record;

fn found() -> Found {
    let paused = |cause| {
        State::Open(Open::Paused {
            from: PausedFrom::Running(Work::Executing),
            cause,
        })
    };
    Found {
        records: vec![
            record("r-1", State::IN_PROGRESS),
            record("r-2", State::Open(Open::Queued)),
            record("r-3", paused(PauseCause::Operator)),
            record("r-4", paused(PauseCause::Frozen)),
            record("r-5", State::Open(Open::Cancelling(Work::Executing))),
            record("dry-run/r-6", State::PLANNING),
        ],
        malformed: vec!["r-7".to_owned()],
    }
}

fn text(order: StackOrder, found: &Found) -> String {
    Affected::new(order, found).text(order, &Layout::plain(Form::Table))
}

#[test]
fn a_freeze_shows_what_pauses() {
    expect![[r"

        Freeze: rotations pause, and no queued or new one starts, until `rerole unfreeze`

        ID           STATUS      EFFECT
        r-1          InProgress  pauses
        r-2          Queued      waits until the freeze ends
        r-3          Paused      stays paused: an operator has paused it
        r-4          Paused      stays paused
        r-5          Cancelling  is cancelled to the end
        dry-run/r-6  Planning    continues: a dry run writes nothing to EKS

        Cannot be read: r-7
    "]]
    .assert_eq(&text(StackOrder::Freeze, &found()));
    expect![[r"

        Freeze: rotations pause, and no queued or new one starts, until `rerole unfreeze`

        No rotation is open.
    "]]
    .assert_eq(&text(StackOrder::Freeze, &Found::default()));
}

#[test]
fn an_unfreeze_shows_what_continues() {
    expect![[r"

        Unfreeze: rotations continue that the freeze has paused

        ID           STATUS      EFFECT
        r-1          InProgress  continues
        r-2          Queued      starts when its turn comes
        r-3          Paused      stays paused: an operator has paused it
        r-4          Paused      continues
        r-5          Cancelling  is cancelled to the end
        dry-run/r-6  Planning    continues: a dry run writes nothing to EKS

        Cannot be read: r-7
    "]]
    .assert_eq(&text(StackOrder::Unfreeze, &found()));
}
