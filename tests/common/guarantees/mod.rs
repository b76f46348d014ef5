//! The guarantees of the design, as far as a log of calls, both tables and the state of EKS can
//! prove them, for any run and any fault in it. Guarantees have the numbers of the README. A check
//! panics with the guarantee that is broken and the evidence.
//!
//! Guarantees 4 (repeats write nothing) and 8 (crashes) need a scenario each.

pub mod events;
mod evidence;
pub mod index;
mod ledger;
pub mod periods;
pub mod roles;
pub mod timeline;
mod writes;

pub use evidence::{Evidence, Rotation, text, time};

use rerole_sim::SimulatedAws;

/// Checks what holds at any time. Returns the evidence.
pub fn check(aws: &SimulatedAws) -> Evidence {
    let evidence = Evidence::of(aws);
    check_evidence(&evidence);
    evidence
}

/// Checks what holds once nothing is under way, if nothing needs an operator, and the indexer was
/// told of every change. Which roles count as in use may only be complete after a full run, so
/// readers also ask the index. Returns the evidence.
pub fn check_followed(aws: &SimulatedAws) -> Evidence {
    let evidence = Evidence::of(aws);
    index::agrees_with_eks(&evidence);
    ledger::nothing_is_open(&evidence);
    roles::nothing_is_left_silently_by_events(&evidence);
    evidence
}

/// Checks what holds once everything is over: no rotation is open, no event is under way, and the
/// index has been compared with EKS. Returns the evidence.
pub fn check_at_rest(aws: &SimulatedAws) -> Evidence {
    let evidence = Evidence::of(aws);
    check_evidence(&evidence);
    index::agrees_with_eks(&evidence);
    ledger::nothing_is_open(&evidence);
    roles::roles_with_associations_are_in_use(&evidence);
    roles::nothing_is_left_silently(&evidence);
    roles::unused_roles_are_free(&evidence);
    evidence
}

fn check_evidence(evidence: &Evidence) {
    writes::check(evidence);
    ledger::check(evidence);
    roles::check(evidence);
    timeline::check(evidence);
}
