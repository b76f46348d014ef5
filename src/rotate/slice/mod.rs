//! One slice of a rotation: what one invocation does of it, from acquiring the lease to closing the
//! rotation or releasing the lease.
//!
//! ```text
//! plan ──▶ execute ──▶ sweep ──▶ close
//!             ▲          │
//!             └──────────┘ while the index shows associations that have no row
//! ```
//!
//! `run` leads from one step to the next, `scan` is plan and sweep, and `execute` starts pending
//! rows. `associate` moves one association, with `attempts`, `update` and `settle`, and explains
//! the race between them. What a slice decides is in `rerole_core::rotation`.

mod associate;
mod attempts;
mod context;
mod deadline;
mod error;
mod execute;
mod lease;
mod run;
mod scan;
mod settle;
mod update;

pub use context::Slice;
pub use deadline::DEADLINE_RESERVE;
pub use error::{Incomplete, SliceError};
pub use lease::LEASE;
