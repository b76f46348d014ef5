//! How one association can end in a rotation: moved, already current, drifted, deleted, owned by an
//! add-on or out of scope. Faults of AWS are in `failures/`, target roles in `target_roles.rs`.

use std::time::Duration;

use rerole_sim::fleet::Fleet;
use rerole_sim::{AddonUpdates, Fault, Options, SameRoleUpdates, Service};
use serde_json::{Value, json};

use crate::guarantees::{Before, check};
use crate::harness::{
    Harness, INDEX, NEW, OLD, THIRD, event, is_describe, is_update, rotation_event, timestamp,
};

/// Attributes that a finished rotation has in the ledger and in the summary.
const ROTATION_ATTRIBUTES: [&str; 7] = [
    "rotationId",
    "status",
    "oldRoleArn",
    "newRoleArn",
    "counts",
    "startedAt",
    "finishedAt",
];
/// Attributes that the row of an updated association has, beside those that the test compares.
const ROW_ATTRIBUTES: [&str; 6] = [
    "requestId",
    "observedModifiedAt",
    "modifiedAt",
    "createdAt",
    "settledAt",
    "disableSessionTags",
];

/// The fleet takes several pages of the index.
#[tokio::test(start_paused = true)]
async fn a_fleet_moves_with_two_eks_calls_per_association() {
    let harness = Harness::new(Options::default());
    let fleet = harness.fleet(450);
    let before = Before::of(&harness);
    let summary = harness.finish(&rotation_event()).await;

    assert_eq!(summary["status"], "Succeeded");
    assert_eq!(summary["counts"]["total"], 450);
    assert_eq!(summary["counts"]["updated"], 450);
    assert_eq!(summary["reason"], json!(null));
    for arn in &fleet.rotating {
        assert_eq!(harness.role_of(arn).as_deref(), Some(NEW));
        assert_eq!(harness.index_item(arn).unwrap()["roleArn"], NEW);
    }
    check(&harness, &before);

    // The goals for a run without faults: 2 EKS calls and at most 2.2 DynamoDB calls per
    // association.
    assert_eq!(harness.call_count(Service::Eks), 2 * 450);
    let dynamodb = harness.call_count(Service::DynamoDb);
    assert!(
        dynamodb * 10 <= 450 * 22,
        "{dynamodb} DynamoDB calls for 450 associations"
    );
}

#[tokio::test(start_paused = true)]
async fn the_ledger_keeps_what_the_contract_promises() {
    let harness = Harness::new(Options::default());
    let arn = harness.associate("api", OLD);
    let summary = harness.finish(&rotation_event()).await;

    let rotation = harness.rotation("r-1");
    for name in ROTATION_ATTRIBUTES {
        assert_eq!(rotation[name], summary[name], "{name}");
        assert!(!rotation[name].is_null(), "{name}");
    }
    assert_eq!(rotation["fence"], 1);
    assert!(rotation.get("leaseUntil").is_none());

    let row = harness.row("r-1", &arn);
    let update = &harness.updates()[0];
    assert_eq!(row["outcome"], "Updated");
    assert_eq!(row["entry"], format!("association#{arn}"));
    for (name, value) in [
        ("clusterName", "edge"),
        ("namespace", "tools"),
        ("serviceAccount", "api"),
    ] {
        assert_eq!(row[name], value, "{name}");
    }
    assert_eq!(
        (&row["previousRoleArn"], &row["observedRoleArn"]),
        (&json!(OLD), &json!(OLD))
    );
    assert_eq!(
        row["clientRequestToken"].as_str(),
        update.call.token.as_deref()
    );
    assert_eq!(row["attempts"], 1);
    for name in ROW_ATTRIBUTES {
        assert!(!row[name].is_null(), "{name} in {row:#}");
    }
    assert!(row["modifiedAt"].as_str() > row["observedModifiedAt"].as_str());
    assert!(row.get("inferred").is_none());

    let until = timestamp(&summary["oldRoleInUseUntil"]);
    assert_eq!(
        until,
        timestamp(&row["modifiedAt"]) + Duration::from_hours(6) + Duration::from_mins(1)
    );
    assert_eq!(timestamp(&rotation["drainedAt"]), until);
    assert_eq!(timestamp(&harness.role(OLD)["leftUntil"]), until);
    for (role, side) in [(OLD, "from"), (NEW, "onto")] {
        let started_at = rotation["startedAt"].as_str().unwrap();
        let entry = format!("{side}#{started_at}#r-1");
        assert!(
            harness
                .ledger_item(&format!("role/{role}"), &entry)
                .is_some()
        );
    }
    assert_eq!(harness.role(NEW)["inUse"]["by"], "r-1");
}

