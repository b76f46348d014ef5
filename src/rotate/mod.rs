//! The `rotate` function: an event requests a rotation, and its associations move to the new role.
//!
//! `handler` turns a payload into a response or an error, `slice` does the work of one invocation,
//! and `stalled` reports rotations that no invocation works on. What a rotation decides is in
//! `rerole_core::rotation`, and calls to AWS are in `crate::aws`.

pub mod error;
mod hand_over;
pub mod handler;
pub mod payload;
pub mod response;
pub mod slice;
pub mod stalled;
