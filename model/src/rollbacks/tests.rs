use super::*;
use crate::explore::counterexample;

const COMPLETE: &str = "a rollback that has ended has left nothing that its rotation had moved";
const OVERTAKEN: &str = "no other rotation starts before a rollback that waits";

#[test]
fn each_guard_is_needed() {
    for (guard, property) in [
        (Guard::CancelledTogether, OVERTAKEN),
        (Guard::FirstInQueues, OVERTAKEN),
        (
            Guard::Versions,
            "rotations that share a role do not work at once",
        ),
        (Guard::FinalRows, COMPLETE),
        (
            Guard::OwnWriteOnly,
            "what another actor has changed since is not taken back",
        ),
        (Guard::DescribedAfterDeath, COMPLETE),
    ] {
        counterexample(Rollbacks::new(Some(guard)), property);
    }
}
