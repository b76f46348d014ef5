//! Tables of pairs of roles, and a comparison with every request of a small world.

use super::{BothRoles, Difference, LastAccessed, NamedDocument, Permissions, difference};

mod hostile;
mod language;
mod oracle;
mod table;
mod usage;

use language::permissions;

/// Compares two roles whose use is unknown.
fn compare(old: &str, new: &str) -> Difference {
    let roles = BothRoles {
        old: &permissions("old", old),
        new: &permissions("new", new),
    };
    difference(roles, &LastAccessed::default())
}
