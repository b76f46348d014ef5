//! Shortens a history that fails: drops steps, faults, quirks and associations for as long as it
//! still fails at the same check.

use crate::failed_check::FailedCheck;
use crate::history::{Action, History};
use crate::run::play;

/// A history has some tens of parts, and few passes drop all that can be dropped.
const RUNS_MAX: usize = 600;

/// The shortest history found that fails like this one.
pub fn shorten(history: &History, failure: &FailedCheck) -> History {
    let mut shortest = history.clone();
    let mut runs = 0;
    loop {
        let before = parts(&shortest);
        let mut at = 0;
        while at < parts(&shortest) {
            let shorter = without(&shortest, at);
            runs += 1;
            let is_same = matches!(play(&shorter), Err(other) if other.check == failure.check);
            if is_same {
                shortest = shorter;
            } else {
                at += 1;
            }
            if runs == RUNS_MAX {
                return shortest;
            }
        }
        if parts(&shortest) == before {
            return shortest;
        }
    }
}

/// How many parts can be dropped.
fn parts(history: &History) -> usize {
    let History {
        quirks,
        associations,
        steps,
        faults,
        ..
    } = history;
    faults.len() + quirks.len() + steps.len() + associations.len()
}

/// The history without one of its parts.
fn without(history: &History, mut at: usize) -> History {
    let mut shorter = history.clone();
    if at < shorter.faults.len() {
        shorter.faults.remove(at);
        return shorter;
    }
    at -= shorter.faults.len();
    if at < shorter.quirks.len() {
        shorter.quirks.remove(at);
        return shorter;
    }
    at -= shorter.quirks.len();
    if at < shorter.steps.len() {
        let is_create = |action: &Action| matches!(action, Action::Create(_));
        let removed = shorter.steps.remove(at);
        if is_create(&removed.action) {
            let earlier = shorter.steps[..at].iter();
            let creates = earlier.filter(|step| is_create(&step.action)).count();
            forget(&mut shorter, history.associations.len() + creates);
        }
        return shorter;
    }
    at -= shorter.steps.len();
    shorter.associations.remove(at);
    forget(&mut shorter, at);
    shorter
}

/// Drops the steps of an association that does not exist any more, and numbers the others anew.
fn forget(history: &mut History, gone: usize) {
    history.steps.retain_mut(|step| match &mut step.action {
        Action::SetRole(number, _)
        | Action::SetTargetRole(number, _)
        | Action::Delete(number)
        | Action::Recreate(number, _)
        | Action::Adopt(number)
        | Action::MoveByAddon(number, _) => {
            let stays = *number != gone;
            *number -= usize::from(*number > gone);
            stays
        }
        _ => true,
    });
}
