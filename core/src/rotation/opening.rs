//! What a delivery may do with a rotation: start it, take it over, or neither. The ledger stores
//! the decision on condition that the rotation still has the lease that was read.

use crate::request::Requested;
use crate::rotation::{LEASE, RotationRecord};
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
        Opening::Resume {
            seen_lease: found.lease_until,
            record: Box::new(RotationRecord {
                fence: found.fence + 1,
                lease_until: Some(now + LEASE),
                ..found
            }),
        }
    }
}

#[cfg(test)]
mod tests {
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
}
