use super::*;
use crate::explore::counterexample;

const AT_REST: &str =
    "each terminal state is a rotation that is finished, or paused in a frozen stack";

#[test]
fn each_guard_is_needed() {
    for (guard, property) in [
        (Guard::StackInFollowUp, AT_REST),
        (Guard::SeqInChange, "no ending is undone"),
        (Guard::StackAfterRelease, AT_REST),
        (Guard::StartIdle, AT_REST),
        (Guard::NextExecution, AT_REST),
    ] {
        counterexample(Freezes::new(Some(guard)), property);
    }
}