/// The role that EKS shows decides the outcome, and only associations on the old role are written.
/// It happens after the plan, at a version that is newer than the rotation. No update was sent.
#[tokio::test(start_paused = true)]
async fn an_association_that_another_actor_moves_first_is_current_and_not_inferred() {
    let harness = Harness::calm(0);
    let arn = harness.associate("api", OLD);
    let (aws, moved) = (harness.aws.clone(), arn.clone());
    let mut is_first = true;
    harness.aws.on_call(move |call| {
        if is_describe(call) && std::mem::take(&mut is_first) {
            let now = aws.now();
            aws.eks(|eks| eks.set_role(&moved, NEW, now));
        }
        Fault::None
    });
    harness.finish(&rotation_event()).await;
    let row = harness.row("r-1", &arn);
    assert_eq!(row["outcome"], "AlreadyCurrent", "{row:#}");
    assert_eq!(row.get("inferred"), None, "{row:#}");
}

/// EKS has certainly not processed an update that it throttled.
#[tokio::test(start_paused = true)]
async fn a_throttled_update_is_no_attempt() {
    let harness = Harness::calm(20);
    let mut updates = 0;
    harness.inject(Fault::Throttle, move |call| {
        updates += u32::from(is_update(call));
        is_update(call) && updates % 3 == 0
    });
    harness.finish(&rotation_event()).await;
    let throttled = harness.updates();
    let throttled = throttled.iter().filter(|call| call.status == Some(429));
    assert!(throttled.count() > 0);
    for row in harness.rows("r-1") {
        assert_eq!(row["attempts"], 1, "{row:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_role_in_eks_decides_the_outcome() {
    let harness = Harness::new(Options::default());
    let moved = harness.associate("moved", OLD);
    let current = harness.associate("current", OLD);
    harness.set_role(&current, NEW);
    let drifted = harness.associate("drifted", OLD);
    harness.set_role(&drifted, THIRD);
    let deleted = harness.associate("deleted", OLD);
    harness.aws.eks(|eks| eks.delete(&deleted));
    let owned = harness.associate("owned", OLD);
    let addon = "arn:aws:eks:us-east-1:111122223333:addon/edge/csi/1";
    harness.aws.eks(|eks| eks.set_owner(&owned, Some(addon)));
    let elsewhere = harness.associate("elsewhere", THIRD);
    let before = Before::of(&harness);

    let summary = harness.finish(&rotation_event()).await;
    for (arn, outcome, role) in [
        (&moved, "Updated", Some(NEW)),
        (&current, "AlreadyCurrent", Some(NEW)),
        (&drifted, "Drifted", Some(THIRD)),
        (&deleted, "Deleted", None),
        (&owned, "OwnedByAddon", Some(OLD)),
    ] {
        assert_eq!(harness.row("r-1", arn)["outcome"], outcome);
        assert_eq!(harness.role_of(arn).as_deref(), role);
        let item = harness.index_item(arn);
        let indexed = item.as_ref().map(|item| item["roleArn"].as_str().unwrap());
        assert_eq!(indexed, role, "the index follows EKS");
    }
    assert_eq!(harness.role_of(&elsewhere).as_deref(), Some(THIRD));
    assert_eq!(harness.rows("r-1").len(), 5);
    assert_eq!(harness.updates().len(), 1);
    assert_eq!(summary["status"], "Incomplete");
    assert_eq!(summary["oldRoleInUseUntil"], json!(null));
    assert_eq!(
        summary["reason"],
        "the old role is still in use: 1 owned by an add-on"
    );
    check(&harness, &before);
}

/// Also if EKS would allow the update.
#[tokio::test(start_paused = true)]
async fn an_add_ons_association_is_never_written() {
    for addon_updates in [AddonUpdates::Rejected, AddonUpdates::Accepted] {
        let harness = Harness::new(Options {
            addon_updates,
            ..Options::default()
        });
        let fleet = Fleet {
            rotating: 10,
            associations: 10,
            owned_by_addon: 4,
            ..Fleet::default()
        };
        harness.build(&fleet);
        let summary = harness.finish(&rotation_event()).await;
        assert_eq!(summary["counts"]["ownedByAddon"], 4);
        assert_eq!(harness.updates().len(), 6);
    }
}

/// An old role without associations can be a typing error or a missing index.
#[tokio::test(start_paused = true)]
async fn a_rotation_without_associations_is_no_success() {
    let harness = Harness::new(Options::default());
    harness.associate("elsewhere", THIRD);
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "NoAssociations");
    assert_eq!(
        summary["reason"],
        format!("the index has no association on {OLD}")
    );
    assert_eq!(harness.call_count(Service::Eks), 0);
}

#[tokio::test(start_paused = true)]
async fn associations_out_of_scope_are_counted_and_not_moved() {
    let harness = Harness::calm(60);
    let inside = harness.associate("inside", OLD);
    let scope = json!({ "clusterNames": ["ed*"], "namespaces": ["tools", "none"] });
    let summary = harness.finish(&event(&scope)).await;
    assert_eq!(summary["counts"]["updated"], 1);
    assert_eq!(summary["counts"]["outOfScope"], 60);
    assert_eq!(summary["oldRoleInUseUntil"], json!(null));
    assert_eq!(harness.role_of(&inside).as_deref(), Some(NEW));
    assert_eq!(harness.aws.eks(|eks| eks.association_count_on(NEW)), 1);
}

/// Clusters of two regions have the same name.
#[tokio::test(start_paused = true)]
async fn a_scope_names_regions_and_service_accounts() {
    let harness = Harness::new(Options::default());
    let [inside, other_region, excluded] = [
        ("us-east-1", "web"),
        ("eu-west-1", "web"),
        ("us-east-1", "batch.v1"),
    ]
    .map(|(region, service_account)| {
        let arn = harness
            .aws
            .eks(|eks| eks.associate(region, "prod", "shop", service_account, OLD));
        harness.aws.index_association(INDEX, &arn);
        arn
    });
    let scope = json!({ "regions": ["us-*"], "serviceAccounts": ["!batch.*"] });
    let summary = harness.finish(&event(&scope)).await;
    assert_eq!(summary["counts"]["updated"], 1);
    assert_eq!(summary["counts"]["outOfScope"], 2);
    assert_eq!(harness.role_of(&inside).as_deref(), Some(NEW));
    for arn in [other_region, excluded] {
        assert_eq!(harness.role_of(&arn).as_deref(), Some(OLD));
    }
}

/// Some AWS emulators keep times in whole seconds.
#[tokio::test(start_paused = true)]
async fn versions_of_whole_seconds_are_enough() {
    let modified_at_resolution = Duration::from_secs(1);
    let harness = Harness::new(Options {
        modified_at_resolution,
        ..Options::default()
    });
    harness.associate("api", OLD);
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "Succeeded");
}

