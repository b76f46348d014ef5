//! A simulated AWS for tests and demonstrations. Only the wire is simulated; clients are real AWS
//! clients.
//!
//! - In full: EKS Pod Identity associations and their clusters, DynamoDB with the stream of the
//!   ledger, and the messages of SQS queues.
//! - As far as callers of `StartExecution`, `PutEvents` and `Invoke` see it: Step Functions,
//!   EventBridge and Lambda. Nothing runs by itself: a test listens to
//!   [`SimulatedAws::on_execution_started`] and [`SimulatedAws::on_bus_event`], and receives
//!   [`SimulatedAws::invocations`].
//! - As far as readers see it: stacks of CloudFormation, alarms of CloudWatch, subscriptions of
//!   SNS, rules, executions and functions, and the caller's identity; roles and policies of IAM;
//!   trails of CloudTrail, and its events about the credentials of pods and other callers.
//! - As a test decides: the answers of IAM Access Analyzer.
//!
//! An operation that is not simulated fails with an error that says so. Most resources belong to an
//! account and a region, and callers see those of their own: a test creates them in
//! [`Options::region`], or through a handle of [`SimulatedAws::in_region`]. Event buses and state
//! machines are visible everywhere.
//!
//! One [`SimulatedAws`] has two transports to the same services:
//!
//! - [`SimulatedAws::http_client`] is an HTTP client for SDK configs. It works in process and in
//!   tokio's time: under `tokio::time::pause` a test takes no real time, and one seed gives one
//!   trace.
//! - [`SimulatedAws::serve`] listens on 127.0.0.1, for any client that talks to AWS over HTTP.
//!
//! [`deployment`] deploys a template, and runs what then happens by itself: rules, retries, queues,
//! executions, schedules and alarms.
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
//! Deliberately not here: verification of signatures, evaluation of IAM policies, TLS, and the
//! product that is tested with this crate. The crate depends on none of the product's crates.

mod access_analyzer;
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
mod event_history;
pub mod event_pattern;
mod fault;
pub mod fleet;
mod hash;
mod iam;
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
mod throttle;
mod trails;
mod transport;
mod wire;

pub use access_analyzer::{AccessCheck, AccessCheckReason};
pub use call::{Call, CallRecord, Service};
pub use clock::rfc3339_millis;
pub use cloudformation::{Stack, StackOutput, StackResource};
pub use cloudwatch::{Alarm, AlarmState};
pub use eks::{Association, Cluster, EksState, RoleState};
pub use event_bridge::{BusEvent, Rule, RuleTarget, RuleTrigger};
pub use event_history::{CredentialCaller, CredentialEvent, PodFleet};
pub use fault::Fault;
pub use iam::{LastUse, Policy, Role, ServiceUse};
pub use lambda::{EventSourceMapping, Function, FunctionError, FunctionInvocation, InvocationKind};
pub use options::{
    AddonUpdates, Buckets, CloudTrailTimes, EventDelivery, Options, SameRoleUpdates, Throttle,
};
pub use simulated_aws::SimulatedAws;
pub use sns::Subscription;
pub use sqs::{DeadLetter, Message, Queue};
pub use step_functions::{Execution, ExecutionStatus};
pub use tables::index_item;
pub use trails::Trail;
pub use transport::LoopbackServer;
