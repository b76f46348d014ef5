//! What a delivery may do with a rotation: start it, take it over, or neither. The ledger stores
//! the decision on condition that the rotation still has the lease that was read.

use crate::request::Requested;
use crate::rotation::{FailingSince, LEASE, RotationRecord};
use crate::timestamp::Timestamp;

/// What a delivery may do with a rotation.
#[derive(Debug, Clone, PartialEq)]
pub enum Opening {
    /// The ledger has no such rotation. Start it, under its first fence.
    Start(Box<RotationRecord>),
    /// The rotation is open, and no invocation works on it. Resume it, under the next fence, if its
    /// lease is still this one, which has expired, or if there is still none.
    Resume {
        record: Box<RotationRecord>,
        seen_lease: Option<Timestamp>,
    },
    /// Another invocation holds the lease.
    AlreadyRunning,
    /// The rotation is finished.
    Finished(Box<RotationRecord>),
    /// A rotation with this ID has another request.
    OtherRequest(Box<RotationRecord>),
}

/// Decides what a delivery of a request may do at `now`. `found` is the rotation under the
/// request's key.
#[must_use]
pub fn open(found: Option<RotationRecord>, requested: &Requested, now: Timestamp) -> Opening {
    let Some(found) = found else {
        return Opening::Start(Box::new(RotationRecord::start(requested, now)));
    };
    if !requested.request.has_identity_of(&found.request) {
        Opening::OtherRequest(Box::new(found))
    } else if found.status.is_final() {
        Opening::Finished(Box::new(found))
    } else if found.is_leased_at(now) {
        Opening::AlreadyRunning
    } else {
        // While no slice tried, no cluster failed.
        let failing_since = if found.is_stalled(now) {
            FailingSince::new()
        } else {
            found.failing_since.clone()
        };
        Opening::Resume {
            seen_lease: found.lease_until,
            record: Box::new(RotationRecord {
                fence: found.fence + 1,
                lease_until: Some(now + LEASE),
                failing_since,
                ..found
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::request::testing::requested;
    use crate::rotation::Status;

    fn lease(record: &RotationRecord) -> String {
        let until = record.lease_until.unwrap();
        format!("as {} until {}", record.fence, until.as_millis())
    }

    fn shown(opening: Opening) -> String {
        match opening {
            Opening::Start(record) => format!("start {}", lease(&record)),
            Opening::Resume { record, seen_lease } => {
                let seen = seen_lease.map_or("none".to_owned(), |at| at.as_millis().to_string());
                format!("resume {} after {seen}", lease(&record))
            }
            Opening::AlreadyRunning => "running".to_owned(),
            Opening::Finished(record) => format!("{:?}", record.status),
            Opening::OtherRequest(_) => "other request".to_owned(),
        }
    }

    #[test]
    fn request_status_and_lease_decide_in_this_order() {
        let at = Timestamp::from_millis;
        let found = |status, lease_until: Option<i64>| RotationRecord {
            status,
            fence: 3,
            lease_until: lease_until.map(at),
            ..RotationRecord::start(&requested(&json!({})), at(0))
        };
        let same = requested(&json!({ "maxErrors": "0", "reason": "once more" }));
        let other = requested(&json!({ "namespaces": ["pay"] }));
        for (found, request, expected) in [
            (None, &same, "start as 1 until 46000"),
            (
                Some(found(Status::Planning, None)),
                &same,
                "resume as 4 until 46000 after none",
            ),
            (
                Some(found(Status::InProgress, None)),
                &same,
                "resume as 4 until 46000 after none",
            ),
            // The lease has just ended.
            (
                Some(found(Status::InProgress, Some(1_000))),
                &same,
                "resume as 4 until 46000 after 1000",
            ),
            (
                Some(found(Status::InProgress, Some(1_001))),
                &same,
                "running",
            ),
            (Some(found(Status::Succeeded, None)), &same, "Succeeded"),
            (Some(found(Status::Failed, Some(2_000))), &same, "Failed"),
            (
                Some(found(Status::Succeeded, None)),
                &other,
                "other request",
            ),
            (
                Some(found(Status::InProgress, Some(2_000))),
                &other,
                "other request",
            ),
        ] {
            assert_eq!(shown(open(found, request, at(1_000))), expected);
        }
    }

    /// For example, an operator redrives it hours later.
    #[test]
    fn a_rotation_that_has_stalled_starts_to_count_failures_again() {
        let at = |secs| Timestamp::from_millis(0) + Duration::from_secs(secs);
        let requested = requested(&json!({}));
        let failing_since = FailingSince::from([("prod-1".to_owned(), at(100))]);
        for (now, is_kept) in [(300, true), (799, true), (800, false), (9_000, false)] {
            let found = RotationRecord {
                status: Status::InProgress,
                lease_until: None,
                idle_since: Some(at(200)),
                failing_since: failing_since.clone(),
                ..RotationRecord::start(&requested, at(0))
            };
            let Opening::Resume { record, .. } = open(Some(found), &requested, at(now)) else {
                panic!("the rotation is open");
            };
            assert_eq!(!record.failing_since.is_empty(), is_kept, "after {now} s");
        }
    }
}
