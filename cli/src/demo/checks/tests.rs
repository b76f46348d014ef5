//! Evidence of a correct run, on which all checks hold, and the same evidence with one fault at a
//! time, on which exactly the checks about that fault fail.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use rerole_core::rotation::Summary;
use rerole_core::timestamp::Timestamp;
use rerole_sim::index_item;
use serde_json::json;

use super::*;
use crate::demo::evidence::{LedgerRow, Pause, Rollback, Timeline, TimelineEntry, Update};

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
        owner_arn: (id == "a-addon")
            .then(|| "arn:aws:eks:us-east-1:111122223333:addon/prod-1/csi/1".into()),
        disable_session_tags: false,
        target_role_arn: None,
        external_id: None,
        policy: None,
        region: "us-east-1".into(),
        account: "111122223333".into(),
    }
}

fn by_arn(associations: impl IntoIterator<Item = Association>) -> BTreeMap<String, Association> {
    associations
        .into_iter()
        .map(|association| (association.association_arn.clone(), association))
        .collect()
}

fn summary(counts: &Value, status: &str) -> Summary {
    let mut all: serde_json::Map<String, Value> = json!({
        "total": 0, "pending": 0, "updated": 0, "alreadyCurrent": 0, "drifted": 0, "deleted": 0,
        "ownedByAddon": 0, "failed": 0, "notAttempted": 0, "wouldUpdate": 0, "outOfScope": 0,
        "reverted": 0,
    })
    .as_object()
    .unwrap()
    .clone();
    all.extend(counts.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "rotationId": "app-2026", "status": status, "reason": null, "dryRun": false,
        "oldRoleArn": OLD, "newRoleArn": NEW, "counts": all,
        "startedAt": "2026-11-23T21:00:00.000Z",
        "finishedAt": "2026-11-23T21:00:02.000Z", "oldRoleInUseUntil": null,
    }))
    .unwrap()
}

/// A time, in seconds of an hour.
fn at(secs: u64) -> Timestamp {
    Timestamp::from(SystemTime::UNIX_EPOCH) + Duration::from_secs(secs)
}

fn update(id: &str, secs: u64) -> Update {
    Update {
        association: format!("prod-1/{id}"),
        sent_at: at(secs),
    }
}

fn timeline(labels: &[&str]) -> Timeline {
    let entries = labels.iter().enumerate().map(|(seq, label)| {
        let to = serde_json::from_value(json!(label)).ok();
        let change = to.map_or(*label, |_: Status| "StatusChanged");
        TimelineEntry {
            at: at(u64::try_from(seq).unwrap()),
            change: change.to_owned(),
            to,
        }
    });
    let entries: Vec<_> = entries.collect();
    Timeline {
        recorded: entries.clone(),
        published: entries,
    }
}

/// Five associations: one of each outcome, and one that does not use the old role. All checks
/// hold.
fn correct_run() -> Evidence {
    let unchanged = [
        association("a-drifted", THIRD, 20),
        association("a-addon", OLD, 10),
        association("a-refused", OLD, 10),
        association("a-other", THIRD, 10),
    ];
    let fleet = |moving: Association| by_arn(unchanged.clone().into_iter().chain([moving]));
    let after = fleet(association("a-moved", OLD, 40));
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
    let response = summary(&counts, "CompletedWithFailures");
    Evidence {
        new_role: NEW.into(),
        before: fleet(association("a-moved", OLD, 10)),
        moved: fleet(association("a-moved", NEW, 30)),
        index: after
            .values()
            .map(|association| index_item(association, SystemTime::UNIX_EPOCH))
            .collect(),
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
        summary: response.clone(),
        timeline: timeline(&[
            "Planning",
            "InProgress",
            "Paused",
            "LimitsChanged",
            "InProgress",
            "CompletedWithFailures",
        ]),
        pause: Pause {
            recorded_at: at(21),
            idle_from: at(24),
            resumed_at: at(60),
        },
        // In flight when the pause was recorded.
        updates: vec![update("a-moved", 23), update("a-refused", 61)],
        second: response,
        second_eks_writes: 0,
        rollback: Some(Rollback {
            summary: summary(&json!({ "total": 1, "updated": 1 }), "RolledBack"),
            rows: vec![row("a-moved", Outcome::Updated)],
            updates: vec![update("a-moved", 39)],
            timeline: timeline(&["Planning", "InProgress", "RolledBack"]),
        }),
    }
}

fn failed(evidence: &Evidence) -> Vec<String> {
    all(evidence)
        .iter()
        .filter(|check| !check.held())
        .map(ToString::to_string)
        .collect()
}

#[test]
fn all_checks_hold_after_a_correct_run() {
    assert_eq!(failed(&correct_run()), Vec::<String>::new());
    assert_eq!(all(&correct_run()).len(), 14);
}

/// Puts one fault into the evidence. Exactly these checks must fail, each with this text in its
/// line.
fn assert_detected(inject: impl FnOnce(&mut Evidence), expected: &[&str]) {
    let mut evidence = correct_run();
    inject(&mut evidence);
    let failed = failed(&evidence);
    assert_eq!(failed.len(), expected.len(), "{failed:#?}");
    for (line, expected) in failed.iter().zip(expected) {
        assert!(
            line.starts_with("FAILED  ") && line.contains(expected),
            "{line} does not contain {expected}"
        );
    }
}

/// Changes an association as the rotation has left it.
fn edit(evidence: &mut Evidence, id: &str, change: impl FnOnce(&mut Association)) {
    change(evidence.moved.get_mut(&arn(id)).unwrap());
}

