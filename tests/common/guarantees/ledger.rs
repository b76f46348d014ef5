//! Rotations and their rows.

use std::collections::BTreeMap;
use std::time::Duration;

use rerole_core::timestamp::Timestamp;
use serde_json::Value;

use crate::common::environment::{LEDGER, ROTATE_ACCESS_KEY};
use crate::common::guarantees::{Evidence, Rotation, text, time};

/// The responses to an update and to a Describe may have their times rounded differently.
const ROUNDED_BY_MAX: Duration = Duration::from_secs(1);

pub fn check(evidence: &Evidence) {
    for rotation in &evidence.rotations {
        if rotation.finished_at().is_some() {
            is_settled(rotation);
            counts_add_up(rotation);
        }
        for row in &rotation.rows {
            success_is_confirmed(evidence, rotation, row);
            is_no_older_than_planned(rotation, row);
            is_truly_deleted(evidence, rotation, row);
        }
    }
    rows_settle_once(evidence);
    status_is_true(evidence);
}

/// Every rotation is finished.
pub fn nothing_is_open(evidence: &Evidence) {
    for rotation in &evidence.rotations {
        let key = &rotation.key;
        assert!(rotation.finished_at().is_some(), "{key} is open");
    }
}

/// 3. A finished rotation has no pending row and no lease.
fn is_settled(rotation: &Rotation) {
    let key = &rotation.key;
    assert!(
        rotation.item.get("leaseUntil").is_none(),
        "{key} is finished and has a lease"
    );
    for row in &rotation.rows {
        assert!(
            row["outcome"] != "Pending",
            "guarantee 3: {key} is finished with {row:#}"
        );
    }
}

/// The counts of a record are those of its rows and reversions.
fn counts_add_up(rotation: &Rotation) {
    let counts = &rotation.item["counts"];
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &rotation.rows {
        *expected.entry(text(&row["outcome"])).or_default() += 1;
    }
    let key = &rotation.key;
    assert_eq!(
        counts["total"],
        rotation.rows.len(),
        "{key}: the total is not the number of rows"
    );
    for (outcome, count) in expected {
        let name = format!("{}{}", outcome[..1].to_lowercase(), &outcome[1..]);
        assert_eq!(counts[&name], count, "{key}: {outcome} in {counts}");
    }
}

/// 1. Success recorded means EKS reported that role in each field that changed, at a version no
///    older than the one observed before.
fn success_is_confirmed(evidence: &Evidence, rotation: &Rotation, row: &Value) {
    if row["outcome"] != "Updated" {
        return;
    }
    let arn = text(&row["associationArn"]);
    let observed = time(&row["observedModifiedAt"]);
    let fields: Vec<&str> = row["fields"]
        .as_array()
        .into_iter()
        .flatten()
        .map(text)
        .collect();
    assert!(!fields.is_empty(), "an updated row names no field: {row:#}");
    let is_confirmed = evidence.calls.iter().any(|record| {
        let shown = &record.response["association"];
        record.received_at.is_some()
            && record.call.access_key.starts_with(ROTATE_ACCESS_KEY)
            && shown["associationArn"] == arn
            && fields
                .iter()
                .all(|field| shown[field] == rotation.new_role())
            && version(shown).is_some_and(|version| version >= observed)
    });
    assert!(is_confirmed, "guarantee 1: no response confirms {row:#}");
}

/// No row is settled on an observation that is older than the plan.
fn is_no_older_than_planned(rotation: &Rotation, row: &Value) {
    let Some(observed) = row.get("observedModifiedAt").map(time) else {
        return;
    };
    let planned = time(&row["plannedModifiedAt"]);
    let is_rounded = planned.since(observed) < ROUNDED_BY_MAX
        && row["observedRoleArn"] == row["previousRoleArn"];
    assert!(
        observed >= planned || is_rounded,
        "{}: settled on an observation older than planned: {row:#}",
        rotation.key
    );
}

/// EKS never gives an ID again, so what a row calls deleted does not exist in the end.
fn is_truly_deleted(evidence: &Evidence, rotation: &Rotation, row: &Value) {
    if row["outcome"] == "Deleted" {
        let exists = evidence
            .associations
            .iter()
            .any(|association| row["associationArn"] == association.association_arn);
        assert!(!exists, "{}: not deleted: {row:#}", rotation.key);
    }
}

/// A row goes from `Pending` to one outcome, once in each attempt.
fn rows_settle_once(evidence: &Evidence) {
    let mut settled: BTreeMap<(&str, String), u32> = BTreeMap::new();
    for record in evidence.calls_of("UpdateItem") {
        let (call, body) = (&record.call, &record.call.body);
        let sets_outcome = body["UpdateExpression"]
            .as_str()
            .is_some_and(|expression| expression.contains("#outcome = :outcome"));
        if body["TableName"] == LEDGER && sets_outcome && record.applied_at.is_some() {
            let attempt = body["ExpressionAttributeValues"][":attempt"].to_string();
            *settled.entry((&call.subject, attempt)).or_default() += 1;
        }
    }
    for ((row, attempt), count) in settled {
        assert_eq!(count, 1, "{row} was settled {count} times in {attempt}");
    }
}

/// What a status says is true of the rows.
fn status_is_true(evidence: &Evidence) {
    let is_finished = |rotation: &&Rotation| rotation.finished_at().is_some();
    for rotation in evidence.real_rotations().filter(is_finished) {
        let count = |outcome: &str| {
            let rows = rotation.rows.iter();
            rows.filter(|row| row["outcome"] == outcome).count()
        };
        let stays = count("Failed") + count("NotAttempted") + count("OwnedByAddon");
        let (key, status) = (&rotation.key, rotation.status());
        let of_rollback = ["RolledBack", "RollbackIncomplete", "Cancelled"].contains(&status);
        assert!(
            rotation.rollback_of().is_none() || of_rollback,
            "{key} ended as {status}"
        );
        match status {
            "Succeeded" => assert_eq!(stays, 0, "{key} did not succeed"),
            "NoAssociations" => assert_eq!(rotation.rows.len(), 0, "{key} has rows"),
            "CompletedWithFailures" => assert!(count("Failed") > 0, "{key} has no failure"),
            "Incomplete" => assert_eq!(count("Failed"), 0, "{key} has failures"),
            "RolledBack" => {
                let left = stays + count("ChangedSince");
                assert_eq!(left, 0, "{key} has not taken back everything");
            }
            "RollbackIncomplete" => assert!(
                rotation.item.get("reason").is_some(),
                "{key} is incomplete without a reason"
            ),
            "Failed" => assert!(
                rotation.item.get("stopped").is_some(),
                "{key} was not stopped"
            ),
            "Cancelled" => assert!(
                rotation.item.get("reason").is_some(),
                "{key} was cancelled without a reason"
            ),
            other => panic!("{key} ended as {other}"),
        }
    }
}

/// `modifiedAt` in a response of EKS: epoch seconds with a fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds since 1970 fit"
)]
pub fn version(association: &Value) -> Option<Timestamp> {
    let seconds = association["modifiedAt"].as_f64()?;
    Some(Timestamp::from_millis((seconds * 1_000.0).round() as i64))
}
