use super::*;
use crate::explore::counterexample;

const AT_REST: &str = "each terminal state is a rotation that is finished or paused";

#[test]
fn each_guard_is_needed() {
    for (guard, property) in [
        (Guard::SeqInCommand, "the timeline has every status"),
        (Guard::StatusInStart, "no slice undoes a command"),
        (Guard::StatusInClose, "no slice undoes a command"),
        (
            Guard::StatusInOpening,
            "no slice opens a rotation that waits",
        ),
        (Guard::LeaseAfterCommand, AT_REST),
        (Guard::StatusAtRelease, AT_REST),
        (Guard::NextExecution, AT_REST),
        (Guard::UnconfirmedInCancel, "no ending hides an update"),
        (
            Guard::AttemptInSettle,
            "a later attempt is not settled by an earlier one",
        ),
    ] {
        counterexample(Commands::new(Some(guard)), property);
    }
}
