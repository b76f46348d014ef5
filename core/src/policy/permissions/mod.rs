//! What an old role may do and a new one may not: [`difference`].
//!
//! An entry is certain, or says that it cannot be told. The roles' policies are compared as sets:
//! patterns are not matched against lists of existing actions, which are not known here, and
//! conditions are compared by their text. So nothing here calls AWS, and no request is evaluated.

mod change;
mod compare;
mod conditions;
mod dependence;
mod difference;
mod glob;
mod grants;
mod input;
mod points;
mod rules;
mod search;
mod sets;
#[cfg(test)]
mod tests;
mod usage;

pub use change::{Change, Decider, Doubt, Narrowing, Whose};
pub use difference::{ANY_SERVICE, Difference, Entry, difference};
pub use input::{BothRoles, NamedDocument, Permissions};
pub use usage::{LastAccessed, Use};
