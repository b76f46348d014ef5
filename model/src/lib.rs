//! Small models of the protocols by which rerole's invocations share a ledger, an index and EKS. A
//! model checker visits every state of each model, with every order of steps and every fault that
//! the model's budget allows. Nothing that ships depends on this crate.
//!
//! # How a model follows the code
//!
//! - Decisions are the project's own: the models call `rerole_core` (`open`, `AssociationMove`,
//!   `lag`, `RoleHistory`, `close`, `RoleRecord` …). A state keeps small numbers, from which the
//!   records are built for each decision.
//! - What DynamoDB decides is a condition on a write. The models mirror these conditions, and name
//!   the file of each.
//! - In `lease_and_fence` and `settle_and_resume`, each call on the wire is two steps: its effect,
//!   and its answer. Either can be lost, and a request can arrive after its caller gave up. In the
//!   others, a call is one step. An answer changes nothing that others see, so to get it later
//!   is the same as to take the next step later. A caller that dies after the call stands for a
//!   lost answer. A late request of the indexer is in `locks_and_roles`; one of a slice requires
//!   its lease, which is in the first two models.
//! - Faults, free ticks and changes by other actors have a budget in the state, so each model is
//!   finite, and its graph has no cycle.
//!
//! # What is checked
//!
//! `always` properties are guarantees. `sometimes` properties are endings: without them, a model in
//! which nothing happens would satisfy every guarantee. Each terminal state is a closed rotation,
//! or one that is paused: whatever fault occurs, the deliveries that are still due, or the check
//! for stalled rotations, finish it.
//!
//! Each model can leave out one condition, its `Guard`. Tests show that a guarantee then breaks. So
//! each condition is needed, and the model is able to show it. A guard is what the product does, or
//! what it assumes of AWS; then its documentation says so. A model with all guards has no
//! counterexample.
//!
//! That a rotation makes progress at all, for any timing, is not checked here, but by the tests of
//! the whole: `tests/it` and `tests/histories`.

pub mod commands;
pub mod explore;
pub mod freezes;
pub mod lease_and_fence;
pub mod locks_and_roles;
pub mod plan_and_close;
pub mod queues;
mod requests;
pub mod rollbacks;
pub mod settle_and_resume;
pub mod wire;
