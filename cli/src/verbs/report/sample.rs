//! Reports for tests: a plausible one of any size, and one whose names attack its reader.

use std::time::Duration;

use rerole_core::command::{CommandName, Verdict as CommandVerdict};
use rerole_core::hex;
use rerole_core::rotation::{Counts, Status};
use rerole_core::timestamp::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::coverage::{Coverage, RegionCoverage};
use crate::rotation::causes::causes;
use crate::rotation::history::{ChangeView, CommandView, EntryView, History};
use crate::rotation::report_rows::{EarlierView, ReportRow, Workload, workloads};
use crate::rotation::{InUseView, RollbackView, RotationView};
use crate::stack::Origin;
use crate::testing::{ACCOUNT, now};
use crate::verbs::report::data::{EventView, Report};
use crate::verbs::who::verdict::Verdict;
use crate::verbs::who::view::Who;

/// How long the rotation takes, with any number of associations.
const MINUTES: u64 = 12;

const REGIONS: [&str; 3] = ["eu-west-1", "us-east-1", "ap-southeast-2"];
const CLUSTERS: usize = 12;
const NAMESPACES: [&str; 4] = ["payments", "checkout", "search", "platform-tools"];
const NAMES: [&str; 5] = ["gateway", "importer", "scheduler", "cleaner", "ledger"];

/// Texts that a document must show and not obey.
pub const HOSTILE: [&str; 8] = [
    "</script><script>alert(1)</script>",
    "\" onmouseover=\"alert(1)",
    "]]><!--<img src=x onerror=alert(1)>",
    "=HYPERLINK(\"https://example.com\")",
    "a|b`c`*d*[e](https://example.com)",
    "\u{202e}drawkcab",
    "line\nbreak\r\ttab\u{1b}[2J",
    "+cmd' & <b>'",
];

fn role(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/platform/{name}")
}

fn started_at() -> Timestamp {
    now() - Duration::from_hours(3)
}

/// A rotation with so many associations, which was paused once and retried once.
pub fn sample(associations: usize) -> Report {
    let rows = (0..associations).map(|number| {
        let settled_at = settled_at([number, associations]);
        row(number, settled_at)
    });
    let rows: Vec<_> = rows.collect();
    let finished_at = started_at() + Duration::from_mins(MINUTES);
    Report {
        version: 1,
        as_of: now(),
        is_finished: true,
        cli_version: "0.1.0".to_owned(),
        stack: Origin {
            account: ACCOUNT.to_owned(),
            region: "eu-west-1".to_owned(),
            stack: "rerole".to_owned(),
            version: Some("0.1.0".to_owned()),
        },
        old_role: old_role(&rows),
        rotation: rotation(&rows, finished_at),
        event: EventView {
            id: Some("0f8e6c4a-7d35-4b1e-9a62-3c5d7e9f1b20".to_owned()),
            source: "platform.iam".to_owned(),
            account: Some(ACCOUNT.to_owned()),
            region: Some("eu-west-1".to_owned()),
            time: Some(started_at()),
            request_id: Some("6f1d2c3b-1a2b-4c3d-8e4f-5a6b7c8d9e0f".to_owned()),
        },
        history: history(finished_at),
        causes: causes(&rows),
        preflight: None,
        drain: None,
        rollback: None,
        restarts: Vec::new(),
        rows,
    }
}

/// The rotation after it was taken back.
pub fn rolled_back(associations: usize) -> Report {
    let mut report = sample(associations);
    let mut rollback = report.rotation.clone();
    rollback.id = format!("rollback/{}", report.rotation.id);
    rollback.status = Status::RolledBack;
    rollback.reason = None;
    let counts = &mut rollback.counts;
    *counts = Counts {
        total: counts.updated,
        updated: counts.updated,
        ..Counts::default()
    };
    report.rotation.rollback = Some(RollbackView {
        id: rollback.id.clone(),
        status: rollback.status,
    });
    report.restarts = workloads(report.rows.iter().filter(|row| row.has_moved()));
    report.rollback = Some(rollback);
    report
}

