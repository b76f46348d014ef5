//! Tests of the whole: real events into the real handlers, through the real SDK clients, against
//! the simulated AWS in virtual time. They are one binary, so the SDK is linked once.

/// What this binary shares with `histories`.
#[path = "../common/mod.rs"]
mod common;
/// The guarantees of the design, checked after any run.
mod guarantees;
/// The simulated AWS and the handlers of one test.
mod harness;
/// The policies of the templates, evaluated.
mod stack;

/// Who may put events and send messages, by the template's policies.
mod access;
/// The alarms of the template.
mod alarms;
/// What an attacker may try.
mod attacks;
/// Events about changes in EKS, which the indexer follows.
mod cloudtrail;
/// Commands about rotations and the stack.
mod commands;
/// Comparisons of the index with EKS.
mod comparison;
/// Changes of other actors while a rotation runs.
mod concurrent_changes;
/// The conditions under which the product writes to its tables, branch by branch.
mod conditions;
/// Crashes at every single call, which the next delivery resumes.
mod crash;
/// The dashboard and the saved queries of the template.
mod dashboard;
/// Where the clients send their calls.
mod endpoints;
/// Throttles, lost responses and services that are out of reach.
mod failures;
/// Writes of an owner that lost its lease.
mod fence;
/// Index runs that take several slices, yield, or wait.
mod index_runs;
/// Reads of EKS that lag behind its writes.
mod lagging_reads;
/// Leases of rotations, and owners that lose them.
mod lease;
/// The lines of the functions' logs.
mod logs;
/// Rotations and index runs that do not fit into one invocation.
mod long_rotations;
/// The metrics of rotations.
mod metrics;
/// Answers of EKS about the new role.
mod new_role;
/// The outcomes of one association.
mod outcomes;
/// The rate of calls at a throttled EKS.
mod pace;
mod pace_of_rotations;
/// Events that are rejected or ignored.
mod payload;
/// The permissions of the roles.
mod permissions;
/// What the ledger shows of an open rotation.
mod progress;
/// What is published, from the ledger's stream.
mod publisher;
/// Rotations that wait for a role.
mod queue;
/// Index runs that crash or race with a rotation.
mod races;
/// What an index run makes of the index.
mod reconcile;
/// Index runs in which calls fail.
mod reconcile_errors;
/// Repeated deliveries, reused ids, and roles that two rotations share.
mod redelivery;
/// Rotations that take more than one delivery.
mod resume;
/// Reversions while a rotation is in progress, and crashes.
mod reversion_races;
/// Associations that are moved back to a replaced role.
mod reversions;
/// What the ledger says of roles.
mod roles;
/// Open rotations that no invocation works on.
mod stalled;
/// Rotations that stop early.
mod stop;
/// The template's parameters for strict environments.
mod strict;
/// Roles that associations use as their target role.
mod target_roles;
/// The template against the code that it deploys.
mod template;
/// What invokes the functions.
mod triggers;
/// The maximum age of an observation when its update is sent.
mod window;
