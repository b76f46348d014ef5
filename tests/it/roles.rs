//! What the ledger says of a role: while it is in use, whose rotations used it, and until when pods
//! may have its credentials. Guarantee 13: no role is shown as free while the index shows an
//! association that uses it.

use std::time::Duration;

use rerole_sim::{Fault, Options};
use serde_json::{Value, json};

use crate::common::environment::index_lag;
use crate::guarantees::roles_with_associations_are_in_use;
use crate::harness::{
    Harness, INDEX, LEDGER, NEW, OLD, THIRD, TIMEOUT, event, indexer_handler, timestamp,
};
use crate::reversions::reversion_rows;

const FIRST: [&str; 3] = ["first", OLD, NEW];

fn rotate([id, old, new]: [&str; 3]) -> Value {
    event(&json!({ "rotationId": id, "oldRoleArn": old, "newRoleArn": new }))
}

/// The summary of a finished rotation, as a delivery of its event returns it now.
async fn now(harness: &Harness, rotation: [&str; 3]) -> Value {
    harness.finish(&rotate(rotation)).await
}

/// Case 15: a rotation, and then the rotation back.
#[tokio::test(start_paused = true)]
async fn a_role_that_is_used_again_has_no_time_in_any_summary() {
    let harness = Harness::calm(30);
    let back = ["back", NEW, OLD];
    let first = now(&harness, FIRST).await;
    let until = timestamp(&first["oldRoleInUseUntil"]);
    assert_eq!(harness.role(NEW)["inUse"]["by"], "first");

    tokio::time::sleep(Duration::from_hours(1)).await;
    let summary = now(&harness, back).await;
    assert_eq!(summary["counts"]["updated"], 30);
    assert!(timestamp(&summary["oldRoleInUseUntil"]) > until);
    let again = now(&harness, FIRST).await;
    assert_eq!(again["status"], "Succeeded", "what it did stays true");
    assert_eq!(again["oldRoleInUseUntil"], Value::Null, "{again:#}");
    assert_eq!(again["oldRoleInUse"]["by"], "back");
    roles_with_associations_are_in_use(&harness);

    // And there again: both are shown as they are now.
    tokio::time::sleep(Duration::from_hours(1)).await;
    let summary = now(&harness, ["again", OLD, NEW]).await;
    let again = now(&harness, FIRST).await;
    assert_eq!(again["oldRoleInUseUntil"], summary["oldRoleInUseUntil"]);
    assert_eq!(now(&harness, back).await["oldRoleInUseUntil"], Value::Null);
    harness.reconcile("full").await;
    for id in ["first", "back", "again"] {
        assert_eq!(reversion_rows(&harness, id), Vec::<Value>::new(), "{id}");
    }
    roles_with_associations_are_in_use(&harness);
}

/// An operator moves back an association that rotation `first` has moved.
async fn a_full_run_finds_what_is_moved_back(harness: &Harness) {
    let moved = harness.rows("first")[0]["associationArn"].clone();
    tokio::time::sleep(Duration::from_hours(1)).await;
    harness.set_role(moved.as_str().unwrap(), OLD);
    harness.reconcile("full").await;
    let reverted = reversion_rows(harness, "first");
    assert_eq!(reverted.len(), 1);
    assert_eq!(reverted[0]["revertedArn"], moved);
}

/// C to A puts role A to use, which A to B had freed. What A to B moved and an operator moves back
/// is a reversion all the same.
#[tokio::test(start_paused = true)]
async fn a_rotation_of_another_role_onto_a_replaced_one_puts_it_to_use() {
    let harness = Harness::calm(5);
    let other = harness.associate("other", THIRD);
    now(&harness, FIRST).await;
    let summary = now(&harness, ["onto", THIRD, OLD]).await;
    assert_eq!(summary["counts"]["updated"], 1);
    let first = now(&harness, FIRST).await;
    assert_eq!(first["oldRoleInUseUntil"], Value::Null);
    harness.reconcile("full").await;
    assert_eq!(reversion_rows(&harness, "first"), Vec::<Value>::new());

    a_full_run_finds_what_is_moved_back(&harness).await;
    assert_eq!(harness.role_of(&other).as_deref(), Some(OLD));
}

/// The items of a role with many rotations fill more than a page. Its own item and its latest
/// rotation are on the last one.
#[tokio::test(start_paused = true)]
async fn a_reversion_is_found_however_many_rotations_a_role_has_had() {
    let harness = Harness::calm(5);
    for number in 0..600 {
        let entry = format!("from#2020-01-01T00:00:00.{number:03}Z#r-{number}");
        let role = format!("role/{OLD}");
        let item = json!({ "rotationId": role, "entry": entry });
        harness.aws.put_item(LEDGER, item);
    }
    now(&harness, FIRST).await;
    a_full_run_finds_what_is_moved_back(&harness).await;
    roles_with_associations_are_in_use(&harness);
}

