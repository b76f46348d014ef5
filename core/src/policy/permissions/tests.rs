//! Tables of pairs of roles, and a comparison with every request of a small world.

use super::{Difference, LastAccessed, NamedDocument, Permissions, difference};

mod hostile;
mod language;
mod oracle;
mod table;
mod usage;

use language::permissions;

/// Compares two roles whose use is unknown.
fn compare(old: &str, new: &str) -> Difference {
    let difference_of = |old, new| difference(old, new, &LastAccessed::default());
    difference_of(&permissions("old", old), &permissions("new", new))
}
