//! One rotation: its record, its rows, what to do with each association, and how it ends. Storage
//! is in `src/aws/ledger/`, and the order of the steps in `src/rotate/slice/`.

mod admission;
mod association_move;
mod checkpoint;
mod circuit_breaker;
mod closing;
mod counts;
mod decide;
mod drain;
mod ending_rules;
mod index_lag;
mod lifecycle;
mod opening;
mod outcome;
mod progress;
mod queue;
mod record;
pub mod reversion;
mod role_proof;
mod role_record;
mod rollback;
mod row;
mod settled;
mod slice_state;
mod stack_record;
mod status;
mod summary;
mod tally;
mod timeline;
mod token;
mod verification;

pub use admission::{Admission, RolePair, admit, queue_full};
pub use association_move::{AssociationMove, Decision, EarlierSlices, Moment, Sent, Step, Update};
pub use checkpoint::Checkpoint;
pub use circuit_breaker::{CircuitBreaker, FailingSince, Place};
pub use closing::{Closing, Facts, close};
pub use counts::Counts;
pub use decide::{Action, decide};
pub use drain::{LeftRole, left_roles};
pub use ending_rules::{UnconfirmedUpdates, ending_after_stop, ending_on_new_role};
pub use index_lag::{KnownRoles, Lag, lag};
pub use lifecycle::{Cause, End, Open, PauseCause, PausedFrom, State, Transition, Work};
pub use opening::{Opening, open};
pub use outcome::{Ending, Outcome, RowError, UNEXPECTED_RESPONSE};
pub use progress::{Estimate, Estimator, Progress, RegionCounts, RegionMeters, RegionProgress};
pub use queue::{QueueEntry, first_in, is_turn_of};
pub use record::{LEASE, RotationRecord, STALLED_AFTER};
pub use role_proof::{RoleProof, RoleVerdict};
pub use role_record::{
    ARRIVALS_SHOWN_AFTER, Departure, InUse, ROLE_KNOWN_FOR, RoleRecord, RoleUse, STORED_WITHIN,
    WAITING_MAX,
};
pub use rollback::decide_rollback;
pub use row::{EarlierResult, Row, WrittenMembers};
pub use settled::{Settled, SettledAttributes};
pub use slice_state::{SliceState, Stop, Unconfirmed, Waiting};
pub use stack_record::StackRecord;
pub use status::Status;
pub use summary::{RollbackSummary, Summary};
pub use tally::Tally;
pub use timeline::{Author, TimelineChange, TimelineEntry};
pub use token::Token;
pub use verification::contradictions;
