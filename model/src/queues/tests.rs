use super::*;
use crate::explore::counterexample;

const WAITS: &str = "without a death, no rotation waits for the check";

#[test]
fn each_guard_is_needed() {
    use Disturbance::{Commands, Death};
    for (guard, disturbance, property) in [
        (
            Guard::VersionsInTurn,
            Commands(2),
            "rotations that share a role do not work at once",
        ),
        (
            Guard::StatusInTurn,
            Commands(1),
            "a command about a rotation that waits is not undone",
        ),
        (
            Guard::VersionsInAdmission,
            Death,
            "rotations that share a role do not work at once",
        ),
        (
            Guard::BothQueuesAtOnce,
            Death,
            "what waits is in both queues",
        ),
        (Guard::NextAfterClose, Commands(1), WAITS),
        (Guard::NextAfterQueueing, Commands(1), WAITS),
        (Guard::NextAfterCommand, Commands(1), WAITS),
        (
            Guard::PausedIsPassed,
            Commands(1),
            "each terminal state has only finished and paused rotations",
        ),
    ] {
        counterexample(Queues::new(disturbance, Some(guard)), property);
    }
}
