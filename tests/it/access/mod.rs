//! Who may put events on the stack's bus, send to its queues, and pass roles, by the policies of
//! the rendered template. MiniStack does not evaluate the policy of a bus, so the tests do
//! (`stack/policy.rs`).

/// The bus, and who may put events on it.
mod bus;
/// The queues, and who may send to them.
mod queues;
/// The roles of the functions, and the paths of the roles that they move.
mod roles;

/// The one operator, in the tests that tell operators and requesters apart.
const OPERATOR: &str = "arn:aws:iam::111122223333:role/operators/on-call";
/// A principal that is neither.
const STRANGER: &str = "arn:aws:iam::111122223333:role/apps/web";
