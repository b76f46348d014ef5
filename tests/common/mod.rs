//! What the test binaries `it` and `histories` share: the template and what follows from it, and
//! the environment of the functions under test.

#![allow(
    dead_code,
    reason = "each of the two binaries uses a part of what is here"
)]

/// Names, roles, access keys and environment variables of the functions under test.
pub mod environment;
/// The events that are delivered to the rotate function.
pub mod events;
/// What the template grants the functions.
pub mod grants;
/// The guarantees of the design.
pub mod guarantees;
/// How long an invocation may take once its faults have ended.
pub mod liveness;
/// An interpreter for the state machine of the template.
pub mod state_machine;
/// The mapping from the ledger's stream to the publisher.
pub mod stream;
/// The templates as JSON.
pub mod template;
