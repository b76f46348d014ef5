//! Associations that come back to a role which a rotation replaced: what is recorded of them, and when they are none.

use std::time::Duration;

use rerole::rotation::DEADLINE_RESERVE;
use rerole_sim::{Fault, Options};
use serde_json::{Value, json};

use crate::follow::{client, create, told, update};
use crate::stack::properties;
use crate::world::{INDEX, LEDGER, NEW, OLD, THIRD, World, event, plain};

fn returned_rows(world: &World, key: &str) -> Vec<Value> {
    let is_row = |item: &Value| {
        item["rotationId"] == key && item["entry"].as_str().is_some_and(|entry| entry.starts_with("returned#"))
    };
    world.aws.items(LEDGER).into_iter().filter(is_row).collect()
}

fn returned_metric(world: &World) -> u64 {
    world.metrics().iter().filter_map(|line| line["AssociationsReturned"].as_u64()).sum()
}

fn rotate(id: &str, old: &str, new: &str) -> Value {
    event(&json!({ "rotationId": id, "oldRoleArn": old, "newRoleArn": new }))
}

/// Shows that an association which somebody moves back is recorded on the rotation, with who did it, once; and that the old
/// role does not count as free any more.
#[tokio::test(start_paused = true)]
async fn who_moves_an_association_back_is_recorded() {
    let world = told(1);
    let client = client(&world, "us-east-1");
    let id = create(&client, "prod-1", "api", OLD).await;
    create(&client, "prod-1", "worker", OLD).await;
    world.follow(&world.aws.take_trail()).await;
    let summary = world.finish(&plain()).await;
    assert!(summary["oldRoleInUseUntil"].is_string());
    world.follow(&world.aws.take_trail()).await;
    assert_eq!(returned_rows(&world, "r-1"), Vec::<Value>::new(), "the rotation's own updates are none");

    tokio::time::sleep(Duration::from_hours(1)).await;
    update(&client, "prod-1", &id, OLD).await;
    let events = world.aws.take_trail();
    world.follow(&events).await;
    let rows = returned_rows(&world, "r-1");
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert!(row["returnedArn"].as_str().unwrap().ends_with(&id));
    assert_eq!((&row["fields"], &row["serviceAccount"]), (&json!(["roleArn"]), &json!("api")));
    assert!(row["callerArn"].as_str().unwrap().contains("assumed-role/somebody"), "{row:#}");
    assert!(row["userAgent"].as_str().unwrap().contains("aws-sdk-rust"), "{row:#}");
    let rotation = world.rotation("r-1");
    assert_eq!(rotation["status"], "Succeeded", "what was done stays done");
    assert_eq!(rotation["counts"]["returned"], 1);
    assert!(rotation.get("oldRoleInUseUntil").is_none());
    assert!(rotation["reason"].as_str().unwrap().contains("in use again"), "{rotation:#}");
    assert_eq!(returned_metric(&world), 1);
    assert_eq!(world.role_of(row["returnedArn"].as_str().unwrap()).as_deref(), Some(OLD), "nothing is moved by itself");

    world.follow(&events).await;
    world.reconcile("deep").await;
    assert_eq!(returned_rows(&world, "r-1"), rows);
    assert_eq!(world.rotation("r-1"), rotation);
    assert_eq!(returned_metric(&world), 1);
}

/// Shows that a return without an event is found by the next deep look, and nobody is named for it.
#[tokio::test(start_paused = true)]
async fn a_return_without_an_event_is_found() {
    let world = World::calm(20);
    world.reconcile("deep").await;
    world.finish(&plain()).await;
    let arn = world.rows("r-1")[0]["associationArn"].as_str().unwrap().to_owned();
    tokio::time::sleep(Duration::from_hours(1)).await;
    world.set_role(&arn, OLD);
    world.reconcile("deep").await;
    let rows = returned_rows(&world, "r-1");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["returnedArn"], arn);
    assert!(rows[0].get("callerArn").is_none());
}

/// Shows that a new association on the old role is one, in either field, and that what was out of the rotation's scope is none.
#[tokio::test(start_paused = true)]
async fn a_new_association_on_the_old_role_is_recorded() {
    let world = World::calm(10);
    let elsewhere = world.associate("elsewhere", OLD);
    world.finish(&event(&json!({ "clusterNames": ["prod-*"] }))).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    world.aws.eks(|eks| {
        eks.associate("us-east-1", "prod-2", "tools", "new", OLD);
        let chained = eks.associate("us-east-1", "prod-2", "tools", "chained", THIRD);
        eks.set_target_role(&chained, Some(OLD));
        eks.associate("us-east-1", "edge", "tools", "new", OLD);
        let now = eks.association(&elsewhere).unwrap().modified_at + Duration::from_hours(2);
        eks.edit(&elsewhere, |association| association.modified_at = now);
    });
    world.reconcile("deep").await;
    let mut fields: Vec<_> =
        returned_rows(&world, "r-1").iter().map(|row| (row["serviceAccount"].clone(), row["fields"].clone())).collect();
    fields.sort_by_key(|(name, _)| name.to_string());
    assert_eq!(fields, [(json!("chained"), json!(["targetRoleArn"])), (json!("new"), json!(["roleArn"]))]);
    assert_eq!(world.rotation("r-1")["counts"]["returned"], 2);
}

