//! Whether a rotation may start, or another attempt of one: it holds both of its roles, or it waits
//! for them.

use std::time::Duration;

use serde_json::Value;

use crate::keys::RotationKey;
use crate::request::{Rejection, RotationRequest};
use crate::resource::RoleArn;
use crate::rotation::{RoleRecord, StackRecord, WAITING_MAX};
use crate::timestamp::Timestamp;

/// What becomes of a rotation that is to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It starts at this time, and holds both roles.
    Start(Timestamp),
    /// It waits for its turn.
    Queue,
    /// Too many rotations wait for this role.
    Full(RoleArn),
}

/// The items of the two roles of a rotation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RolePair {
    pub old: RoleRecord,
    pub new: RoleRecord,
}

/// Decides what becomes of a rotation that is to start at `now`. `roles` are the items of its
/// roles, or `None` for a dry run, which holds no roles.
#[must_use]
pub fn admit(
    request: &RotationRequest,
    roles: Option<&RolePair>,
    stack: &StackRecord,
    now: Timestamp,
) -> Admission {
    let Some(roles) = roles else {
        return Admission::Start(now);
    };
    // A rollback waits before all others.
    let is_first = match request.rollback {
        None => roles.are_free(),
        Some(_) => roles.old.held_by.is_none() && roles.new.held_by.is_none(),
    };
    if is_first && !stack.is_frozen() {
        return Admission::Start(roles.next_start(now));
    }
    let queues = [
        (&roles.old, &request.old_role_arn),
        (&roles.new, &request.new_role_arn),
    ];
    let full = queues
        .into_iter()
        .find(|(role, _)| role.waiting.len() >= WAITING_MAX);
    match full {
        None => Admission::Queue,
        Some((_, role)) => Admission::Full(role.clone()),
    }
}

/// Returns why a request is rejected: too many rotations wait for `role`, which is one of its two.
#[must_use]
pub fn queue_full(request: &RotationRequest, role: &RoleArn) -> Rejection {
    let field = if *role == request.old_role_arn {
        "detail.oldRoleArn"
    } else {
        "detail.newRoleArn"
    };
    let allowed =
        format!("a role for which fewer than {WAITING_MAX} rotations wait; cancel some of them");
    Rejection::new(field, &Value::from(role.as_str()), allowed)
}

impl RolePair {
    /// Returns whether a rotation that does not wait may start now.
    #[must_use]
    pub fn are_free(&self) -> bool {
        self.old.is_free() && self.new.is_free()
    }

    /// Returns the items of the same roles for the rotation in the other direction.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            old: self.new,
            new: self.old,
        }
    }

    /// Returns the items as they are when this rotation no longer waits. They keep their versions,
    /// because this is not written.
    #[must_use]
    pub fn without(mut self, key: &RotationKey) -> Self {
        for role in [&mut self.old, &mut self.new] {
            role.waiting.retain(|waiting| waiting != key);
        }
        self
    }

    /// Returns when a rotation starts that starts now. The rotations of a role start one after the
    /// other, and their times tell which of them was the last. The clocks of two invocations may
    /// differ.
    #[must_use]
    pub fn next_start(&self, now: Timestamp) -> Timestamp {
        let last = self.old.opened_at.max(self.new.opened_at);
        last.map_or(now, |last| now.max(last + Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::request::Rollback;
    use crate::request::testing::requested;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn shown(admission: Admission) -> String {
        match admission {
            Admission::Start(at) => format!("start at {}", at.as_millis()),
            Admission::Queue => "queue".to_owned(),
            Admission::Full(role) => format!("full: {role}"),
        }
    }

    #[test]
    fn a_rotation_starts_if_nothing_holds_its_roles_or_waits_for_them() {
        let key = |text: &str| -> RotationKey { text.parse().unwrap() };
        let free = RoleRecord::default();
        let opened = |millis| RoleRecord {
            opened_at: Some(at(millis)),
            ..RoleRecord::default()
        };
        let held = RoleRecord {
            held_by: Some(key("r-0")),
            ..RoleRecord::default()
        };
        let waited_for = |count: usize| RoleRecord {
            waiting: (0..count).map(|at| key(&format!("r-{at}"))).collect(),
            ..RoleRecord::default()
        };
        let thawed = StackRecord::default();
        let frozen = StackRecord {
            frozen_at: Some(at(0)),
            ..StackRecord::default()
        };
        let full_of = |name| format!("full: {}", crate::request::testing::role(name));
        let request = requested(&json!({})).request;
        for (old, new, stack, expected) in [
            (&free, &free, &thawed, "start at 1000"),
            (&opened(900), &opened(999), &thawed, "start at 1000"),
            // The clock of the invocation that opened the last rotation was ahead.
            (&opened(1_000), &free, &thawed, "start at 1001"),
            (&free, &opened(5_000), &thawed, "start at 5001"),
            (&held, &free, &thawed, "queue"),
            (&free, &held, &thawed, "queue"),
            (&waited_for(1), &free, &thawed, "queue"),
            (&free, &waited_for(49), &thawed, "queue"),
            (&free, &free, &frozen, "queue"),
            (&waited_for(50), &free, &thawed, &full_of("old")),
            (&free, &waited_for(50), &frozen, &full_of("new")),
        ] {
            let roles = RolePair {
                old: old.clone(),
                new: new.clone(),
            };
            let admission = admit(&request, Some(&roles), stack, at(1_000));
            assert_eq!(shown(admission), expected, "{roles:?}");
        }
        let rollback = request.taken_back(Rollback::default());
        for (old, new, stack, expected) in [
            (&free, &free, &thawed, "start at 1000"),
            // It is before those that wait.
            (&waited_for(1), &waited_for(50), &thawed, "start at 1000"),
            (&held, &free, &thawed, "queue"),
            (&free, &held, &thawed, "queue"),
            (&free, &free, &frozen, "queue"),
            (&held, &waited_for(50), &thawed, &full_of("old")),
        ] {
            let roles = RolePair {
                old: old.clone(),
                new: new.clone(),
            };
            let admission = admit(&rollback, Some(&roles), stack, at(1_000));
            assert_eq!(shown(admission), expected, "{roles:?}");
        }
        let dry_run = requested(&json!({ "dryRun": true })).request;
        let admission = admit(&dry_run, None, &frozen, at(1_000));
        assert_eq!(shown(admission), "start at 1000");
    }

    #[test]
    fn a_request_with_a_full_queue_names_the_field_of_the_role() {
        let request = requested(&json!({})).request;
        for (role, field) in [
            (&request.old_role_arn, "detail.oldRoleArn"),
            (&request.new_role_arn, "detail.newRoleArn"),
        ] {
            let rejection = queue_full(&request, role).to_string();
            assert!(rejection.contains(field), "{rejection}");
            assert!(rejection.contains("fewer than 50 rotations"), "{rejection}");
        }
    }
}
