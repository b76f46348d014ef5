use super::*;
use crate::explore::counterexample;

#[test]
fn each_guard_is_needed() {
    let at_once = "two rotations that share a role are not open at once";
    let new_in_use = "a role to which a rotation has moved is in use";
    let old_in_use = "the old role of an open rotation is in use";
    let free = "a role that the index shows in use does not stay free";
    let unused = "a role that is not used does not stay in use because of a rotation";
    let departure = "a departure is never forgotten";
    for (guard, property) in [
        (Guard::RoleLock, at_once),
        (Guard::UseBeforeUpdate, new_in_use),
        (Guard::LockInFreeing, old_in_use),
        (Guard::VersionInFreeing, old_in_use),
        (Guard::WaitBeforeFreeing, free),
        (Guard::CheckAfterFreeing, free),
        (Guard::VersionsInClose, departure),
        (Guard::UseBeforeStore, free),
        (Guard::UnusedInClose, unused),
    ] {
        counterexample(LocksAndRoles::new(Some(guard)), property);
    }
}