/// Shows that an association which the index did not know when the role was rotated is found to use the old role, although
/// nobody has changed it since.
#[tokio::test(start_paused = true)]
async fn an_association_that_was_missed_is_recorded() {
    let world = told(1);
    let client = client(&world, "us-east-1");
    create(&client, "prod-1", "known", OLD).await;
    world.follow(&world.aws.take_trail()).await;
    create(&client, "prod-1", "late-event", OLD).await;
    let late = world.aws.take_trail();
    let summary = world.finish(&plain()).await;
    assert!(summary["oldRoleInUseUntil"].is_string(), "nobody knew");
    world.follow(&late).await;
    assert_eq!(returned_rows(&world, "r-1").len(), 1);
    assert!(world.rotation("r-1").get("oldRoleInUseUntil").is_none());
}

/// Shows that a rotation which found nobody replaced nothing: the first look at a fleet is no alarm.
#[tokio::test(start_paused = true)]
async fn a_rotation_that_found_nobody_has_no_returns() {
    let world = World::calm(10);
    world.forget_index();
    assert_eq!(world.finish(&plain()).await["status"], "NoAssociations");
    world.reconcile("deep").await;
    assert_eq!(returned_rows(&world, "r-1"), Vec::<Value>::new());
    assert_eq!(returned_metric(&world), 0);
}

/// Shows that an association which the index learns of between the last sweep and the close is moved, too.
#[tokio::test(start_paused = true)]
async fn an_association_that_arrives_after_the_sweep_is_moved() {
    let world = told(1);
    let client = client(&world, "us-east-1");
    create(&client, "prod-1", "known", OLD).await;
    world.follow(&world.aws.take_trail()).await;
    create(&client, "prod-1", "arriving", OLD).await;
    let arriving = world.aws.take_trail();
    // The close is on its way when the event is followed.
    world.aws.on_call(|call| {
        let closes = call.operation == "TransactWriteItems" && call.body.to_string().contains("finishedAt");
        if closes { Fault::Delay(Duration::from_secs(1)) } else { Fault::None }
    });
    let request = plain();
    let (first, _) = tokio::join!(world.deliver(&request), async {
        while world.count("r-1", "Updated") == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.follow(&arriving).await
    });
    first.unwrap_err();
    world.aws.clear_hook();
    let summary = world.finish(&request).await;
    assert_eq!(summary["counts"]["updated"], 2, "{summary:#}");
    assert_eq!(returned_rows(&world, "r-1"), Vec::<Value>::new());
}

/// Shows that rotations of one role in parts are told apart: each knows its own.
#[tokio::test(start_paused = true)]
async fn a_role_that_was_rotated_in_parts_is_watched_in_each() {
    let world = World::calm(20);
    world.reconcile("deep").await;
    for (id, cluster) in [("first", "prod-1"), ("second", "prod-2")] {
        tokio::time::sleep(Duration::from_hours(1)).await;
        world.finish(&event(&json!({ "rotationId": id, "clusterNames": [cluster] }))).await;
    }
    // Rolled back in one cluster only.
    tokio::time::sleep(Duration::from_hours(1)).await;
    let back = json!({ "rotationId": "back", "oldRoleArn": NEW, "newRoleArn": OLD, "clusterNames": ["prod-2"] });
    world.finish(&event(&back)).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    let arn = world.rows("first")[0]["associationArn"].as_str().unwrap().to_owned();
    world.set_role(&arn, OLD);
    world.aws.eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "new", OLD));
    world.reconcile("deep").await;
    assert_eq!(returned_rows(&world, "first").len(), 1);
    assert_eq!(returned_rows(&world, "second"), Vec::<Value>::new(), "the old role is the new one there");
}

/// Shows that two roles which were replaced, in the two fields of one association, are two returns.
#[tokio::test(start_paused = true)]
async fn two_replaced_roles_are_two_returns() {
    let world = World::calm(4);
    world.finish(&plain()).await;
    let arn = world.associate("other", THIRD);
    world.finish(&rotate("r-2", THIRD, "arn:aws:iam::111122223333:role/platform/fourth")).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    world.aws.eks(|eks| eks.set_target_role(&arn, Some(OLD)));
    world.set_role(&arn, THIRD);
    world.reconcile("deep").await;
    assert_eq!((returned_rows(&world, "r-1").len(), returned_rows(&world, "r-2").len()), (1, 1));
}

/// Shows that the alarm watches the metric that is written.
#[tokio::test(start_paused = true)]
async fn the_alarm_watches_what_is_written() {
    let world = World::calm(4);
    world.finish(&plain()).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    world.aws.eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "new", OLD));
    world.reconcile("deep").await;
    let line = world.metrics().into_iter().find(|line| line.get("AssociationsReturned").is_some()).unwrap();
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    let alarm = properties("ReturnedAlarm");
    assert_eq!(
        (&alarm["MetricName"], &alarm["Namespace"], &alarm["Dimensions"][0]["Name"]),
        (&directive["Metrics"][0]["Name"], &directive["Namespace"], &directive["Dimensions"][0][0])
    );
}

