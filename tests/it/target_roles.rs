//! Rotations of roles that associations use as their target role.

use std::time::Duration;

use rerole_core::rotation::LEASE;
use rerole_sim::{Fault, Options};
use serde_json::{Map, Value, json};

use crate::common::environment::index_lag;
use crate::guarantees::{Before, check};
use crate::harness::{
    Harness, INDEX, NEW, OLD, THIRD, event, is_describe, is_update, rotation_event, timestamp,
};

const SHARED_OLD: &str = "arn:aws:iam::999900001111:role/platform/data-2025";
const SHARED_NEW: &str = "arn:aws:iam::999900001111:role/platform/data-2026";

/// The bodies of the updates of this association, without their tokens.
fn updates_of(harness: &Harness, arn: &str) -> Vec<Value> {
    let id = arn.rsplit('/').next().unwrap();
    let updates = harness
        .updates()
        .into_iter()
        .filter(|update| update.call.subject.ends_with(id));
    updates
        .map(|update| {
            let mut body = (*update.call.body).clone();
            body.as_object_mut().unwrap().remove("clientRequestToken");
            body
        })
        .collect()
}

/// An association after the rotation.
struct Moved<'a> {
    arn: &'a str,
    fields: &'a [&'a str],
    previous_target: Option<&'a str>,
    role: &'a str,
    target: Option<&'a str>,
}

