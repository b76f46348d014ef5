//! What must hold after each history. Guarantees have the numbers of the README. A check panics
//! with the guarantee that is broken and the evidence.

mod evidence;
mod ledger;
mod roles;
mod situations;
mod writes;

pub use evidence::{Evidence, time};
pub use situations::note;

use rerole_sim::SimulatedAws;

/// Judges a history that is over: no rotation is open, no event is under way, and the index has
/// been compared with EKS.
pub fn judge(aws: &SimulatedAws) -> Evidence {
    let evidence = Evidence::of(aws);
    writes::check(&evidence, aws);
    ledger::check(&evidence);
    roles::check(&evidence);
    evidence
}
