//! The simulated AWS through the SDK's own clients. One binary, so the SDK is linked once.

mod harness;

/// Pod Identity associations: their lives, lists and tags.
mod associations;
/// The binary `rerole-sim` as a process.
mod binary;
/// The events that EKS calls leave.
mod cloudtrail;
/// Clusters: their lives, lists, and denied ones.
mod clusters;
/// What is added to the embedded DynamoDB: lag, unprocessed entries, conflicts, throttles.
mod dynamodb;
/// Events on buses.
mod event_bridge;
/// What each fault does to state, log and client.
mod faults;
/// Fleets from a seed.
mod fleet;
/// The same services through a socket.
mod loopback;
/// Executions of state machines: their names, and starting twice.
mod step_functions;
/// The stream of the ledger.
mod stream;
/// Throttling of EKS.
mod throttles;
/// Idempotency tokens of EKS.
mod tokens;
/// One seed, one trace.
mod trace;
/// Updates that EKS accepts or refuses.
mod updates;