/// Shows that a role which a later rotation made the new one, at once or round a chain, is not one that was replaced; and
/// that a rehearsal replaces nothing.
#[tokio::test(start_paused = true)]
async fn a_role_that_was_rotated_back_to_is_no_return() {
    let world = World::calm(10);
    world.reconcile("deep").await;
    world.finish(&event(&json!({ "rotationId": "rehearsal", "dryRun": true }))).await;
    world.aws.eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "new", OLD));
    world.reconcile("deep").await;
    assert_eq!(returned_rows(&world, "dry-run/rehearsal"), Vec::<Value>::new());

    for (id, old, new) in [("r-1", OLD, NEW), ("r-2", NEW, THIRD), ("r-3", THIRD, OLD)] {
        tokio::time::sleep(Duration::from_hours(1)).await;
        world.finish(&rotate(id, old, new)).await;
    }
    tokio::time::sleep(Duration::from_hours(1)).await;
    world.aws.eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "newer", OLD));
    world.reconcile("deep").await;
    for key in ["r-1", "r-2", "r-3"] {
        assert_eq!(returned_rows(&world, key), Vec::<Value>::new(), "{key}");
    }
    // The role in the middle of the chain stays replaced.
    world.aws.eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "newest", NEW));
    world.reconcile("deep").await;
    assert_eq!(returned_rows(&world, "r-2").len(), 1);
}

/// Shows that a return during a rotation is recorded, and that the rotation ends knowing of it.
#[tokio::test(start_paused = true)]
async fn a_return_during_a_rotation_is_known_at_its_end() {
    let world = World::calm(120);
    world.deliver_within(&plain(), DEADLINE_RESERVE + Duration::from_secs(1)).await.unwrap_err();
    let row = world.rows("r-1").into_iter().find(|row| row["outcome"] == "Updated").unwrap();
    let arn = row["associationArn"].as_str().unwrap();
    let left = world.rows("r-1").iter().filter(|row| row["outcome"] == "Pending").count();
    assert!(left > 0);
    tokio::time::sleep(Duration::from_mins(1)).await;
    world.set_role(arn, OLD);
    world.reconcile("deep").await;
    assert_eq!(returned_rows(&world, "r-1").len(), 1, "and none for those that are still to be moved");
    assert!(world.rotation("r-1").get("oldRoleInUseUntil").is_none());
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["returned"], 1, "{summary:#}");
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);
    assert_eq!(summary["counts"]["total"], 120);
}

/// Shows that a return in the very moment in which a rotation closes is not lost: the close does not go through, and the next
/// one knows.
#[tokio::test(start_paused = true)]
async fn a_return_while_a_rotation_closes_is_not_lost() {
    let world = World::calm(10);
    let aws = world.aws.clone();
    let mut closing = 0;
    world.aws.on_call(move |call| {
        let closes = call.operation == "TransactWriteItems" && call.body.to_string().contains("finishedAt");
        closing += u32::from(closes);
        if closes && closing == 1 {
            let is_ours = |item: &Value| item["rotationId"] == "r-1" && item["entry"] == "rotation";
            let mut item = aws.items(LEDGER).into_iter().find(is_ours).unwrap();
            item["returnedCount"] = json!(1);
            aws.put_item(LEDGER, item);
        }
        Fault::None
    });
    world.deliver(&plain()).await.unwrap_err();
    assert_eq!(world.rotation("r-1")["status"], "InProgress");
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["counts"]["returned"], 1, "{summary:#}");
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);
}

/// Shows that a look which dies after it has recorded a return, and before it has stored the item, records nothing twice.
#[tokio::test(start_paused = true)]
async fn a_crash_between_record_and_index_is_healed() {
    for at in 0..12 {
        let world = World::new(Options::default());
        world.associate("api", OLD);
        world.finish(&plain()).await;
        let arn = world.rows("r-1")[0]["associationArn"].as_str().unwrap().to_owned();
        tokio::time::sleep(Duration::from_hours(1)).await;
        world.set_role(&arn, OLD);
        world.aws.clear_calls();
        world.aws.on_call(move |call| if call.index == at { Fault::FreezeAfter } else { Fault::None });
        tokio::select! {
            biased;
            () = world.aws.frozen() => {}
            _ = world.reconcile("deep") => {}
        }
        world.aws.clear_hook();
        tokio::time::sleep(Duration::from_mins(11)).await;
        world.reconcile("deep").await;
        assert_eq!(returned_rows(&world, "r-1").len(), 1, "call {at}");
        assert_eq!(world.rotation("r-1")["counts"]["returned"], 1, "call {at}");
        assert_eq!(world.aws.items(INDEX).iter().filter(|item| item["roleArn"] == OLD).count(), 1, "call {at}");
    }
}
