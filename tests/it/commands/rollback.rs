//! Taking back what a rotation has moved, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_core::resource::AssociationArn;
use rerole_core::rotation::LEASE;
use rerole_sim::{ExecutionStatus, Fault, Options, Service, Throttle};
use serde_json::{Value, json};

use crate::cloudtrail::{client, create, on_save_with_state_machine, update};
use crate::common::state_machine::slices;
use crate::guarantees::{Before, check, roles_with_associations_are_in_use};
use crate::harness::{
    Harness, NEW, OLD, STATE_MACHINE, THIRD, TIMEOUT, error, event, is_update, rotation_event,
    timestamp,
};

const ROLLBACK: &str = "rollback/r-1";

fn stack() -> Harness {
    Harness::with_state_machine(Options::default())
}

/// A stack in which 400 updates take 20 seconds.
fn throttled_stack() -> Harness {
    Harness::with_state_machine(Options {
        throttle: Some(Throttle {
            rate_per_sec: 20.0,
            burst: 10.0,
        }),
        ..Options::default()
    })
}

/// Waits until a rotation has moved so many associations.
async fn wait_for_updates(harness: &Harness, key: &str, count: usize) {
    for _ in 0..10_000 {
        if harness.count(key, "Updated") >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{key} does not move {count} associations");
}

/// Sends the command `Rollback` for rotation `r-1`, a moment later than the last command.
async fn command(harness: &Harness, detail: Value) -> Value {
    tokio::time::sleep(Duration::from_secs(1)).await;
    harness.command("Rollback", detail).await
}

/// As [`command`], and plays the rollback to its end. Returns its result.
async fn roll_back(harness: &Harness, detail: Value) -> Value {
    let verdict = command(harness, detail).await;
    assert_eq!(verdict["verdict"], "Accepted", "{verdict:#}");
    play_all(harness).await
}

/// Plays the executions that run, until none does. Returns the output of the last one.
async fn play_all(harness: &Harness) -> Value {
    let mut output = Value::Null;
    for _ in 0..10 {
        let executions = harness.aws.executions().into_iter();
        let running: Vec<String> = executions
            .filter(|execution| execution.status == ExecutionStatus::Running)
            .map(|execution| execution.name)
            .collect();
        let Some(name) = running.first() else {
            return output;
        };
        output = harness.play_execution(name, TIMEOUT).await.output().clone();
    }
    panic!("one execution follows the other: {output:#}");
}

/// The service accounts of all associations with this role.
fn on(harness: &Harness, role: &str) -> BTreeSet<String> {
    harness.aws.eks(|eks| {
        let on_role = eks.associations().filter(|it| it.role_arn == role);
        on_role.map(|it| it.association_arn.clone()).collect()
    })
}

/// Another actor changes a member that is no role.
async fn disable_session_tags(harness: &Harness, arn: &str) {
    let arn: AssociationArn = arn.parse().unwrap();
    let update = client(harness, arn.region()).update_pod_identity_association();
    let update = update
        .cluster_name(arn.cluster_name())
        .association_id(arn.association_id())
        .disable_session_tags(true);
    update.send().await.unwrap();
}

fn outcomes(harness: &Harness) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    for row in harness.rows(ROLLBACK) {
        let outcome = row["outcome"].as_str().unwrap().to_owned();
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

/// A stack in which 40 associations were on the new role before 30 others move there.
async fn moved_beside_others() -> (Harness, [BTreeSet<String>; 2]) {
    let harness = stack();
    harness.fleet(30);
    for number in 0..40 {
        harness.associate(&format!("early-{number}"), NEW);
    }
    let before = [on(&harness, OLD), on(&harness, NEW)];
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 30, "{summary:#}");
    assert_eq!(on(&harness, NEW).len(), 70);
    (harness, before)
}

#[tokio::test(start_paused = true)]
async fn exactly_what_was_moved_goes_back() {
    let (harness, before) = moved_beside_others().await;
    let evidence = Before::of(&harness);
    let summary = roll_back(&harness, json!({ "reason": "INC-1" })).await;
    assert_eq!(summary["status"], "RolledBack", "{summary:#}");
    assert_eq!(summary["rollbackOf"], "r-1");
    assert_eq!(summary["counts"]["updated"], 30);
    assert_eq!(summary["counts"]["outOfScope"], 40);
    assert_eq!([on(&harness, OLD), on(&harness, NEW)], before);
    check(&harness, &evidence);
    roles_with_associations_are_in_use(&harness);

    // The 40 keep the new role in use, and so no time is named from which it would be free.
    assert_eq!(summary["oldRoleArn"], NEW);
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);
    let reason = summary["reason"].as_str().unwrap();
    for part in [
        &format!(
            "running pods keep the credentials of {NEW} until these expire or the pods restart"
        ),
        "and 25 more",
        &format!("{NEW} is still in use: 40 not moved there by the rotation"),
    ] {
        assert!(reason.contains(part), "{part:?} is missing in {reason:?}");
    }
    // The old role is the role of all again, and nothing on it is a reversion.
    assert!(harness.role(OLD).get("inUse").is_some());
    assert_eq!(harness.rotation("r-1").get("reversionCount"), None);

    // The rotation keeps its status, and shows its rollback.
    let parent = harness.finish(&rotation_event()).await;
    assert_eq!(parent["status"], "Succeeded");
    assert_eq!(parent["rollback"]["status"], "RolledBack");
    assert_eq!(parent["rollback"]["at"], summary["finishedAt"]);
    assert_eq!(parent["oldRoleInUseUntil"], Value::Null, "{parent:#}");
    let record = harness.rotation(ROLLBACK);
    assert_eq!(record["rollbackOf"], "r-1");
    let first = harness.ledger_item(ROLLBACK, "timeline#00000001").unwrap();
    assert_eq!(first["reason"], "INC-1");
}

