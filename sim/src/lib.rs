//! A simulated AWS for tests and demonstrations: EKS Pod Identity associations, DynamoDB with the
//! stream of the ledger, Step Functions as far as `StartExecution`, and EventBridge as far as
//! `PutEvents`. Only the wire is simulated; clients are real AWS clients.
//!
//! One [`SimulatedAws`] has two transports to the same services:
//!
//! - [`SimulatedAws::http_client`] is an HTTP client for SDK configs. It works in process and in
//!   tokio's time: under `tokio::time::pause` a test takes no real time, and one seed gives one
//!   trace.
//! - [`SimulatedAws::serve`] listens on 127.0.0.1, for any client that talks to AWS over HTTP.
//!
//! For each EKS call that changes something, through either transport, there is the event that
//! CloudTrail would deliver.
//!
//! ```
//! use rerole_sim::{Options, SimulatedAws};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let aws = SimulatedAws::new(Options::default());
//! let role = "arn:aws:iam::111122223333:role/payments";
//! let arn = aws.eks(|eks| eks.associate("eu-west-1", "prod", "payments", "api", role));
//! assert!(arn.starts_with("arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod/a-"));
//! # });
//! ```
//!
//! Deliberately not here: verification of signatures, IAM policies, TLS, and the product that is
//! tested with this crate. The crate depends on none of the product's crates.

mod arn;
mod call;
mod call_log;
mod clock;
mod cloudformation;
mod cloudtrail;
mod cloudwatch;
pub mod deployment;
mod dynamodb;
mod eks;
mod event_bridge;
pub mod event_pattern;
mod fault;
pub mod fleet;
mod lambda;
mod listeners;
mod options;
mod pipeline;
mod protocol;
mod regional;
mod rng;
mod service_request;
mod services;
mod simulated_aws;
mod sns;
mod sqs;
pub mod state_machine;
mod step_functions;
pub mod stream_mapping;
mod sts;
mod sync;
mod tables;
pub mod template;
mod trails;
mod transport;
mod wire;

pub use call::{Call, CallRecord, Service};
pub use clock::rfc3339_millis;
pub use cloudformation::{Stack, StackOutput, StackResource};
pub use cloudwatch::{Alarm, AlarmState};
pub use eks::{Association, Cluster, EksState, RoleState};
pub use event_bridge::{BusEvent, Rule, RuleTarget, RuleTrigger};
pub use fault::Fault;
pub use lambda::{EventSourceMapping, Function, FunctionError, FunctionInvocation, InvocationKind};
pub use options::{AddonUpdates, Buckets, CloudTrailTimes, Options, SameRoleUpdates, Throttle};
pub use simulated_aws::SimulatedAws;
pub use sns::Subscription;
pub use sqs::{DeadLetter, Message, Queue};
pub use step_functions::{Execution, ExecutionStatus};
pub use tables::index_item;
pub use trails::Trail;
pub use transport::LoopbackServer;
