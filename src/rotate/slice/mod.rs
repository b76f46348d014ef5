//! One slice of a rotation: what one invocation does of it, from acquiring the lease to closing the
//! rotation or releasing the lease.
//!
//! ```text
//! plan ──▶ execute ──▶ sweep ──▶ close
//!             ▲          │
//!             └──────────┘ while the index shows associations that have no row
//! ```
//!
//! `run` leads from one step to the next, `scan` is plan and sweep, `execute` starts pending rows,
//! and `tally` counts them. `mover` moves one association, and explains the race with others;
//! `settle` records how it ended. `context` is what they share. What a slice decides is in
//! `rerole_core::rotation`.

mod context;
mod deadline;
mod error;
mod execute;
mod lease;
mod mover;
mod run;
mod scan;
mod settle;
mod tally;

pub use context::{SliceSettings, TimeSpan};
pub use deadline::DEADLINE_RESERVE;
pub use error::{Incomplete, SliceError};
pub use run::Slice;
