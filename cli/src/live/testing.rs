//! A followed rotation for tests.

use std::time::Duration;

use rerole_core::rotation::{Counts, Status};

use crate::advice::{Ended, advice};
use crate::live::Snapshot;
use crate::rotation::RegionView;
use crate::rotation::causes::Cause;
use crate::rotation::history::{ChangeView, EntryView, History};
use crate::testing::{ACCOUNT, now, view};

const SECOND: Duration = Duration::from_secs(1);

/// The progress of a region.
pub fn region(name: &str, (total, pending): (u64, u64), settled_per_sec: f64) -> RegionView {
    let left =
        |rate: f64| Duration::from_secs_f64(f64::from(u32::try_from(pending).unwrap()) / rate);
    RegionView {
        region: name.to_owned(),
        total,
        pending,
        settled_per_sec: Some(settled_per_sec),
        estimated_end_at: (settled_per_sec > 0.0).then(|| now() + left(settled_per_sec)),
    }
}

/// A change of the status, ten minutes ago and `seq` minutes later.
pub fn entry(seq: u64, from: Option<Status>, to: Status) -> EntryView {
    EntryView {
        seq,
        at: now() - SECOND * 600 + SECOND * 60 * u32::try_from(seq).unwrap(),
        change: ChangeView::StatusChanged { from, to },
        attempt: Some(1),
        requested_by: None,
        event_id: None,
        request_id: None,
        reason: None,
    }
}

/// A cause of failures.
pub fn cause(count: u64, (code, message): (&str, &str)) -> Cause {
    let advice = advice(Ended {
        outcome: "Failed",
        error_code: Some(code),
        error_message: Some(message),
    });
    Cause {
        outcome: "Failed".to_owned(),
        error_code: Some(code.to_owned()),
        error_message: Some(message.to_owned()),
        count,
        advice: advice.to_owned(),
        examples: Vec::new(),
    }
}

/// A rotation in two regions, in which some associations failed.
pub fn snapshot() -> Snapshot {
    let mut rotation = view(Status::InProgress);
    rotation.counts = Counts {
        total: 400,
        pending: 280,
        updated: 115,
        failed: 5,
        ..Counts::default()
    };
    rotation.settled_per_sec = Some(2.3);
    rotation.estimated_end_at = Some(now() + SECOND * 133);
    rotation.regions = vec![
        region("eu-west-1", (300, 280), 2.1),
        region("us-east-1", (100, 0), 0.2),
    ];
    let mut asked = entry(1, None, Status::Planning);
    asked.requested_by = Some(format!("arn:aws:sts::{ACCOUNT}:assumed-role/Operator/jane"));
    asked.reason = Some("CHG-7".to_owned());
    Snapshot {
        at: now(),
        rotation,
        history: History {
            timeline: vec![asked, entry(2, Some(Status::Planning), Status::InProgress)],
            commands: Vec::new(),
        },
        causes: vec![
            cause(
                3,
                (
                    "InvalidParameterException",
                    "Role provided in the request does not exist",
                ),
            ),
            cause(2, ("InvalidRequestException", "EKS is busy")),
        ],
        outage: None,
    }
}