/// Each rotation moves the associations of one cluster. Only the last one leaves none.
#[tokio::test(start_paused = true)]
async fn the_last_of_several_scoped_rotations_frees_the_role() {
    let harness = Harness::calm(20);
    let scoped =
        |id: &str, cluster: &str| event(&json!({ "rotationId": id, "clusterNames": [cluster] }));
    let first = harness.finish(&scoped("one", "prod-1")).await;
    assert_eq!(first["status"], "Succeeded");
    assert_eq!(first["oldRoleInUseUntil"], Value::Null);
    assert_eq!(first["oldRoleInUse"]["by"], "one");
    tokio::time::sleep(Duration::from_hours(1)).await;
    let second = harness.finish(&scoped("two", "prod-2")).await;
    let until = timestamp(&second["oldRoleInUseUntil"]);
    let first = harness.finish(&scoped("one", "prod-1")).await;
    assert_eq!(timestamp(&first["oldRoleInUseUntil"]), until);
    // A rotation that finds nothing left says the same of the role.
    tokio::time::sleep(Duration::from_hours(1)).await;
    let third = harness.finish(&rotate(["three", OLD, NEW])).await;
    assert_eq!(third["status"], "NoAssociations");
    assert_eq!(timestamp(&third["oldRoleInUseUntil"]), until);
}

/// Nothing fails, but nothing can be said about what the index does not know.
#[tokio::test(start_paused = true)]
async fn a_region_without_a_complete_index_keeps_the_role_in_use() {
    let harness = Harness::calm(10);
    let key = json!({ "rotationId": "index", "entry": "region#eu-west-1" });
    harness.aws.delete_item(LEDGER, key);
    let summary = now(&harness, FIRST).await;
    assert_eq!(summary["status"], "Incomplete", "{summary:#}");
    assert_eq!(summary["counts"]["updated"], 10, "what is known is moved");
    let reason = summary["reason"].as_str().unwrap();
    assert!(reason.contains("not complete for eu-west-1"), "{reason}");
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);

    // The next full run reads the region, and finds nothing on the role.
    harness.reconcile("full").await;
    let summary = now(&harness, FIRST).await;
    assert_eq!(summary["status"], "Incomplete", "a status does not change");
    assert!(summary["oldRoleInUseUntil"].is_string(), "{summary:#}");
}

#[tokio::test(start_paused = true)]
async fn a_stale_index_is_not_complete() {
    let harness = Harness::calm(10);
    tokio::time::sleep(Duration::from_hours(37)).await;
    assert_eq!(now(&harness, FIRST).await["status"], "Incomplete");
}

/// An invocation of the indexer has read that no rotation replaces the role. Then the rotation
/// opens, and the invocation stores what it has described.
#[tokio::test(start_paused = true)]
async fn an_index_build_under_way_while_a_rotation_runs_leaves_nothing_behind() {
    for delay in [0, 100, 300, 600, 1_000, 2_000] {
        let harness = Harness::calm(6);
        harness.empty_index();
        let known = harness.associate("known", OLD);
        let indexer = indexer_handler(&harness.aws);
        let invocation = harness.invocation(TIMEOUT);
        let full = json!({ "reconcile": { "mode": "full" } });
        let rotation = async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            now(&harness, FIRST).await
        };
        let (run, _) = tokio::join!(harness.run_indexer(&indexer, full, &invocation), rotation);
        run.unwrap();
        harness.reconcile("resume").await;
        assert_eq!(harness.role_of(&known).as_deref(), Some(NEW));
        check_nothing_is_left_silently(&harness, &format!("started after {delay} ms"));
    }
}

/// Each association on a replaced role was moved, or is a recorded reversion, and the role is in
/// use.
fn check_nothing_is_left_silently(harness: &Harness, case: &str) {
    let on_old = harness.aws.eks(|eks| eks.association_count_on(OLD));
    let reverted = reversion_rows(harness, "first").len();
    assert_eq!(on_old, reverted, "{case}");
    roles_with_associations_are_in_use(harness);
}

/// The secondary indexes show neither the association nor the rotation.
#[tokio::test(start_paused = true)]
async fn secondary_indexes_that_lag_hide_no_association() {
    for (lag_secs, arrives_after_ms) in [(1, 200), (1, 3_000), (3, 200), (30, 200), (30, 3_000)] {
        let harness = Harness::new(Options {
            index_lag: index_lag(Duration::from_secs(lag_secs)),
            cloudtrail: true,
            ..Options::default()
        });
        harness.fleet(5);
        tokio::time::sleep(Duration::from_secs(lag_secs)).await;
        let arrival = async {
            tokio::time::sleep(Duration::from_millis(arrives_after_ms)).await;
            let client = crate::cloudtrail::client(&harness, "us-east-1");
            crate::cloudtrail::create(&client, "prod-2", "late", OLD).await;
            harness.follow(&harness.aws.take_cloudtrail_events()).await
        };
        let (summary, failed) = tokio::join!(now(&harness, FIRST), arrival);
        assert_eq!(failed, Vec::<usize>::new());
        let case = format!("lag of {lag_secs} s, after {arrives_after_ms} ms: {summary:#}");
        check_nothing_is_left_silently(&harness, &case);
        assert_eq!(summary["counts"]["updated"], 6, "{case}");
    }
}