/// A rotation in whose texts an attacker has written.
pub fn hostile() -> Report {
    let mut report = rolled_back(2 * HOSTILE.len());
    for (row, text) in report.rows.iter_mut().zip(HOSTILE.iter().cycle()) {
        row.workload.cluster = (*text).to_owned();
        row.workload.namespace = (*text).to_owned();
        row.workload.service_account = (*text).to_owned();
        row.role_before = Some((*text).to_owned());
        row.client_request_token = Some((*text).to_owned());
    }
    for (row, text) in report.rows.iter_mut().rev().zip(HOSTILE) {
        row.outcome = "Failed".to_owned();
        row.error_code = Some(text.to_owned());
        row.error_message = Some(text.to_owned());
    }
    report.causes = causes(&report.rows);
    report.restarts = report.rows.iter().map(|row| row.workload.clone()).collect();
    let all = HOSTILE.join(" ");
    report.rotation.reason = Some(all.clone());
    report.rotation.requested_by = Some(all.clone());
    report.rotation.request_reason = Some(all.clone());
    report.rotation.scope = json!({ "namespaces": HOSTILE });
    report.event.source = all.clone();
    report.old_role.grounds = vec![all.clone()];
    report.history.timeline[0].reason = Some(all.clone());
    report.history.commands[0].requested_by = Some(all.clone());
    report.history.commands[0].explanation = Some(all);
    report
}

/// Clusters start after each other, and all pause for two minutes.
fn settled_at([number, of]: [usize; 2]) -> Timestamp {
    let share = |minutes: u64| Duration::from_mins(minutes) * u32::try_from(number).unwrap();
    let of = u32::try_from(of).unwrap();
    let moving = share(MINUTES - 4) / of;
    let pause = if moving > Duration::from_mins(2) {
        120
    } else {
        0
    };
    started_at() + moving + Duration::from_secs(2 + pause + 7 * (number as u64 % 11))
}

fn row(number: usize, settled_at: Timestamp) -> ReportRow {
    let cluster = number * 7 % CLUSTERS;
    let region = REGIONS[cluster % REGIONS.len()];
    let outcome = match number {
        _ if number % 97 == 13 => "Failed",
        _ if number % 53 == 7 => "OwnedByAddon",
        _ if number % 71 == 1 => "Drifted",
        _ => "Updated",
    };
    let (is_failed, is_moved) = (outcome == "Failed", outcome == "Updated");
    let message = format!(
        "User: arn:aws:sts::{ACCOUNT}:assumed-role/rotate/rotate is not authorized to perform: \
         iam:PassRole on resource: {}",
        role("app-2026")
    );
    let id = format!("a-{number:017x}");
    let cluster = format!("prod-{}", cluster + 1);
    ReportRow {
        outcome: outcome.to_owned(),
        association_arn: format!(
            "arn:aws:eks:{region}:{ACCOUNT}:podidentityassociation/{cluster}/{id}"
        ),
        workload: Workload {
            region: region.to_owned(),
            cluster,
            namespace: NAMESPACES[number / CLUSTERS % NAMESPACES.len()].to_owned(),
            service_account: format!("{}-{number}", NAMES[number % NAMES.len()]),
        },
        role_before: Some(role("app-2025")),
        role_after: Some(role(match outcome {
            "Updated" => "app-2026",
            "Drifted" => "app-experiment",
            _ => "app-2025",
        })),
        version_before: Some(started_at() - Duration::from_hours(400)),
        version_after: Some(settled_at),
        settled_at: Some(settled_at),
        attempt: Some(1),
        error_code: is_failed.then(|| "AccessDeniedException".to_owned()),
        error_message: is_failed.then_some(message),
        request_id: Some(format!("7c9e6679-7425-40de-944b-{number:012x}")),
        client_request_token: is_moved.then(|| hex::lowercase(&Sha256::digest(&id))),
        earlier_results: match number % 41 {
            5 => vec![EarlierView {
                attempt: 1,
                outcome: "NotAttempted".to_owned(),
                settled_at: None,
                error_code: None,
                error_message: None,
                client_request_token: None,
            }],
            _ => Vec::new(),
        },
        ..ReportRow::default()
    }
}

