use super::*;
use crate::explore::counterexample;

const HIDDEN: &str = "no ending is recorded from before an update of the rotation";
const WINDOW: &str = "an update is sent within the window after a Describe";
const FINISHED: &str = "nothing is updated after the rotation is finished";

#[test]
fn each_guard_is_needed() {
    for (guard, property) in [
        (Guard::PendingInSettle, "a row settles once"),
        (Guard::LeaseInRecord, HIDDEN),
        (Guard::LeaseInUpdate, FINISHED),
        (Guard::WriteWindow, WINDOW),
        (Guard::TokenOfVersion, "the same version is updated once"),
        (
            Guard::OlderVersionsIgnored,
            "success means that EKS has shown the new role",
        ),
        (Guard::WaitAfterStop, HIDDEN),
        (Guard::WaitFromLastUpdate, HIDDEN),
        (Guard::WaitBeforeDrifted, HIDDEN),
        (Guard::WaitForLostUpdate, FINISHED),
        (Guard::AgeFromRequest, WINDOW),
        (Guard::LeaseKeptForRecord, HIDDEN),
        (
            Guard::TallyBeforeClose,
            "a finished rotation has no pending row",
        ),
    ] {
        counterexample(SettleAndResume::new(Some(guard)), property);
    }
}

#[test]
fn each_assumption_is_needed() {
    for (guard, property) in [
        (Guard::TimelyRecord, HIDDEN),
        (Guard::TimelyUpdate, FINISHED),
    ] {
        counterexample(SettleAndResume::new(Some(guard)), property);
    }
}
