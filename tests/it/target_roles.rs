//! Rotations of roles that associations use as their target role.

use std::time::Duration;

use rerole::time::Timestamp;
use rerole_sim::Options;
use serde_json::{Value, json};

use crate::guarantees::{Before, check};
use crate::world::{INDEX, NEW, OLD, THIRD, World, event, plain};

const SHARED_OLD: &str = "arn:aws:iam::999900001111:role/platform/data-2025";
const SHARED_NEW: &str = "arn:aws:iam::999900001111:role/platform/data-2026";

/// An association on this role, with this target role, as the index knows it.
fn chained(world: &World, service_account: &str, role: &str, target: &str) -> String {
    let arn = world.associate(service_account, role);
    world.aws.eks(|eks| eks.set_target_role(&arn, Some(target)));
    world.aws.index_association(INDEX, &arn);
    arn
}

/// What the updates of this association sent, without their tokens.
fn sent(world: &World, arn: &str) -> Vec<Value> {
    let id = arn.rsplit('/').next().unwrap();
    let of = world.updates().into_iter().filter(|update| update.call.subject.ends_with(id));
    of.map(|mut update| {
        update.call.body.as_object_mut().unwrap().remove("clientRequestToken");
        update.call.body
    })
    .collect()
}

/// Shows that a rotation covers both fields, that each association gets one update with what changes and nothing else, and
/// that rows and index tell.
#[tokio::test(start_paused = true)]
async fn roles_and_target_roles_move_together() {
    let world = World::new(Options::default());
    let role_only = world.associate("role-only", OLD);
    let target_only = chained(&world, "target-only", THIRD, OLD);
    let both = chained(&world, "both", OLD, OLD);
    let other_target = chained(&world, "other-target", OLD, SHARED_OLD);
    let half_moved = chained(&world, "half-moved", NEW, OLD);
    let owned = chained(&world, "owned", THIRD, OLD);
    world.aws.eks(|eks| eks.set_owner(&owned, Some("arn:aws:eks:us-east-1:111122223333:addon/edge/x/y")));
    let before = Before::of(&world);
    let summary = world.finish(&plain()).await;
    check(&world, &before);
    assert_eq!(summary["counts"]["total"], 6);
    assert_eq!(summary["counts"]["updated"], 5);
    assert_eq!(summary["counts"]["ownedByAddon"], 1);

    for (arn, fields, previous_target, role_after, target_after) in [
        (&role_only, json!(["roleArn"]), Value::Null, NEW, Value::Null),
        (&target_only, json!(["targetRoleArn"]), json!(OLD), THIRD, json!(NEW)),
        (&both, json!(["roleArn", "targetRoleArn"]), json!(OLD), NEW, json!(NEW)),
        (&other_target, json!(["roleArn"]), json!(SHARED_OLD), NEW, json!(SHARED_OLD)),
        (&half_moved, json!(["targetRoleArn"]), json!(OLD), NEW, json!(NEW)),
    ] {
        let row = world.row("r-1", arn);
        assert_eq!(row["fields"], fields, "{row:#}");
        assert_eq!(row["previousTargetRoleArn"], previous_target, "{row:#}");
        assert_eq!((&row["roleArn"], &row["targetRoleArn"]), (&json!(role_after), &target_after), "{row:#}");
        let expected: serde_json::Map<_, _> =
            fields.as_array().unwrap().iter().map(|field| (field.as_str().unwrap().to_owned(), json!(NEW))).collect();
        assert_eq!(sent(&world, arn), [Value::Object(expected)], "one update: {row:#}");
        let item = world.index_item(arn).unwrap();
        assert_eq!((&item["roleArn"], &item["targetRoleArn"]), (&json!(role_after), &target_after), "{item:#}");
        let external_id = world.aws.eks(|eks| eks.association(arn).unwrap().external_id.clone());
        assert_eq!(row["externalId"], json!(external_id), "the target's trust policy may ask for it");
    }
    assert_eq!(world.row("r-1", &owned)["outcome"], "OwnedByAddon");
}

