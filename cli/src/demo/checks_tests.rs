//! Evidence that everything held, and each way in which it could have not: the check that is about it fails, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use rerole::record::Summary;
use rerole_sim::index_item;
use serde_json::{Value, json};

use super::super::evidence::LedgerRow;
use super::*;

const OLD: &str = "arn:aws:iam::111122223333:role/platform/app-2025";
const NEW: &str = "arn:aws:iam::111122223333:role/platform/app-2026";
const THIRD: &str = "arn:aws:iam::111122223333:role/platform/by-hand";

fn arn(id: &str) -> String {
    format!("arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/{id}")
}

fn association(id: &str, role: &str, modified_at_secs: u64) -> Association {
    Association {
        cluster_name: "prod-1".into(),
        namespace: "payments".into(),
        service_account: id.into(),
        role_arn: role.into(),
        association_arn: arn(id),
        association_id: id.into(),
        tags: BTreeMap::new(),
        created_at: SystemTime::UNIX_EPOCH,
        modified_at: SystemTime::UNIX_EPOCH + Duration::from_secs(modified_at_secs),
        owner_arn: (id == "a-addon").then(|| "arn:aws:eks:us-east-1:111122223333:addon/prod-1/csi/1".into()),
        disable_session_tags: false,
        target_role_arn: None,
        external_id: None,
        policy: None,
        region: "us-east-1".into(),
        account: "111122223333".into(),
    }
}

fn by_arn(associations: impl IntoIterator<Item = Association>) -> BTreeMap<String, Association> {
    associations.into_iter().map(|association| (association.association_arn.clone(), association)).collect()
}

fn summary(counts: &Value, status: &str) -> Summary {
    let mut all: serde_json::Map<String, Value> = json!({
        "total": 0, "pending": 0, "updated": 0, "alreadyCurrent": 0, "drifted": 0, "deleted": 0, "ownedByAddon": 0,
        "failed": 0, "notAttempted": 0, "wouldUpdate": 0, "outOfScope": 0, "returned": 0,
    })
    .as_object()
    .unwrap()
    .clone();
    all.extend(counts.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "rotationId": "app-2026", "status": status, "reason": null, "dryRun": false, "oldRoleArn": OLD,
        "newRoleArn": NEW, "counts": all, "startedAt": "2026-11-23T21:00:00.000Z",
        "finishedAt": "2026-11-23T21:00:02.000Z", "oldRoleInUseUntil": null,
    }))
    .unwrap()
}

/// Five associations: one of each ending, and one that the rotation is not about. Everything held.
fn sound() -> Evidence {
    let still = [
        association("a-drifted", THIRD, 20),
        association("a-addon", OLD, 10),
        association("a-refused", OLD, 10),
        association("a-other", THIRD, 10),
    ];
    let after = by_arn(still.clone().into_iter().chain([association("a-moved", NEW, 30)]));
    let row = |id: &str, outcome| LedgerRow {
        association_arn: arn(id),
        cluster_name: "prod-1".into(),
        namespace: "payments".into(),
        service_account: id.into(),
        outcome,
        error_code: None,
        error_message: None,
    };
    let set = |ids: &[&str]| -> BTreeSet<String> { ids.iter().map(|id| arn(id)).collect() };
    let counts = json!({ "total": 4, "updated": 1, "drifted": 1, "ownedByAddon": 1, "failed": 1 });
    let reply = summary(&counts, "CompletedWithFailures");
    Evidence {
        new_role: NEW.into(),
        before: by_arn(still.into_iter().chain([association("a-moved", OLD, 10)])),
        index: after.values().map(|association| index_item(association, SystemTime::UNIX_EPOCH)).collect(),
        after,
        rotating: set(&["a-moved", "a-drifted", "a-addon", "a-refused"]),
        drifted: set(&["a-drifted"]),
        owned_by_addon: set(&["a-addon"]),
        refused: set(&["a-refused"]),
        rows: vec![
            row("a-moved", Outcome::Updated),
            row("a-drifted", Outcome::Drifted),
            row("a-addon", Outcome::OwnedByAddon),
            row("a-refused", Outcome::Failed),
        ],
        first: reply.clone(),
        second: reply,
        second_eks_writes: 0,
    }
}