/// It moves the associations also that were on the new role before.
#[tokio::test(start_paused = true)]
async fn the_reverse_rotation_is_no_rollback() {
    let (harness, before) = moved_beside_others().await;
    let reverse = event(&json!({ "rotationId": "r-2", "oldRoleArn": NEW, "newRoleArn": OLD }));
    let summary = harness.finish(&reverse).await;
    assert_eq!(summary["counts"]["updated"], 70);
    assert_ne!(on(&harness, NEW), before[1]);
}

/// When the 40 leave the new role also, the drain of what was taken back counts.
#[tokio::test(start_paused = true)]
async fn the_role_that_a_rollback_leaves_is_drained() {
    let harness = stack();
    harness.fleet(10);
    harness.finish(&rotation_event()).await;
    let summary = roll_back(&harness, json!({})).await;
    assert_eq!(summary["status"], "RolledBack", "{summary:#}");
    assert_eq!(on(&harness, NEW).len(), 0);
    let rows = harness.rows(ROLLBACK);
    let last = rows.iter().map(|row| timestamp(&row["modifiedAt"])).max();
    let until = timestamp(&summary["oldRoleInUseUntil"]);
    assert_eq!(until, last.unwrap() + Duration::from_mins(361));
}

#[tokio::test(start_paused = true)]
async fn an_open_rotation_is_cancelled_and_taken_back_by_one_command() {
    let harness = throttled_stack();
    harness.fleet(200);
    let before = on(&harness, OLD);
    let evidence = Before::of(&harness);
    let (request, queued) = (
        rotation_event(),
        event(&json!({ "rotationId": "r-2", "oldRoleArn": NEW, "newRoleArn": THIRD })),
    );
    let commands = async {
        wait_for_updates(&harness, "r-1", 60).await;
        // It waits for the new role, and would move what has arrived there.
        harness.deliver(&queued).await.unwrap();
        harness
            .command("Rollback", json!({ "reason": "INC-2" }))
            .await
    };
    let (response, verdict) = tokio::join!(harness.deliver(&request), commands);
    assert_eq!(verdict["verdict"], "Accepted", "{verdict:#}");
    assert_eq!(verdict["explanation"], "the rollback is rollback/r-1");
    let response = serde_json::to_value(response.unwrap()).unwrap();
    assert_eq!(response["status"], "Cancelled", "{response:#}");
    play_all(&harness).await;
    let record = harness.rotation(ROLLBACK);
    assert_eq!(record["status"], "RolledBack", "{record:#}");
    assert_eq!(on(&harness, OLD), before);
    assert_eq!(harness.rotation("r-1")["status"], "Cancelled");
    assert_eq!(harness.rotation("r-2")["status"], "NoAssociations");
    assert_eq!(on(&harness, THIRD).len(), 0);
    check(&harness, &evidence);
}

