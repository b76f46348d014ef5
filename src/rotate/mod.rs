//! The `rotate` function: an event requests a rotation, and its associations move to the new role.
//!
//! `handler` turns a payload into a response or an error. `rotation_run` opens a rotation and runs
//! its slices, `slice` does the work of one of them, and `hand_over` has the next one started by
//! `executions`. `commands` carries out commands, `queue` starts rotations that waited for a role,
//! `freeze` follows a freeze of the stack, and `stalled` starts idle rotations.
//!
//! What a rotation decides is in `rerole_core::rotation`, and calls to AWS are in `crate::aws`.

mod commands;
pub mod error;
mod executions;
mod freeze;
mod hand_over;
pub mod handler;
mod open_rotations;
pub mod payload;
mod queue;
pub mod response;
mod rotation_run;
pub mod slice;
pub mod stalled;