fn failed(evidence: &Evidence) -> Vec<String> {
    all(evidence).iter().filter(|check| !check.held()).map(ToString::to_string).collect()
}

#[test]
fn sound_evidence_holds() {
    assert_eq!(failed(&sound()), Vec::<String>::new());
    assert_eq!(all(&sound()).len(), 8);
}

/// Spoils the evidence in one way and expects that exactly these checks fail, each with this in its line.
fn spoiled(spoil: impl FnOnce(&mut Evidence), expected: &[&str]) {
    let mut evidence = sound();
    spoil(&mut evidence);
    let failed = failed(&evidence);
    assert_eq!(failed.len(), expected.len(), "{failed:#?}");
    for (line, expected) in failed.iter().zip(expected) {
        assert!(line.starts_with("FAILED  ") && line.contains(expected), "{line} has to contain {expected}");
    }
}

fn edit(evidence: &mut Evidence, id: &str, change: impl FnOnce(&mut Association)) {
    change(evidence.after.get_mut(&arn(id)).unwrap());
}

#[test]
fn what_happened_to_eks_is_seen() {
    const MOVED: &str = "1 associations are on the new role";
    const OTHERS: &str = "the other 4 are as they were";
    const INDEX: &str = "the index agrees";
    spoiled(|e| edit(e, "a-moved", |a| a.role_arn = OLD.into()), &[MOVED, INDEX]);
    spoiled(|e| edit(e, "a-moved", |a| a.target_role_arn = Some(THIRD.into())), &[MOVED]);
    spoiled(|e| edit(e, "a-moved", |a| a.modified_at = SystemTime::UNIX_EPOCH), &[MOVED, INDEX]);
    spoiled(|e| drop(e.after.remove(&arn("a-moved"))), &[MOVED, "a-moved is not in EKS"]);
    for id in ["a-drifted", "a-addon", "a-refused", "a-other"] {
        spoiled(|e| edit(e, id, |a| a.role_arn = NEW.into()), &[OTHERS, INDEX]);
    }
    spoiled(
        |e| drop(e.after.insert(arn("a-new"), association("a-new", NEW, 1))),
        &["a-new is new", "a-new is missing"],
    );
}

#[test]
fn what_happened_to_the_tables_is_seen() {
    const ROWS: &str = "one row in the ledger";
    const SUMS: &str = "add up to the counts";
    spoiled(|e| e.index[0]["roleArn"] = json!(THIRD), &["is shown on"]);
    spoiled(|e| drop(e.index.pop()), &["is missing"]);
    spoiled(|e| drop(e.rows.pop()), &[ROWS, SUMS]);
    spoiled(|e| e.rows[0].outcome = Outcome::Pending, &["a-moved has [Pending], expected Updated", SUMS]);
    spoiled(|e| e.rows.push(e.rows[0].clone()), &["a-moved has [Updated, Updated]", SUMS]);
    spoiled(|e| e.rows[0].association_arn = arn("a-other"), &["a-moved has [], expected Updated, and 1 more"]);
}

#[test]
fn what_was_replied_is_seen() {
    spoiled(|e| e.second_eks_writes = 1, &["no write to EKS: found 1, expected 0"]);
    spoiled(|e| e.second.started_at = e.second.started_at + Duration::from_secs(1), &["the first one's reply"]);
    let succeed = |e: &mut Evidence| (e.first.status, e.second.status) = (Status::Succeeded, Status::Succeeded);
    spoiled(succeed, &["found Succeeded, expected CompletedWithFailures"]);
}