fn old_role(rows: &[ReportRow]) -> Who {
    let stays = |row: &&ReportRow| row.role_after == row.role_before;
    let staying = rows.iter().filter(stays).count();
    Who {
        role_arn: role("app-2025"),
        verdict: Verdict::InUse,
        until: None,
        grounds: vec![format!(
            "{staying} associations use it, according to the index"
        )],
        limits: vec![
            "who uses it in another way: service accounts with IRSA, nodes and other EC2 \
             instances, Lambda functions, people"
                .to_owned(),
            "EKS clusters in other accounts and in regions that are not indexed".to_owned(),
        ],
        users: Vec::new(),
        clusters: Vec::new(),
        invalid_items: 0,
        open_rotations: Vec::new(),
        last_rotation: None,
        in_use: None,
        verified: None,
        index: Coverage {
            regions: REGIONS.map(coverage).to_vec(),
        },
    }
}

fn coverage(region: &str) -> RegionCoverage {
    RegionCoverage {
        region: region.to_owned(),
        complete_as_of: Some(now() - Duration::from_hours(5)),
        listed_as_of: Some(now() - Duration::from_mins(30)),
        is_stale: false,
        excluded_clusters: Vec::new(),
    }
}

fn rotation(rows: &[ReportRow], finished_at: Timestamp) -> RotationView {
    let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count() as u64;
    RotationView {
        id: "app-2026".to_owned(),
        status: Status::CompletedWithFailures,
        status_cause: None,
        reason: Some("some associations failed".to_owned()),
        rollback_of: None,
        dry_run: false,
        old_role_arn: role("app-2025"),
        new_role_arn: role("app-2026"),
        scope: json!({ "regions": REGIONS, "namespaces": ["!kube-system"] }),
        max_errors: "10%".to_owned(),
        max_concurrency: None,
        counts: Counts {
            total: rows.len() as u64,
            updated: count("Updated"),
            failed: count("Failed"),
            drifted: count("Drifted"),
            owned_by_addon: count("OwnedByAddon"),
            ..Counts::default()
        },
        settled_per_sec: None,
        estimated_end_at: None,
        regions: Vec::new(),
        attempt: 1,
        started_at: started_at(),
        queued_at: None,
        finished_at: Some(finished_at),
        requested_by: Some(format!("arn:aws:sts::{ACCOUNT}:assumed-role/Operator/jane")),
        request_reason: Some("CHG-2026-1123: replace the role of the app".to_owned()),
        request_event_id: Some("0f8e6c4a-7d35-4b1e-9a62-3c5d7e9f1b20".to_owned()),
        timeline_seq: 5,
        is_stalled: false,
        waits_for: None,
        old_role_in_use: Some(InUseView {
            since: started_at(),
            by: "app-2026".to_owned(),
            why: "associations stayed on the role".to_owned(),
        }),
        old_role_in_use_until: None,
        rollback: None,
    }
}

fn history(finished_at: Timestamp) -> History {
    let steps = [
        (None, Status::Planning, started_at()),
        (
            Some(Status::Planning),
            Status::InProgress,
            started_at() + Duration::from_secs(2),
        ),
        (
            Some(Status::InProgress),
            Status::Paused,
            started_at() + Duration::from_secs(122),
        ),
        (
            Some(Status::Paused),
            Status::InProgress,
            started_at() + Duration::from_secs(242),
        ),
        (
            Some(Status::InProgress),
            Status::CompletedWithFailures,
            finished_at,
        ),
    ];
    let entry = |(seq, (from, to, at)): (u64, (Option<Status>, Status, Timestamp))| {
        let is_command = from == Some(Status::Paused) || to == Status::Paused;
        EntryView {
            seq,
            at,
            change: ChangeView::StatusChanged { from, to },
            attempt: Some(1),
            requested_by: is_command.then(|| "jane".to_owned()),
            event_id: is_command.then(|| "3b241101-e2bb-4255-8caf-4136c566a962".to_owned()),
            request_id: Some("6f1d2c3b-1a2b-4c3d-8e4f-5a6b7c8d9e0f".to_owned()),
            reason: is_command.then(|| "INC-7".to_owned()),
        }
    };
    History {
        timeline: (1..).zip(steps).map(entry).collect(),
        commands: vec![CommandView {
            command: CommandName::Pause,
            verdict: CommandVerdict::Accepted,
            explanation: None,
            allowed: Vec::new(),
            seq: 3,
            at: Some(started_at() + Duration::from_secs(122)),
            requested_by: Some("jane".to_owned()),
            reason: Some("INC-7".to_owned()),
            event_id: Some("3b241101-e2bb-4255-8caf-4136c566a962".to_owned()),
        }],
    }
}