#[tokio::test(start_paused = true)]
async fn what_two_attempts_have_moved_goes_back() {
    let harness = stack();
    harness.fleet(20);
    let before = on(&harness, OLD);
    let evidence = Before::of(&harness);
    let not_valid = error((400, "InvalidRequestException"), "not valid");
    let mut updates = 0;
    harness.inject(not_valid, move |call| {
        updates += u32::from(is_update(call));
        is_update(call) && updates > 15
    });
    let first = harness.finish(&rotation_event()).await;
    assert_eq!(first["counts"]["failed"], 5, "{first:#}");
    harness.aws.clear_hook();
    tokio::time::sleep(Duration::from_secs(1)).await;
    harness.command("Retry", json!({})).await;
    play_all(&harness).await;
    assert_eq!(on(&harness, NEW).len(), 20);
    let summary = roll_back(&harness, json!({})).await;
    assert_eq!(summary["counts"]["updated"], 20, "{summary:#}");
    assert_eq!(on(&harness, OLD), before);
    check(&harness, &evidence);

    // What a rotation has moved was taken back, so it is not tried again.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let retry = harness.command("Retry", json!({})).await;
    assert_eq!(retry["verdict"], "Refused", "{retry:#}");
    let explanation = retry["explanation"].as_str().unwrap();
    assert!(
        explanation.contains("rollback/r-1 has replaced"),
        "{retry:#}"
    );
}

/// The responses to its updates were lost, and a later Describe showed that they took effect.
#[tokio::test(start_paused = true)]
async fn what_a_rotation_has_moved_by_inference_goes_back() {
    let harness = stack();
    harness.fleet(10);
    let before = on(&harness, OLD);
    harness.inject(Fault::LoseResponse, {
        let mut updates = 0;
        move |call| {
            updates += u32::from(is_update(call));
            is_update(call) && updates % 2 == 0
        }
    });
    harness.finish(&rotation_event()).await;
    harness.aws.clear_hook();
    let rows = harness.rows("r-1");
    let inferred = rows.iter().filter(|row| row["inferred"] == true);
    assert!(inferred.count() > 0);
    let summary = roll_back(&harness, json!({})).await;
    assert_eq!(summary["status"], "RolledBack", "{summary:#}");
    assert_eq!(on(&harness, OLD), before);
}

#[tokio::test(start_paused = true)]
async fn both_roles_of_an_association_go_back_but_only_those_that_were_moved() {
    let harness = stack();
    let both = harness.associate_chained("both", OLD, OLD);
    let target = harness.associate_chained("target", THIRD, OLD);
    // Its target role was the new role before.
    let role = harness.associate_chained("role", OLD, NEW);
    let before = Before::of(&harness);
    let roles = |arn: &str| {
        harness.aws.eks(|eks| {
            let mut all = eks.associations();
            let it = all.find(|it| it.association_arn == arn).unwrap();
            (it.role_arn.clone(), it.target_role_arn.clone())
        })
    };
    let shown = [roles(&both), roles(&target), roles(&role)];
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 3, "{summary:#}");
    let summary = roll_back(&harness, json!({})).await;
    assert_eq!(summary["status"], "RolledBack", "{summary:#}");
    assert_eq!([roles(&both), roles(&target), roles(&role)], shown);
    assert_eq!(summary["counts"]["outOfScope"], 1, "its target role stays");
    check(&harness, &before);
}

