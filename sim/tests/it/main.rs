//! The simulated AWS through the SDK's own clients. One binary, so the SDK is linked once.

mod harness;

/// What Access Analyzer finds.
mod access_analyzer;
/// Pod Identity associations: their lives, lists and tags.
mod associations;
/// The binary `rerole-sim` as a process.
mod binary;
/// Stacks: their status, parameters, outputs and resources.
mod cloudformation;
/// The events that EKS calls leave.
mod cloudtrail;
/// Alarms and their states.
mod cloudwatch;
/// Clusters: their lives, lists, and denied ones.
mod clusters;
/// What happens by itself in a stack that is deployed.
mod deployment;
/// What is added to the embedded DynamoDB: lag, unprocessed entries, conflicts, throttles.
mod dynamodb;
/// Events on buses, and rules.
mod event_bridge;
/// What each fault does to state, log and client.
mod faults;
/// Fleets from a seed.
mod fleet;
/// Roles and policies, and which services a role uses.
mod iam;
/// Functions: invocations, configurations and event sources.
mod lambda;
/// Events about the credentials of pods and other callers.
mod lookup_events;
/// The same services through a socket.
mod loopback;
/// Topics and their subscriptions.
mod sns;
/// Queues: visibility timeouts, dead-letter queues, and moves back from these.
mod sqs;
/// Executions of state machines: their names, and starting twice.
mod step_functions;
/// The stream of the ledger.
mod stream;
/// Who the caller is.
mod sts;
/// Throttling of EKS.
mod throttles;
/// Idempotency tokens of EKS.
mod tokens;
/// One seed, one trace.
mod trace;
/// Trails: which events they log.
mod trails;
/// Updates that EKS accepts or refuses.
mod updates;