/// Shows that a target role may live in another account than the clusters, and that the drain is 59 minutes there.
#[tokio::test(start_paused = true)]
async fn a_target_role_of_another_account_is_rotated() {
    let world = World::new(Options::default());
    let arn = chained(&world, "api", THIRD, SHARED_OLD);
    let request = event(&json!({ "oldRoleArn": SHARED_OLD, "newRoleArn": SHARED_NEW }));
    let summary = world.finish(&request).await;
    assert_eq!(summary["status"], "Succeeded", "{summary:#}");
    let target = world.aws.eks(|eks| eks.association(&arn).unwrap().target_role_arn.clone());
    assert_eq!(target.as_deref(), Some(SHARED_NEW));
    assert_eq!(world.role_of(&arn).as_deref(), Some(THIRD));
    let until: Timestamp = summary["oldRoleInUseUntil"].as_str().unwrap().parse().unwrap();
    let moved: Timestamp = world.row("r-1", &arn)["modifiedAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(until, moved + Duration::from_mins(59));
}

/// Shows that the longest drain counts where some associations have a target role and some have none.
#[tokio::test(start_paused = true)]
async fn the_longest_drain_counts() {
    let world = World::new(Options::default());
    let role_only = world.associate("role-only", OLD);
    chained(&world, "target", THIRD, OLD);
    let summary = world.finish(&plain()).await;
    let until: Timestamp = summary["oldRoleInUseUntil"].as_str().unwrap().parse().unwrap();
    let moved: Timestamp = world.row("r-1", &role_only)["modifiedAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(until, moved + Duration::from_hours(6));
}

/// Shows that a target role which somebody clears or replaces between plan and look is theirs.
#[tokio::test(start_paused = true)]
async fn a_target_role_that_somebody_changed_is_theirs() {
    let world = World::new(Options::default());
    let cleared = chained(&world, "cleared", THIRD, OLD);
    let replaced = chained(&world, "replaced", THIRD, OLD);
    world.aws.eks(|eks| {
        eks.set_target_role(&cleared, None);
        eks.set_target_role(&replaced, Some(SHARED_OLD));
    });
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["drifted"], 2, "{summary:#}");
    assert_eq!(world.updates().len(), 0);
    assert_eq!(world.index_item(&cleared).unwrap().get("targetRoleArn"), None, "the index was mended");
    assert_eq!(world.index_item(&replaced).unwrap()["targetRoleArn"], SHARED_OLD);
}

/// Shows that a rehearsal names the fields that would change.
#[tokio::test(start_paused = true)]
async fn a_dry_run_names_the_fields() {
    let world = World::new(Options::default());
    let both = chained(&world, "both", OLD, OLD);
    world.finish(&event(&json!({ "dryRun": true }))).await;
    let row = world.row("dry-run/r-1", &both);
    assert_eq!(row["outcome"], "WouldUpdate");
    assert_eq!(row["fields"], json!(["roleArn", "targetRoleArn"]));
    world.finish(&plain()).await;
    let update = &world.updates()[0];
    assert_eq!(row["clientRequestToken"].as_str(), update.call.token.as_deref(), "the same token in the real run");
}

/// Shows that associations outside the scope count once, whichever of their fields names the role.
#[tokio::test(start_paused = true)]
async fn out_of_scope_counts_once() {
    let world = World::new(Options::default());
    chained(&world, "both", OLD, OLD);
    chained(&world, "target", THIRD, OLD);
    let summary = world.finish(&event(&json!({ "namespaces": ["elsewhere"] }))).await;
    assert_eq!(summary["counts"]["outOfScope"], 2, "{summary:#}");
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);
}

/// Shows that the sweep mends an index that lags behind in the target role, and counts one that was moved back there.
#[tokio::test(start_paused = true)]
async fn the_sweep_sees_target_roles() {
    let world = World::new(Options { index_lag: Duration::from_secs(20), ..Options::default() });
    let lagging = chained(&world, "lagging", THIRD, OLD);
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["status"], "Succeeded");
    assert_eq!(summary["counts"]["returned"], 0);
    assert_eq!(world.index_item(&lagging).unwrap()["targetRoleArn"], NEW);

    let world = World::new(Options::default());
    let returning = chained(&world, "returning", THIRD, OLD);
    chained(&world, "second", THIRD, OLD);
    let (aws, arn) = (world.aws.clone(), returning.clone());
    let mut settled = 0;
    world.aws.on_call(move |call| {
        // Moved back right after the first of the two was settled, and the index knows.
        if call.operation == "UpdateItem" && call.subject.contains("/association#") {
            settled += 1;
            if settled == 2 {
                aws.eks(|eks| eks.set_target_role(&arn, Some(OLD)));
                aws.index_association(INDEX, &arn);
            }
        }
        rerole_sim::Fault::None
    });
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["returned"], 1, "{summary:#}");
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);
}
