//! Tests of the whole: real events into the real handler, through the real SDK clients, against the simulated AWS in
//! virtual time. One binary, so that the SDK is linked once.

mod guarantees;
mod stack;
mod states;
mod world;

/// The crash test: the handler dies at every single call, and the next delivery carries on.
mod crash;
/// What a holder that has been succeeded cannot write.
mod fence;
/// Changes in EKS that the index follows.
mod follow;
/// Rejections, and events of another kind.
mod intake;
/// What rotations count.
mod metrics;
/// What can become of one association, on the happy path and beside it.
mod outcomes;
/// As fast as EKS lets calls in.
mod pace;
/// What the function may do in AWS.
mod permissions;
/// The reconciler and rotations in each other's way, and dying.
mod races;
/// The index held against EKS.
mod reconcile;
/// Events that come twice, at once or later; roles that two rotations share; leases.
mod redelivery;
/// Rotations that take more than one delivery.
mod resume;
/// Associations that come back to a role that was replaced.
mod returns;
/// Rotations and runs of the reconciler that are longer than an invocation.
mod slices;
/// Rotations that stop early.
mod stop;
/// Roles that are associations' target roles.
mod target_roles;
/// What is deployed.
mod template;
/// Throttles, lost answers, services in trouble.
mod trouble;
/// Rotations that nobody works on.
mod watch;
/// The time between Describe and Update.
mod window;
