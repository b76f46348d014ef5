//! Whose turn it is: which of the rotations that wait for a role starts next.
//!
//! A rotation waits in the queues of both of its roles. All queues are in the same order, that in
//! which the rotations were queued, so two rotations never wait for each other. A paused rotation
//! keeps its place and is passed over.

use crate::keys::RotationKey;
use crate::rotation::{RoleRecord, Status};

/// A rotation in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEntry {
    pub key: RotationKey,
    pub status: Status,
}

/// Returns the rotation that is first in a queue, if those that are paused are passed over.
#[must_use]
pub fn first_in(queue: &[QueueEntry]) -> Option<&RotationKey> {
    let mut queue = queue.iter();
    let first = queue.find(|waiting| waiting.status == Status::Queued);
    first.map(|waiting| &waiting.key)
}

/// Returns whether it is the turn of a rotation. `roles` are both of its roles with their queues.
#[must_use]
pub fn is_turn_of(key: &RotationKey, roles: [(&RoleRecord, &[QueueEntry]); 2]) -> bool {
    roles
        .into_iter()
        .all(|(role, queue)| role.held_by.is_none() && first_in(queue) == Some(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_starts_when_it_is_first_for_both_roles_and_neither_is_held() {
        let key = |text: &str| -> RotationKey { text.parse().unwrap() };
        let queue = |text: &str| -> Vec<QueueEntry> {
            let entry = |entry: &str| {
                let (id, status) = entry.split_once(':').unwrap_or((entry, "queued"));
                QueueEntry {
                    key: key(id),
                    status: match status {
                        "queued" => Status::Queued,
                        "paused" => Status::Paused,
                        _ => Status::Cancelled,
                    },
                }
            };
            text.split_whitespace().map(entry).collect()
        };
        let free = RoleRecord::default();
        let held = RoleRecord {
            held_by: Some(key("r-0")),
            ..RoleRecord::default()
        };
        for (old, old_queue, new, new_queue, expected) in [
            (&free, "r-1", &free, "r-1", true),
            (&free, "r-1 r-2", &free, "r-1", true),
            (&held, "r-1", &free, "r-1", false),
            (&free, "r-1", &held, "r-1", false),
            (&free, "r-2 r-1", &free, "r-1", false),
            (&free, "r-1", &free, "r-2 r-1", false),
            (&free, "r-2:paused r-1", &free, "r-3:paused r-1", true),
            (&free, "r-2:ended r-1", &free, "r-1", true),
            (&free, "r-1:paused", &free, "r-1:paused", false),
            (&free, "", &free, "r-1", false),
        ] {
            let (old_queue, new_queue) = (queue(old_queue), queue(new_queue));
            let roles = [(old, old_queue.as_slice()), (new, new_queue.as_slice())];
            assert_eq!(is_turn_of(&key("r-1"), roles), expected, "{roles:?}");
        }
    }
}