impl Moved<'_> {
    /// Checks the one update, the row and the index item.
    fn check(&self, harness: &Harness) {
        let expected: Map<_, _> = self
            .fields
            .iter()
            .map(|field| ((*field).to_owned(), json!(NEW)))
            .collect();
        assert_eq!(
            updates_of(harness, self.arn),
            [Value::Object(expected)],
            "{}",
            self.arn
        );
        let row = harness.row("r-1", self.arn);
        assert_eq!(row["fields"], json!(self.fields), "{row:#}");
        assert_eq!(
            row["previousTargetRoleArn"],
            json!(self.previous_target),
            "{row:#}"
        );
        let item = harness.index_item(self.arn).unwrap();
        for record in [&row, &item] {
            assert_eq!(
                (&record["roleArn"], &record["targetRoleArn"]),
                (&json!(self.role), &json!(self.target)),
                "{record:#}"
            );
        }
        let external_id = harness
            .aws
            .eks(|eks| eks.association(self.arn).unwrap().external_id.clone());
        assert_eq!(
            row["externalId"],
            json!(external_id),
            "the trust policy of the target role may require it"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn one_update_moves_each_field_that_names_the_old_role() {
    let harness = Harness::new(Options::default());
    let role_only = harness.associate("role-only", OLD);
    let target_only = harness.associate_chained("target-only", THIRD, OLD);
    let both = harness.associate_chained("both", OLD, OLD);
    let other_target = harness.associate_chained("other-target", OLD, SHARED_OLD);
    let half_moved = harness.associate_chained("half-moved", NEW, OLD);
    let owned = harness.associate_chained("owned", THIRD, OLD);
    let addon = "arn:aws:eks:us-east-1:111122223333:addon/edge/x/y";
    harness.aws.eks(|eks| eks.set_owner(&owned, Some(addon)));
    let before = Before::of(&harness);
    let summary = harness.finish(&rotation_event()).await;
    check(&harness, &before);
    assert_eq!(summary["counts"]["total"], 6);
    assert_eq!(summary["counts"]["updated"], 5);
    assert_eq!(summary["counts"]["ownedByAddon"], 1);

    let role: &[&str] = &["roleArn"];
    let target: &[&str] = &["targetRoleArn"];
    for (arn, fields, previous_target, role_after, target_after) in [
        (&role_only, role, None, NEW, None),
        (&target_only, target, Some(OLD), THIRD, Some(NEW)),
        (
            &both,
            &["roleArn", "targetRoleArn"],
            Some(OLD),
            NEW,
            Some(NEW),
        ),
        (&other_target, role, Some(SHARED_OLD), NEW, Some(SHARED_OLD)),
        (&half_moved, target, Some(OLD), NEW, Some(NEW)),
    ] {
        let moved = Moved {
            arn,
            fields,
            previous_target,
            role: role_after,
            target: target_after,
        };
        moved.check(&harness);
    }
    assert_eq!(harness.row("r-1", &owned)["outcome"], "OwnedByAddon");
}

/// Credentials of a target role come from role chaining and live 59 minutes.
#[tokio::test(start_paused = true)]
async fn a_target_role_of_another_account_is_rotated() {
    let harness = Harness::new(Options::default());
    let arn = harness.associate_chained("api", THIRD, SHARED_OLD);
    let request = event(&json!({ "oldRoleArn": SHARED_OLD, "newRoleArn": SHARED_NEW }));
    let summary = harness.finish(&request).await;
    assert_eq!(summary["status"], "Succeeded", "{summary:#}");
    let target = harness
        .aws
        .eks(|eks| eks.association(&arn).unwrap().target_role_arn.clone());
    assert_eq!(target.as_deref(), Some(SHARED_NEW));
    assert_eq!(harness.role_of(&arn).as_deref(), Some(THIRD));
    let until = timestamp(&summary["oldRoleInUseUntil"]);
    let moved = timestamp(&harness.row("r-1", &arn)["modifiedAt"]);
    assert_eq!(until, moved + Duration::from_hours(1));
}

#[tokio::test(start_paused = true)]
async fn the_longest_drain_of_all_associations_counts() {
    let harness = Harness::new(Options::default());
    let role_only = harness.associate("role-only", OLD);
    harness.associate_chained("target", THIRD, OLD);
    let summary = harness.finish(&rotation_event()).await;
    let until = timestamp(&summary["oldRoleInUseUntil"]);
    let moved = timestamp(&harness.row("r-1", &role_only)["modifiedAt"]);
    assert_eq!(
        until,
        moved + Duration::from_hours(6) + Duration::from_mins(1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_role_that_another_actor_changed_is_drifted() {
    let harness = Harness::new(Options::default());
    let cleared = harness.associate_chained("cleared", THIRD, OLD);
    let replaced = harness.associate_chained("replaced", THIRD, OLD);
    harness.aws.eks(|eks| {
        eks.set_target_role(&cleared, None);
        eks.set_target_role(&replaced, Some(SHARED_OLD));
    });
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["drifted"], 2, "{summary:#}");
    assert_eq!(harness.updates().len(), 0);
    assert_eq!(
        harness.index_item(&cleared).unwrap().get("targetRoleArn"),
        None,
        "the index item is not repaired"
    );
    assert_eq!(
        harness.index_item(&replaced).unwrap()["targetRoleArn"],
        SHARED_OLD
    );
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_names_the_fields_that_would_change() {
    let harness = Harness::new(Options::default());
    let both = harness.associate_chained("both", OLD, OLD);
    harness.finish(&event(&json!({ "dryRun": true }))).await;
    let row = harness.row("dry-run/r-1", &both);
    assert_eq!(row["outcome"], "WouldUpdate");
    assert_eq!(row["fields"], json!(["roleArn", "targetRoleArn"]));
    harness.finish(&rotation_event()).await;
    let update = &harness.updates()[0];
    assert_eq!(
        row["clientRequestToken"].as_str(),
        update.call.token.as_deref(),
        "the real run uses another token"
    );
}

/// A target role's trust policy may name the old role. EKS accepts the new one nevertheless, and
/// pods lose their access only when they renew their credentials.
#[tokio::test(start_paused = true)]
async fn a_rotation_and_its_dry_run_name_the_target_roles_that_must_trust_the_new_role() {
    let harness = Harness::new(Options::default());
    harness.associate("role-only", OLD);
    harness.associate_chained("target-only", THIRD, OLD);
    harness.associate_chained("first", OLD, SHARED_OLD);
    harness.associate_chained("second", OLD, SHARED_OLD);
    let expected =
        format!("2 associations have a target role, which must trust {NEW}: {SHARED_OLD}");
    let dry_run = harness.finish(&event(&json!({ "dryRun": true }))).await;
    let reason = dry_run["reason"].as_str().unwrap();
    assert!(reason.ends_with(&expected), "{reason}");
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "Succeeded");
    assert_eq!(summary["reason"], expected);
}

/// The target role named the new role before the rotation. An operator sets a third role while the
/// rotation is interrupted. Nothing of what EKS shows then is an update of the rotation.
#[tokio::test(start_paused = true)]
async fn a_field_that_was_on_the_new_role_before_is_no_evidence_of_an_update() {
    let harness = Harness::new(Options::default());
    harness.associate("first", OLD);
    let contested = harness.associate_chained("second", OLD, NEW);
    harness.inject(Fault::FreezeBefore, is_update);
    harness.deliver_and_crash(&rotation_event()).await;
    harness.aws.clear_hook();
    tokio::time::sleep(LEASE).await;
    harness.set_role(&contested, THIRD);
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(
        (&summary["counts"]["updated"], &summary["counts"]["drifted"]),
        (&json!(1), &json!(1)),
        "{summary:#}"
    );
    assert_eq!(harness.row("r-1", &contested)["outcome"], "Drifted");
}

/// The row plans `roleArn` only. Before it is started, an operator sets a third role, and the old
/// role as target role. The slice that moves the target role dies before it records that.
#[tokio::test(start_paused = true)]
async fn a_move_of_a_field_that_was_not_planned_is_known_after_a_crash() {
    let harness = Harness::new(Options::default());
    let arn = harness.associate("api", OLD);
    harness.inject(Fault::FreezeBefore, is_describe);
    harness.deliver_and_crash(&rotation_event()).await;
    harness.aws.clear_hook();
    tokio::time::sleep(LEASE).await;
    harness.set_role(&arn, THIRD);
    harness.aws.eks(|eks| eks.set_target_role(&arn, Some(OLD)));
    harness.freeze_after_update(1);
    harness.deliver_and_crash(&rotation_event()).await;
    harness.aws.clear_hook();
    tokio::time::sleep(LEASE).await;
    let summary = harness.finish(&rotation_event()).await;
    let row = harness.row("r-1", &arn);
    assert_eq!(
        (&row["outcome"], &row["inferred"], &row["targetRoleArn"]),
        (&json!("Updated"), &json!(true), &json!(NEW)),
        "{summary:#}"
    );
    assert_eq!(harness.updates().len(), 1);
}

/// Both of its fields name the role.
#[tokio::test(start_paused = true)]
async fn an_association_out_of_scope_counts_once() {
    let harness = Harness::new(Options::default());
    harness.associate_chained("both", OLD, OLD);
    harness.associate_chained("target", THIRD, OLD);
    let summary = harness
        .finish(&event(&json!({ "namespaces": ["elsewhere"] })))
        .await;
    assert_eq!(summary["counts"]["outOfScope"], 2, "{summary:#}");
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);
}

/// It repairs an index item that lags, and counts an association that was moved back.
#[tokio::test(start_paused = true)]
async fn the_sweep_covers_target_roles() {
    let harness = Harness::new(Options {
        index_lag: index_lag(Duration::from_secs(20)),
        ..Options::default()
    });
    let lagging = harness.associate_chained("lagging", THIRD, OLD);
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "Succeeded");
    assert_eq!(summary["counts"]["reverted"], 0);
    assert_eq!(harness.index_item(&lagging).unwrap()["targetRoleArn"], NEW);

    let harness = Harness::new(Options::default());
    let reverted = harness.associate_chained("reverted", THIRD, OLD);
    harness.associate_chained("second", THIRD, OLD);
    let (aws, arn) = (harness.aws.clone(), reverted.clone());
    let mut settled = 0;
    harness.aws.on_call(move |call| {
        // The first of the two is moved back before the second is settled, and the index
        // receives the event.
        if call.operation == "UpdateItem" && call.subject.contains("/association#") {
            settled += 1;
            if settled == 2 {
                aws.eks(|eks| eks.set_target_role(&arn, Some(OLD)));
                aws.index_association(INDEX, &arn);
            }
        }
        Fault::None
    });
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["reverted"], 1, "{summary:#}");
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);
}
