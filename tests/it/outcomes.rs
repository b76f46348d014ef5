//! What can become of one association, on the happy path and beside it.

use std::time::Duration;

use rerole_sim::fleet::Fleet;
use rerole_sim::{AddonUpdates, Fault, Options, SameRole, Service};
use serde_json::json;

use crate::guarantees::{Before, check};
use crate::world::{NEW, OLD, THIRD, World, event, plain};

/// Shows the happy path over several pages: every association moves, rows and index say so, and the calls are few.
#[tokio::test(start_paused = true)]
async fn a_fleet_moves_and_the_ledger_tells() {
    let world = World::new(Options::default());
    let fleet = world.fleet(450);
    let before = Before::of(&world);
    let summary = world.finish(&plain()).await;

    assert_eq!(summary["status"], "Succeeded");
    assert_eq!(summary["counts"]["total"], 450);
    assert_eq!(summary["counts"]["updated"], 450);
    assert_eq!(summary["reason"], json!(null));
    for arn in &fleet.rotating {
        assert_eq!(world.role_of(arn).as_deref(), Some(NEW));
        assert_eq!(world.index_item(arn).unwrap()["roleArn"], NEW);
    }
    check(&world, &before);

    // The goals for the happy path: 2 EKS calls, and at most 2.2 DynamoDB calls, for each association.
    assert_eq!(world.call_count(Service::Eks), 2 * 450);
    let dynamodb = world.call_count(Service::DynamoDb);
    assert!(dynamodb * 10 <= 450 * 22, "{dynamodb} DynamoDB calls for 450 associations");
}

/// Shows that the rotation's item and a row keep what the contract promises.
#[tokio::test(start_paused = true)]
async fn the_ledger_keeps_what_the_contract_promises() {
    let world = World::new(Options::default());
    let arn = world.associate("api", OLD);
    let summary = world.finish(&plain()).await;

    let rotation = world.rotation("r-1");
    for name in
        ["rotationId", "status", "oldRoleArn", "newRoleArn", "counts", "startedAt", "finishedAt", "oldRoleInUseUntil"]
    {
        assert_eq!(rotation[name], summary[name], "{name}");
        assert!(!rotation[name].is_null(), "{name}");
    }
    assert_eq!(rotation["fence"], 1);
    assert!(rotation.get("leaseUntil").is_none());

    let row = world.row("r-1", &arn);
    let update = &world.updates()[0];
    assert_eq!(row["outcome"], "Updated");
    assert_eq!(row["entry"], format!("association#{arn}"));
    assert_eq!(
        (&row["clusterName"], &row["namespace"], &row["serviceAccount"]),
        (&json!("edge"), &json!("tools"), &json!("api"))
    );
    assert_eq!((&row["previousRoleArn"], &row["observedRoleArn"]), (&json!(OLD), &json!(OLD)));
    assert_eq!(row["clientRequestToken"].as_str(), update.call.token.as_deref());
    assert_eq!(row["attempts"], 1);
    for name in ["requestId", "observedModifiedAt", "modifiedAt", "createdAt", "settledAt", "disableSessionTags"] {
        assert!(!row[name].is_null(), "{name} in {row:#}");
    }
    assert!(row["modifiedAt"].as_str() > row["observedModifiedAt"].as_str());
    assert!(row.get("inferred").is_none());

    let until: rerole::time::Timestamp = rotation["oldRoleInUseUntil"].as_str().unwrap().parse().unwrap();
    let moved: rerole::time::Timestamp = row["modifiedAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(until, moved + Duration::from_hours(6));
}

/// Shows each ending that needs no error: what EKS shows decides, and only the old role is ever written.
#[tokio::test(start_paused = true)]
async fn what_eks_shows_decides() {
    let world = World::new(Options::default());
    let moved = world.associate("moved", OLD);
    let current = world.associate("current", OLD);
    world.set_role(&current, NEW);
    let drifted = world.associate("drifted", OLD);
    world.set_role(&drifted, THIRD);
    let deleted = world.associate("deleted", OLD);
    world.aws.eks(|eks| eks.delete(&deleted));
    let owned = world.associate("owned", OLD);
    world.aws.eks(|eks| eks.set_owner(&owned, Some("arn:aws:eks:us-east-1:111122223333:addon/edge/csi/1")));
    let elsewhere = world.associate("elsewhere", THIRD);
    let before = Before::of(&world);

    let summary = world.finish(&plain()).await;
    for (arn, outcome, role) in [
        (&moved, "Updated", Some(NEW)),
        (&current, "AlreadyCurrent", Some(NEW)),
        (&drifted, "Drifted", Some(THIRD)),
        (&deleted, "Deleted", None),
        (&owned, "OwnedByAddon", Some(OLD)),
    ] {
        assert_eq!(world.row("r-1", arn)["outcome"], outcome);
        assert_eq!(world.role_of(arn).as_deref(), role);
        let indexed = world.index_item(arn).map(|item| item["roleArn"].as_str().unwrap().to_owned());
        assert_eq!(indexed.as_deref(), role, "the index follows EKS");
    }
    assert_eq!(world.role_of(&elsewhere).as_deref(), Some(THIRD));
    assert_eq!(world.rows("r-1").len(), 5);
    assert_eq!(world.updates().len(), 1);
    assert_eq!(summary["status"], "Succeeded");
    assert_eq!(summary["oldRoleInUseUntil"], json!(null));
    assert_eq!(summary["reason"], "the old role is still in use: 1 owned by an add-on");
    check(&world, &before);
}

/// Shows that an add-on's association is left alone even where EKS would allow the update.
#[tokio::test(start_paused = true)]
async fn an_add_ons_association_is_never_written() {
    for addon_updates in [AddonUpdates::Refused, AddonUpdates::Allowed] {
        let world = World::new(Options { addon_updates, ..Options::default() });
        world.build(&Fleet { rotating: 10, associations: 10, owned_by_addon: 4, ..Fleet::default() });
        let summary = world.finish(&plain()).await;
        assert_eq!(summary["counts"]["ownedByAddon"], 4);
        assert_eq!(world.updates().len(), 6);
    }
}

/// Shows that nobody on the old role is no success.
#[tokio::test(start_paused = true)]
async fn an_empty_index_is_no_success() {
    let world = World::new(Options::default());
    world.associate("elsewhere", THIRD);
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["status"], "NoAssociations");
    assert_eq!(summary["reason"], format!("the index knows no association on {OLD}"));
    assert_eq!(world.call_count(Service::Eks), 0);
}