/// EKS does not document its response to such an update, so rerole must not depend on it.
#[tokio::test(start_paused = true)]
async fn no_update_sets_the_role_that_is_already_set() {
    let same_role_updates = SameRoleUpdates::Rejected;
    let harness = Harness::new(Options {
        same_role_updates,
        ..Options::default()
    });
    let arn = harness.associate("api", OLD);
    harness.set_role(&arn, NEW);
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["alreadyCurrent"], 1);
    assert_eq!(harness.updates().len(), 0);
}

/// Target role, session tags, policy and tags stay. With a target role, credentials come from role
/// chaining and live 59 minutes, so the old role is in use for that long.
#[tokio::test(start_paused = true)]
async fn an_update_keeps_everything_but_the_role() {
    let harness = Harness::new(Options::default());
    let arn = harness.associate_chained("api", OLD, "arn:aws:iam::999900001111:role/data");
    harness.aws.eks(|eks| {
        eks.edit(&arn, |association| {
            association.disable_session_tags = true;
            association.policy = Some(r#"{"Version":"2012-10-17","Statement":[]}"#.to_owned());
            association.tags.insert("team".to_owned(), "pay".to_owned());
        });
    });
    let before = Before::of(&harness);
    let summary = harness.finish(&rotation_event()).await;
    check(&harness, &before);
    let row = harness.row("r-1", &arn);
    assert_eq!(row["targetRoleArn"], "arn:aws:iam::999900001111:role/data");
    assert_eq!(row["disableSessionTags"], true);
    assert_eq!(row["tags"], json!({ "team": "pay" }));
    let until = timestamp(&summary["oldRoleInUseUntil"]);
    assert_eq!(
        until,
        timestamp(&row["modifiedAt"]) + Duration::from_hours(1)
    );
}

/// EKS may return a session policy with other whitespace and in another order than it was set. It
/// is the same document, so nothing but the role has changed.
#[tokio::test(start_paused = true)]
async fn a_session_policy_that_comes_back_in_another_form_is_the_same() {
    let harness = Harness::new(Options {
        reformat_policies: true,
        ..Options::default()
    });
    let policy = r#"{"Version": "2012-10-17", "Statement": []}"#;
    let arns = ["a", "b"].map(|name| harness.associate(name, OLD));
    for arn in &arns {
        harness.aws.eks(|eks| {
            eks.edit(arn, |association| {
                association.policy = Some(policy.to_owned());
                // Without a target role, EKS requires this for a session policy.
                association.disable_session_tags = true;
            });
        });
    }
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "Succeeded", "{summary:#}");
    for arn in &arns {
        let row = harness.row("r-1", arn);
        let recorded = row["policy"].as_str().unwrap();
        assert_ne!(recorded, policy, "the row has what EKS returned");
        let documents = [recorded, policy].map(|text| text.parse::<Value>().unwrap());
        assert_eq!(documents[0], documents[1]);
    }
}
