//! The event `Role Rotation Requested`: its checks, and the [`RotationRequest`] that results from
//! them. What the rotation does is decided in `rotation`.

mod claims;
mod detail;
mod envelope;
mod event;
mod event_record;
mod glob;
mod max_concurrency;
mod max_errors;
pub(crate) mod members;
mod numeric_text;
mod rejection;
mod rotation_id;
mod rotation_request;
mod rules;
mod scope;
#[cfg(test)]
pub(crate) mod testing;

pub use claims::{CLAIM_FORM, Claim, Claims, InvalidClaim};
pub use detail::check_recorded;
pub use envelope::{Envelope, EventSummary};
pub(crate) use event::parse_envelope;
pub use event::parse_event;
pub use event_record::{EventRecord, event_id};
pub use glob::{
    ClusterGlob, Glob, InvalidGlob, LIST_LEN_MAX, NamespaceGlob, RegionGlob, ServiceAccountGlob,
};
pub use max_concurrency::{InvalidMaxConcurrency, MAX_CONCURRENCY_FORM, MaxConcurrency};
pub use max_errors::{InvalidMaxErrors, MAX_ERRORS_FORM, MaxErrors};
pub(crate) use numeric_text::NumericText;
pub use rejection::Rejection;
pub use rotation_id::{InvalidRotationId, ROTATION_ID_FORM, RotationId};
pub use rotation_request::{Requested, Rollback, RotationRequest};
pub use rules::{RequestRules, SOURCE_OF_STACK};
pub use scope::{Location, Scope};