/// Nothing told the rotation, and the index has held the association ever since.
#[tokio::test(start_paused = true)]
async fn the_next_full_run_finds_what_every_other_check_has_missed() {
    let harness = Harness::calm(5);
    now(&harness, FIRST).await;
    let missed = harness.associate("missed", OLD);
    assert!(harness.role(OLD).get("inUse").is_none());
    // A summary shows it even before.
    let summary = now(&harness, FIRST).await;
    assert_eq!(summary["oldRoleInUse"]["by"], missed.as_str());
    harness.reconcile("full").await;
    assert_eq!(
        reversion_rows(&harness, "first")[0]["revertedArn"],
        missed.as_str()
    );
    check_nothing_is_left_silently(&harness, "after the run");
}

/// An operator moves the last association by hand, or an add-on does.
#[tokio::test(start_paused = true)]
async fn the_last_association_that_leaves_frees_the_role() {
    let harness = Harness::new(Options {
        index_lag: index_lag(Duration::from_secs(2)),
        ..Options::default()
    });
    harness.fleet(5);
    let owned = harness.associate("owned", OLD);
    let addon = "arn:aws:eks:us-east-1:111122223333:addon/edge/x/y";
    harness.aws.eks(|eks| eks.set_owner(&owned, Some(addon)));
    let summary = now(&harness, FIRST).await;
    assert_eq!(summary["status"], "Incomplete");
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);
    tokio::time::sleep(Duration::from_hours(2)).await;
    harness.set_role(&owned, NEW);
    let left_at = rerole_core::timestamp::Timestamp::from(harness.aws.now());
    harness.reconcile("full").await;
    let summary = now(&harness, FIRST).await;
    let until = timestamp(&summary["oldRoleInUseUntil"]);
    assert_eq!(until, left_at + Duration::from_mins(361), "{summary:#}");
}

/// A rotation leaves one association on the old role. Then another actor moves it to `role`, and no
/// event tells. Returns its ARN.
async fn move_the_last_one(harness: &Harness, role: &str) -> String {
    let last = harness.associate("last", OLD);
    harness.aws.eks(|eks| eks.deny("edge"));
    let summary = now(harness, FIRST).await;
    assert_eq!(summary["counts"]["failed"], 1);
    harness.aws.eks(|eks| eks.allow("edge"));
    harness.set_role(&last, role);
    last
}

/// The write that frees the role is lost, and nothing leaves the role again.
#[tokio::test(start_paused = true)]
async fn a_full_run_frees_a_role_that_nothing_uses() {
    let harness = Harness::calm(5);
    let last = move_the_last_one(&harness, THIRD).await;
    harness.aws.index_association(INDEX, &last);
    assert!(harness.role(OLD).get("inUse").is_some());
    harness.reconcile("full").await;
    assert!(harness.role(OLD).get("inUse").is_none());
}

/// While an association still uses the role, another one arrives, so nothing is recorded on the
/// role. Then the first one leaves, and the secondary index does not show the other one in time.
#[tokio::test(start_paused = true)]
async fn an_association_that_the_index_shows_late_keeps_the_role_in_use() {
    let harness = Harness::calm(5);
    move_the_last_one(&harness, NEW).await;
    let aws = harness.aws.clone();
    let mut has_arrived = false;
    harness.aws.on_call(move |call| {
        let expression = call.body["UpdateExpression"].as_str();
        if expression.is_some_and(|text| text.contains("REMOVE #inUse")) && !has_arrived {
            let arn = aws.eks(|eks| eks.associate("us-east-1", "prod-1", "shop", "late", OLD));
            aws.index_association(INDEX, &arn);
            has_arrived = true;
        }
        Fault::None
    });
    harness.reconcile("full").await;
    let in_use = &harness.role(OLD)["inUse"];
    assert!(in_use["by"].is_string(), "{in_use:#}");
    roles_with_associations_are_in_use(&harness);
}

/// A rotation that is refused by EKS puts nothing on its new role.
#[tokio::test(start_paused = true)]
async fn a_rotation_that_moves_nothing_does_not_put_its_new_role_to_use() {
    let harness = Harness::calm(3);
    harness.aws.eks(|eks| {
        eks.deny("prod-1");
        eks.deny("prod-2");
    });
    let summary = now(&harness, FIRST).await;
    assert_eq!(summary["counts"]["failed"], 3);
    assert!(harness.role(NEW).get("inUse").is_none());
    assert!(harness.role(OLD).get("inUse").is_some());
}
