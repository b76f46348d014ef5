//! One slice of a rotation: what one invocation does of it, from acquiring the lease to closing the
//! rotation or releasing the lease.
//!
//! ```text
//! plan ──▶ execute ──▶ sweep ──▶ close
//!             ▲          │
//!             └──────────┘ while the index shows associations that have no row
//! ```
//!
//! `run` leads from one step to the next, `scan` is plan and sweep, and `plan_rollback` is the plan
//! of a rollback. `execute` starts pending rows from one `region_queue` for each region, and
//! `tally` counts them. `mover` moves one association, and explains the race with others.
//! `retryable_errors` says what its errors mean for its cluster, and `settle` records how it ended.
//! `conclude` finds out how the rotation ends, `cancel` settles the rows of a cancelled one, and
//! `reopen` opens rows for the next attempt. `renewal` keeps the `lease` meanwhile, and `deadline`
//! says how much time the end of a slice needs. `context` is what they share. What a slice decides
//! is in `rerole_core::rotation`.

mod cancel;
mod conclude;
mod context;
mod deadline;
mod error;
mod execute;
mod lease;
mod mover;
mod plan_rollback;
mod region_queue;
mod renewal;
mod reopen;
mod retryable_errors;
mod run;
mod scan;
mod settle;
mod tally;

pub use context::{SliceSettings, TimeSpan};
pub use deadline::DEADLINE_RESERVE;
pub use error::{Incomplete, SliceError};
pub use run::Slice;
