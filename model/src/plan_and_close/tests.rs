use super::*;
use crate::explore::counterexample;

const LEFT: &str = "no association is silently left on the replaced role";
const COUNTED: &str = "a finished rotation has counted each reversion once";

#[test]
fn each_guard_is_needed() {
    let free = "a role that the index shows in use does not stay free";
    for (guard, property) in [
        (
            Guard::ArrivalsInClose,
            "a finished rotation has no pending row",
        ),
        (Guard::ReversionsInClose, COUNTED),
        (Guard::ReversionsInClose, free),
        (Guard::Sweep, LEFT),
        (Guard::WaitForIndexer, LEFT),
        (Guard::RecordOfArrival, LEFT),
        (Guard::ReversionAfterClose, LEFT),
        (Guard::AbsenceInReversion, COUNTED),
        (Guard::StateInReversion, COUNTED),
    ] {
        counterexample(PlanAndClose::new(Some(guard)), property);
    }
}

#[test]
fn the_assumption_about_the_indexer_is_needed() {
    counterexample(PlanAndClose::new(Some(Guard::TimelyIndexer)), LEFT);
}