/// Shows that only clusters and namespaces in scope are touched, and that the rest is counted.
#[tokio::test(start_paused = true)]
async fn a_scope_holds() {
    let world = World::calm(60);
    let inside = world.associate("inside", OLD);
    let summary = world.finish(&event(&json!({ "clusterNames": ["ed*"], "namespaces": ["tools", "none"] }))).await;
    assert_eq!(summary["counts"]["updated"], 1);
    assert_eq!(summary["counts"]["outOfScope"], 60);
    assert_eq!(summary["oldRoleInUseUntil"], json!(null));
    assert_eq!(world.role_of(&inside).as_deref(), Some(NEW));
    assert_eq!(world.aws.eks(|eks| eks.association_count_on(NEW)), 1);
}

/// Shows that an association which somebody else moves between plan and look is drift, and one that is deleted is gone.
#[tokio::test(start_paused = true)]
async fn changes_by_others_in_mid_rotation_are_respected() {
    let world = World::new(Options::default());
    let fleet = world.fleet(40);
    let (drifts, goes) = (fleet.rotating[30].clone(), fleet.rotating[31].clone());
    let before = Before::of(&world);
    let aws = world.aws.clone();
    let (to_third, to_delete) = (drifts.clone(), goes.clone());
    world.aws.on_call(move |call| {
        if call.operation == "UpdatePodIdentityAssociation" {
            let now = aws.now();
            aws.eks(|eks| {
                if eks.association(&to_third).is_some_and(|a| a.role_arn == OLD) {
                    eks.set_role(&to_third, THIRD, now);
                }
                eks.delete(&to_delete);
            });
        }
        Fault::None
    });
    let summary = world.finish(&plain()).await;
    // The first association goes alone, so that its update is the first; it is one of the two only if the order says so.
    assert_eq!(summary["counts"]["drifted"], 1);
    assert_eq!(summary["counts"]["deleted"], 1);
    assert_eq!(summary["counts"]["updated"], 38);
    assert_eq!(world.role_of(&drifts).as_deref(), Some(THIRD));
    assert_eq!(world.row("r-1", &goes)["outcome"], "Deleted");
    assert!(world.index_item(&goes).is_none());
    check(&world, &before);
}

/// Shows that an association deleted between Describe and Update is found deleted, not failed.
#[tokio::test(start_paused = true)]
async fn deleted_between_look_and_write_is_deleted() {
    let world = World::new(Options::default());
    let arn = world.associate("api", OLD);
    let (aws, target) = (world.aws.clone(), arn.clone());
    world.aws.on_call(move |call| {
        if call.operation == "UpdatePodIdentityAssociation" {
            aws.eks(|eks| eks.delete(&target));
        }
        Fault::None
    });
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["deleted"], 1);
    assert_eq!(world.row("r-1", &arn)["attempts"], 1);
}