/// Changes an association as the rollback has left it.
fn edit_after(evidence: &mut Evidence, id: &str, change: impl FnOnce(&mut Association)) {
    change(evidence.after.get_mut(&arn(id)).unwrap());
}

fn roll_back(evidence: &mut Evidence) -> &mut Rollback {
    evidence.rollback.as_mut().unwrap()
}

#[test]
fn wrong_changes_in_eks_are_detected() {
    const MOVED: &str = "1 associations are on the new role";
    const OTHERS: &str = "the other 4 are unchanged";
    const RESTORED: &str = "exactly their old role again";
    const NOTHING_ELSE: &str = "no update of the other 4";
    assert_detected(
        |e| edit(e, "a-moved", |a| a.role_arn = OLD.into()),
        &[MOVED],
    );
    assert_detected(
        |e| edit(e, "a-moved", |a| a.target_role_arn = Some(THIRD.into())),
        &[MOVED, RESTORED],
    );
    assert_detected(
        |e| edit(e, "a-moved", |a| a.modified_at = SystemTime::UNIX_EPOCH),
        &[MOVED],
    );
    assert_detected(
        |e| drop(e.moved.remove(&arn("a-moved"))),
        &[MOVED, "prod-1/a-moved was updated, and 1 more"],
    );
    for id in ["a-drifted", "a-addon", "a-refused", "a-other"] {
        assert_detected(
            |e| edit(e, id, |a| a.role_arn = NEW.into()),
            &[OTHERS, NOTHING_ELSE],
        );
    }
    assert_detected(
        |e| drop(e.moved.insert(arn("a-new"), association("a-new", NEW, 1))),
        &["a-new is new", "a-new changed"],
    );
}

#[test]
fn a_wrong_rollback_is_detected() {
    const RESTORED: &str = "exactly their old role again";
    const NOTHING_ELSE: &str = "no update of the other 4";
    const INDEX: &str = "the index agrees";
    assert_detected(
        |e| edit_after(e, "a-moved", |a| a.role_arn = THIRD.into()),
        &[RESTORED, INDEX],
    );
    assert_detected(
        |e| edit_after(e, "a-moved", |a| a.external_id = Some("x".into())),
        &[RESTORED],
    );
    assert_detected(
        |e| drop(e.after.remove(&arn("a-moved"))),
        &[RESTORED, "a-moved is not in EKS"],
    );
    for id in ["a-drifted", "a-addon", "a-refused", "a-other"] {
        assert_detected(
            |e| edit_after(e, id, |a| a.role_arn = NEW.into()),
            &[NOTHING_ELSE, INDEX],
        );
        assert_detected(
            |e| roll_back(e).updates.push(update(id, 39)),
            &[&format!("prod-1/{id} was updated")],
        );
    }
    assert_detected(
        |e| roll_back(e).summary.status = Status::RollbackIncomplete,
        &["found Some(RollbackIncomplete), expected Some(RolledBack)"],
    );
}

#[test]
fn updates_during_the_pause_are_detected() {
    const HOLDS: &str = "no update was sent from the end of the slice";
    assert_detected(|e| e.updates.push(update("a-other", 25)), &[HOLDS]);
    assert_detected(
        |e| e.updates.push(update("a-other", 32)),
        &["later than 10 s", HOLDS],
    );
    assert_detected(|e| e.pause.idle_from = at(20), &[HOLDS]);
}

#[test]
fn wrong_timelines_are_detected() {
    const TIMELINE: &str = "the timeline has every status in order";
    assert_detected(|e| drop(e.timeline.recorded.remove(2)), &[TIMELINE]);
    assert_detected(|e| e.timeline.recorded.swap(1, 2), &[TIMELINE]);
    assert_detected(|e| drop(e.timeline.published.pop()), &[TIMELINE]);
    assert_detected(|e| e.timeline.published.swap(0, 1), &[TIMELINE]);
    assert_detected(
        |e| drop(roll_back(e).timeline.published.remove(0)),
        &[TIMELINE],
    );
}

#[test]
fn without_moves_there_is_no_rollback_to_check() {
    let mut evidence = correct_run();
    evidence.rollback = None;
    let claims = all(&evidence);
    assert_eq!(claims.len(), 11);
    assert!(claims.iter().all(|check| !check.claim.contains("rollback")));
}

#[test]
fn wrong_items_in_the_tables_are_detected() {
    const ROWS: &str = "one row in the ledger";
    const SUMS: &str = "add up to the counts";
    assert_detected(|e| e.index[0]["roleArn"] = json!(THIRD), &["is shown on"]);
    assert_detected(|e| drop(e.index.pop()), &["is missing"]);
    assert_detected(|e| drop(e.rows.pop()), &[ROWS, SUMS]);
    assert_detected(
        |e| e.rows[0].outcome = Outcome::Pending,
        &["a-moved has [Pending], expected Updated", SUMS],
    );
    assert_detected(
        |e| e.rows.push(e.rows[0].clone()),
        &["a-moved has [Updated, Updated]", SUMS],
    );
    assert_detected(
        |e| e.rows[0].association_arn = arn("a-other"),
        &["a-moved has [], expected Updated, and 1 more"],
    );
}

#[test]
fn wrong_responses_are_detected() {
    assert_detected(
        |e| e.second_eks_writes = 1,
        &["no write to EKS: found 1, expected 0"],
    );
    assert_detected(
        |e| e.second.started_at = e.second.started_at + Duration::from_secs(1),
        &["the rotation has the same result"],
    );
    let succeed = |e: &mut Evidence| {
        (e.summary.status, e.second.status) = (Status::Succeeded, Status::Succeeded);
    };
    assert_detected(
        succeed,
        &["found Succeeded, expected CompletedWithFailures"],
    );
}
