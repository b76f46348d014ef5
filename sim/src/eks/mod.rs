//! EKS: Pod Identity associations and their clusters, as a pure function of state, time and
//! request.
//!
//! Latency, injected faults and the call log are not here, since they are the same for every
//! service; nor are signatures.

mod associations;
mod clusters;
mod error;
mod handler;
mod history;
mod members;
mod past;
mod query;
mod request;
mod resources;
mod roles;
mod route;
mod state;
mod store;
mod times;
mod tokens;

pub(crate) use error::{injected, throttled};
pub(crate) use handler::respond;
pub(crate) use request::EksRequest;
pub use resources::{Association, Cluster, RoleState};
pub(crate) use roles::account_of_role;
pub use state::EksState;