/// Shows that an association created on the old role while the rotation runs is moved, too.
#[tokio::test(start_paused = true)]
async fn newcomers_are_swept_up() {
    let world = World::new(Options::default());
    world.fleet(20);
    let (aws, mut updates) = (world.aws.clone(), 0);
    world.aws.on_call(move |call| {
        if call.operation == "UpdatePodIdentityAssociation" {
            updates += 1;
            // Once in the first round, and once more in the round that takes up the first newcomer.
            if updates == 10 || updates == 21 {
                let name = format!("late-{updates}");
                let arn = aws.eks(|eks| {
                    let cluster =
                        eks.clusters().next().map(|cluster| (cluster.region.clone(), cluster.name.clone())).unwrap();
                    eks.associate(&cluster.0, &cluster.1, "late", &name, OLD)
                });
                aws.index_association(crate::world::INDEX, &arn);
            }
        }
        Fault::None
    });
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["updated"], 22);
    assert_eq!(world.aws.eks(|eks| eks.association_count_on(OLD)), 0);
}

/// Shows that an index whose secondary index lags is neither believed nor rewritten, and nobody is moved twice.
#[tokio::test(start_paused = true)]
async fn a_lagging_index_costs_nothing_but_a_look() {
    let world = World::new(Options { index_lag: Duration::from_secs(5), ..Options::default() });
    world.fleet(30);
    let before = Before::of(&world);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["updated"], 30);
    assert_eq!(summary["counts"]["returned"], 0);
    assert_eq!(world.updates().len(), 30);
    check(&world, &before);
}

/// Shows that a counterpart which keeps whole seconds is understood.
#[tokio::test(start_paused = true)]
async fn whole_second_versions_are_enough() {
    let world = World::new(Options { modified_at_resolution: Duration::from_secs(1), ..Options::default() });
    world.associate("api", OLD);
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["status"], "Succeeded");
}

/// Shows that no update to the role that is set already is ever sent, so that EKS's answer to it does not matter.
#[tokio::test(start_paused = true)]
async fn the_same_role_is_never_set_again() {
    let world = World::new(Options { same_role_update: SameRole::Refused, ..Options::default() });
    let arn = world.associate("api", OLD);
    world.set_role(&arn, NEW);
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["alreadyCurrent"], 1);
    assert_eq!(world.updates().len(), 0);
}

/// Shows that target role, session tags and policy survive, and that a target role shortens the drain to 59 minutes.
#[tokio::test(start_paused = true)]
async fn everything_but_the_role_survives() {
    let world = World::new(Options::default());
    let arn = world.associate("api", OLD);
    world.aws.eks(|eks| {
        eks.set_target_role(&arn, Some("arn:aws:iam::999900001111:role/data"));
        eks.edit(&arn, |association| {
            association.disable_session_tags = true;
            association.policy = Some(r#"{"Version":"2012-10-17","Statement":[]}"#.to_owned());
            association.tags.insert("team".to_owned(), "pay".to_owned());
        });
    });
    let before = Before::of(&world);
    let summary = world.finish(&plain()).await;
    check(&world, &before);
    let row = world.row("r-1", &arn);
    assert_eq!(row["targetRoleArn"], "arn:aws:iam::999900001111:role/data");
    assert_eq!(row["disableSessionTags"], true);
    assert_eq!(row["tags"], json!({ "team": "pay" }));
    let until: rerole::time::Timestamp = summary["oldRoleInUseUntil"].as_str().unwrap().parse().unwrap();
    let moved: rerole::time::Timestamp = row["modifiedAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(until, moved + Duration::from_mins(59));
}

/// Shows that one bad index item stops a rotation before it touches anything, with an error that names it.
#[tokio::test(start_paused = true)]
async fn an_unreadable_index_item_is_named_and_nothing_is_touched() {
    let world = World::calm(5);
    world.aws.put_item(
        crate::world::INDEX,
        json!({
            "clusterArn": "arn:aws:eks:us-east-1:111122223333:cluster/zoo", "associationId": "a-bad",
            "associationArn": "not an arn", "clusterName": "zoo", "namespace": "n", "serviceAccount": "s",
            "roleArn": OLD, "modifiedAt": "2026-11-23T21:00:00.000Z",
        }),
    );
    let error = world.deliver(&plain()).await.unwrap_err().to_string();
    assert!(error.contains("a-bad") && error.contains("not an arn"), "{error}");
    assert_eq!(world.call_count(Service::Eks), 0);
    assert!(world.rotation("r-1").get("leaseUntil").is_none(), "the lease was given back");
}
