//! Commands: requests to change a rotation that exists, or to freeze the whole stack. The event is
//! parsed in `event.rs`, and `decision.rs` says what follows from it. How the decision is stored is
//! in `src/aws/ledger/`.

mod decision;
mod event;
mod order;
mod verdict;

pub use decision::{
    AGE_MAX, Decision, FoundRollback, NeededFacts, NextAttempt, RollbackPlan, RollbackStart,
    decide, decide_for_stack,
};
pub use event::parse_command;
pub use order::{Command, CommandName, Limits, Order, RollbackOrder, RotationOrder, StackOrder};
pub use verdict::{CommandRecord, Verdict};