#[tokio::test(start_paused = true)]
async fn what_has_changed_since_is_left_alone_unless_the_command_includes_it() {
    let harness = stack();
    harness.fleet(10);
    harness.finish(&rotation_event()).await;
    let moved: Vec<String> = on(&harness, NEW).into_iter().collect();
    tokio::time::sleep(Duration::from_hours(1)).await;
    // One has another role by now, one another member, and one was moved back by hand.
    harness.set_role(&moved[0], THIRD);
    disable_session_tags(&harness, &moved[1]).await;
    harness.set_role(&moved[2], OLD);
    let evidence = Before::of(&harness);
    let summary = roll_back(&harness, json!({})).await;
    assert_eq!(summary["status"], "RollbackIncomplete", "{summary:#}");
    let expected = [("AlreadyCurrent", 1), ("ChangedSince", 2), ("Updated", 7)];
    let expected = expected.map(|(outcome, count)| (outcome.to_owned(), count));
    assert_eq!(outcomes(&harness), BTreeMap::from(expected.clone()));
    assert_eq!(summary["counts"]["changedSince"], 2);
    let reason = summary["reason"].as_str().unwrap();
    assert!(reason.contains("2 changed since the rotation"), "{reason}");
    assert_eq!(on(&harness, NEW), BTreeSet::from([moved[1].clone()]));
    check(&harness, &evidence);

    // Without `includeChanged`, the next attempt leaves them alone also.
    let again = roll_back(&harness, json!({})).await;
    assert_eq!(again["status"], "RollbackIncomplete", "{again:#}");
    assert_eq!(outcomes(&harness), BTreeMap::from(expected));
    assert_eq!(harness.rotation(ROLLBACK)["attempt"], 2);
    let included = roll_back(&harness, json!({ "includeChanged": true })).await;
    assert_eq!(included["counts"]["updated"], 8, "{included:#}");
    assert_eq!(included["counts"]["changedSince"], 1);
    assert_eq!(harness.role_of(&moved[1]).as_deref(), Some(OLD));
    assert_eq!(harness.role_of(&moved[0]).as_deref(), Some(THIRD));
    assert_eq!(on(&harness, NEW).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_another_rotation_has_moved_on_is_left_alone() {
    let harness = stack();
    harness.fleet(10);
    harness.finish(&rotation_event()).await;
    let onwards = json!({ "rotationId": "r-2", "oldRoleArn": NEW, "newRoleArn": THIRD });
    harness.finish(&event(&onwards)).await;
    let evidence = Before::of(&harness);
    let summary = roll_back(&harness, json!({})).await;
    assert_eq!(summary["status"], "RollbackIncomplete", "{summary:#}");
    assert_eq!(summary["counts"]["changedSince"], 10);
    assert_eq!(on(&harness, THIRD).len(), 10);
    check(&harness, &evidence);
}

#[tokio::test(start_paused = true)]
async fn a_second_command_finds_the_rollback_of_the_first() {
    let harness = stack();
    harness.fleet(10);
    harness.finish(&rotation_event()).await;
    command(&harness, json!({})).await;
    let again = command(&harness, json!({})).await;
    assert_eq!(again["verdict"], "NoChange", "{again:#}");
    assert_eq!(again["explanation"], "rollback/r-1 is Planning");
    play_all(&harness).await;
    let again = command(&harness, json!({})).await;
    assert_eq!(again["verdict"], "NoChange", "{again:#}");
    let explanation = again["explanation"].as_str().unwrap();
    assert!(explanation.starts_with("rollback/r-1 is RolledBack since"));
    assert_eq!(play_all(&harness).await, Value::Null, "nothing was started");
    // Nothing can be taken back of a rollback.
    let of_rollback = command(&harness, json!({ "rotationId": ROLLBACK })).await;
    assert_eq!(of_rollback["verdict"], "Refused", "{of_rollback:#}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_would_go_back_each_time_it_is_asked() {
    let harness = stack();
    harness.fleet(10);
    harness.finish(&rotation_event()).await;
    let moved: Vec<String> = on(&harness, NEW).into_iter().collect();
    for changed in [0, 3] {
        tokio::time::sleep(Duration::from_hours(1)).await;
        for arn in &moved[..changed] {
            harness.set_role(arn, THIRD);
        }
        let updates = harness.updates().len();
        let summary = roll_back(&harness, json!({ "dryRun": true })).await;
        assert_eq!(summary["status"], "Planned", "{summary:#}");
        assert_eq!(summary["counts"]["wouldUpdate"], 10 - changed);
        let changed_since = summary["counts"].get("changedSince");
        assert_eq!(changed_since.unwrap_or(&json!(0)), &json!(changed));
        assert_eq!(harness.updates().len(), updates);
    }
    assert!(harness.role(OLD).get("heldBy").is_none());
    // It shows the token that is sent then.
    let shown = harness.rows("dry-run/rollback/r-1");
    roll_back(&harness, json!({})).await;
    for row in harness.rows(ROLLBACK) {
        let would = shown
            .iter()
            .find(|shown| shown["associationArn"] == row["associationArn"])
            .unwrap();
        assert_eq!(would["clientRequestToken"], row["clientRequestToken"]);
    }
    let parent = harness.finish(&rotation_event()).await;
    assert_eq!(parent["rollback"]["status"], "RollbackIncomplete");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_has_moved_nothing_is_not_taken_back() {
    let harness = stack();
    harness.fleet(3);
    let unknown = command(&harness, json!({})).await;
    assert_eq!(unknown["verdict"], "Refused", "{unknown:#}");
    let dry_run = event(&json!({ "dryRun": true }));
    harness.finish(&dry_run).await;
    for detail in [json!({ "rotationId": "dry-run/r-1" }), json!({})] {
        let refused = command(&harness, detail).await;
        assert_eq!(refused["verdict"], "Refused", "{refused:#}");
    }
    assert!(harness.ledger_item(ROLLBACK, "rotation").is_none());
}

/// The first rollback found nothing to take back. Then the rotation was tried again.
#[tokio::test(start_paused = true)]
async fn what_an_attempt_after_a_rollback_has_moved_goes_back() {
    let harness = stack();
    harness.fleet(10);
    let before = on(&harness, OLD);
    let evidence = Before::of(&harness);
    let missing = "Role provided in the request does not exist";
    harness.inject(
        error((400, "InvalidParameterException"), missing),
        is_update,
    );
    let commands = async {
        // The rotation waits for the new role by now.
        tokio::time::sleep(Duration::from_secs(10)).await;
        harness.command("Rollback", json!({})).await
    };
    let request = rotation_event();
    let (response, verdict) = tokio::join!(harness.deliver(&request), commands);
    response.unwrap();
    assert_eq!(verdict["verdict"], "Accepted", "{verdict:#}");
    play_all(&harness).await;
    assert_eq!(harness.rotation(ROLLBACK)["status"], "RolledBack");
    harness.aws.clear_hook();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let retry = harness.command("Retry", json!({})).await;
    assert_eq!(retry["verdict"], "Accepted", "{retry:#}");
    play_all(&harness).await;
    assert_eq!(on(&harness, NEW).len(), 10);
    let summary = roll_back(&harness, json!({})).await;
    assert_eq!(summary["counts"]["updated"], 10, "{summary:#}");
    assert_eq!(on(&harness, OLD), before);
    check(&harness, &evidence);
}

/// The stack was deployed again with other paths since the rotation.
#[tokio::test(start_paused = true)]
async fn a_rollback_to_a_role_that_the_stack_may_not_pass_is_refused() {
    let mut harness = stack();
    harness.fleet(3);
    harness.finish(&rotation_event()).await;
    harness.redeploy_rotate(&[
        ("OLD_ROLE_PATH", "/other/"),
        ("STATE_MACHINE_ARN", STATE_MACHINE),
    ]);
    let verdict = command(&harness, json!({})).await;
    assert_eq!(verdict["verdict"], "Refused", "{verdict:#}");
    let explanation = verdict["explanation"].as_str().unwrap();
    assert!(explanation.contains("OLD_ROLE_PATH"), "{explanation}");
    assert!(harness.ledger_item(ROLLBACK, "rotation").is_none());
    assert!(harness.role(OLD).get("heldBy").is_none());
}

/// It is the same engine: one Describe and one update for each association, and as many writes.
#[tokio::test(start_paused = true)]
async fn a_rollback_costs_what_its_rotation_has_cost() {
    let harness = throttled_stack();
    harness.fleet(300);
    let mut costs = Vec::new();
    for _ in 0..2 {
        let from = harness.aws.now();
        harness.aws.clear_calls();
        if costs.is_empty() {
            harness.finish(&rotation_event()).await;
        } else {
            roll_back(&harness, json!({})).await;
        }
        let took = harness.aws.now().duration_since(from).unwrap();
        let calls = [Service::Eks, Service::DynamoDb].map(|service| harness.call_count(service));
        costs.push((calls, took));
    }
    let [(forward, forward_took), (back, back_took)] = costs[..] else {
        panic!("{costs:?}");
    };
    println!("{forward:?} in {forward_took:?}, and {back:?} in {back_took:?}");
    let is_close = |one: usize, other: usize| one.abs_diff(other) * 20 <= one;
    assert!(is_close(forward[0], back[0]), "{costs:?}");
    assert!(is_close(forward[1], back[1]), "{costs:?}");
}

/// It takes longer than an invocation may last.
#[tokio::test(start_paused = true)]
async fn a_long_rollback_continues_in_the_state_machine() {
    let harness = throttled_stack();
    harness.fleet(400);
    let before = on(&harness, OLD);
    harness.finish(&rotation_event()).await;
    let evidence = Before::of(&harness);
    let verdict = command(&harness, json!({})).await;
    assert_eq!(verdict["verdict"], "Accepted", "{verdict:#}");
    let executions = harness.aws.executions();
    let names: Vec<_> = executions.iter().map(|it| it.name.as_str()).collect();
    assert!(names.contains(&"rollback-r-1-1"), "{names:?}");
    let played = harness
        .play(DEADLINE_RESERVE + Duration::from_secs(10))
        .await;
    assert!(slices(&played) > 1, "{}", slices(&played));
    assert_eq!(
        played.output()["status"],
        "RolledBack",
        "{:#}",
        played.output()
    );
    assert_eq!(on(&harness, OLD), before);
    check(&harness, &evidence);
}

/// It dies after an update, and its successor finds the association on the role to go back to.
#[tokio::test(start_paused = true)]
async fn a_rollback_resumes_after_a_death() {
    let harness = stack();
    harness.fleet(10);
    let before = on(&harness, OLD);
    harness.finish(&rotation_event()).await;
    let evidence = Before::of(&harness);
    command(&harness, json!({})).await;
    harness.freeze_after_update(4);
    let resume = json!({ "rotationId": ROLLBACK });
    harness.deliver_and_crash(&resume).await;
    tokio::time::sleep(LEASE).await;
    let summary = harness.finish(&resume).await;
    assert_eq!(summary["status"], "RolledBack", "{summary:#}");
    assert_eq!(on(&harness, OLD), before);
    let rows = harness.rows(ROLLBACK);
    assert!(rows.iter().any(|row| row["inferred"] == true));
    assert_eq!(harness.effective_update_count(), 20);
    check(&harness, &evidence);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_is_gone_fails_the_rollback_and_leaves_the_rotation_as_it_is() {
    for (code, message, advice) in [
        (
            (400, "InvalidParameterException"),
            "Role provided in the request does not exist",
            "create arn:aws:iam::111122223333:role/platform/app-2025 again",
        ),
        (
            (403, "AccessDeniedException"),
            "not authorized to perform: iam:PassRole on resource",
            "by the parameter OldRolePath",
        ),
    ] {
        let harness = stack();
        harness.fleet(5);
        harness.finish(&rotation_event()).await;
        harness.inject(error(code, message), is_update);
        let summary = roll_back(&harness, json!({})).await;
        assert_eq!(summary["status"], "RollbackIncomplete", "{summary:#}");
        let reason = summary["reason"].as_str().unwrap();
        assert!(reason.contains("the role to go back to cannot be used"));
        assert!(reason.contains(advice), "{reason}");
        let rows = harness.rows(ROLLBACK);
        let failed = rows.iter().find(|row| row["outcome"] == "Failed").unwrap();
        let shown = failed["errorMessage"].as_str().unwrap();
        assert!(shown.contains(advice), "{shown}");
        assert_eq!(harness.rotation("r-1")["status"], "Succeeded");
        assert_eq!(on(&harness, NEW).len(), 5);

        // Once the role can be used again, what is left goes back.
        harness.aws.clear_hook();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let retry = json!({ "rotationId": ROLLBACK });
        harness.command("Retry", retry).await;
        let summary = play_all(&harness).await;
        assert_eq!(summary["status"], "RolledBack", "{summary:#}");
        assert_eq!(on(&harness, OLD).len(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_can_be_paused_and_cancelled() {
    let harness = throttled_stack();
    harness.fleet(200);
    harness.finish(&rotation_event()).await;
    let evidence = Before::of(&harness);
    command(&harness, json!({})).await;
    let steer = async {
        wait_for_updates(&harness, ROLLBACK, 60).await;
        let paused = harness
            .command("Pause", json!({ "rotationId": ROLLBACK }))
            .await;
        assert_eq!(paused["verdict"], "Accepted", "{paused:#}");
    };
    let (output, ()) = tokio::join!(play_all(&harness), steer);
    assert_eq!(output["status"], "Paused", "{output:#}");
    let cancelled = harness
        .command("Cancel", json!({ "rotationId": ROLLBACK }))
        .await;
    assert_eq!(cancelled["verdict"], "Accepted", "{cancelled:#}");
    let summary = play_all(&harness).await;
    assert_eq!(summary["status"], "Cancelled", "{summary:#}");
    let (updated, left) = (
        harness.count(ROLLBACK, "Updated"),
        harness.count(ROLLBACK, "NotAttempted"),
    );
    assert_eq!((updated + left, on(&harness, NEW).len()), (200, left));
    assert!(harness.role(NEW).get("inUse").is_some());
    check(&harness, &evidence);
    let summary = roll_back(&harness, json!({})).await;
    assert_eq!(summary["status"], "RolledBack", "{summary:#}");
    assert_eq!(on(&harness, NEW).len(), 0);
}

/// A freeze stops everything, and a rollback waits for its end.
#[tokio::test(start_paused = true)]
async fn a_rollback_waits_while_the_stack_is_frozen() {
    let harness = stack();
    harness.fleet(10);
    harness.finish(&rotation_event()).await;
    harness
        .command("Freeze", json!({ "rotationId": null }))
        .await;
    let verdict = command(&harness, json!({})).await;
    assert_eq!(verdict["verdict"], "Accepted", "{verdict:#}");
    assert_eq!(harness.rotation(ROLLBACK)["status"], "Queued");
    tokio::time::sleep(Duration::from_secs(1)).await;
    harness
        .command("Unfreeze", json!({ "rotationId": null }))
        .await;
    let summary = play_all(&harness).await;
    assert_eq!(summary["status"], "RolledBack", "{summary:#}");
}

/// What another actor moves to the new role again, after it went back, is a reversion.
#[tokio::test(start_paused = true)]
async fn an_association_that_leaves_its_old_role_again_is_a_reversion_of_the_rollback() {
    let harness = on_save_with_state_machine();
    let client = client(&harness, "us-east-1");
    let id = create(&client, "prod-1", "api", OLD).await;
    let created = create(&client, "prod-1", "early", NEW).await;
    harness.follow(&harness.aws.take_cloudtrail_events()).await;
    harness.finish(&rotation_event()).await;
    roll_back(&harness, json!({})).await;
    harness.follow(&harness.aws.take_cloudtrail_events()).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    update(&client, "prod-1", &id, NEW).await;
    // A new association on the new role belongs there.
    create(&client, "prod-1", "late", NEW).await;
    // And one on the old role, which is in use again.
    create(&client, "prod-1", "old", OLD).await;
    harness.follow(&harness.aws.take_cloudtrail_events()).await;
    let reverted = |key: &str| {
        let items = harness.aws.items(crate::harness::LEDGER).into_iter();
        let of_key = items.filter(|item| item["rotationId"] == key);
        let reversions = of_key.filter(|item| item.get("revertedArn").is_some());
        reversions
            .map(|item| item["revertedArn"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let of_rollback = reverted(ROLLBACK);
    assert_eq!(of_rollback.len(), 1, "{of_rollback:?}");
    assert!(of_rollback[0].ends_with(&id), "{of_rollback:?} {created}");
    assert_eq!(reverted("r-1"), Vec::<String>::new());
}
