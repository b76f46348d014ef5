//! An owner that lost its lease cannot write to the ledger, and of two writers that read the same
//! item only one succeeds. These tests call the ledger directly: a whole rotation notices the loss
//! before it makes most of the fenced calls.

use std::fmt::Debug;
use std::time::Duration;

use rerole::aws::Aws;
use rerole::aws::ledger::{Close, LeaseError, Opened, Renewed, Select, SliceSummary};
use rerole::rotate::error::RotateError;
use rerole::rotate::payload::{Payload, Task};
use rerole_core::command::Command;
use rerole_core::indexing::{Claim, Coverage, IndexItem, RUN_LEASE, ReconcileRequest};
use rerole_core::request::Requested;
use rerole_core::rotation::{
    Author, Cause, Counts, Departure, Ending, FailingSince, InUse, KnownRoles, LEASE, Progress,
    RotationRecord, Row, Settled, State, Status,
};
use rerole_sim::{Fault, Options};
use serde_json::{Value, json};

use crate::harness::{
    Harness, LEDGER, NEW, OLD, command_event, event, rotation_event, rules, timestamp,
};

pub fn request() -> Requested {
    match Payload::parse(&rotation_event(), None, &rules()).task {
        Task::Rotate(requested) => *requested,
        other => panic!("{other:?}"),
    }
}

/// An association on the old role, as a rotation reads it from the index.
pub fn indexed_association(harness: &Harness) -> IndexItem {
    let arn = harness.associate("api", OLD);
    serde_json::from_value(harness.index_item(&arn).unwrap()).unwrap()
}

pub async fn open(aws: &Aws, request: &Requested) -> RotationRecord {
    match aws
        .ledger
        .rotations()
        .open(request, &author(), || aws.now())
        .await
        .unwrap()
    {
        Opened::Acquired(record) => *record,
        Opened::NotAcquired(why) => panic!("{why:?}"),
    }
}

/// The command with this name about rotation r-1, with the members of `changes` set. Those that are
/// null are left out.
pub fn command(name: &str, changes: &Value) -> Command {
    let event = command_event(name, changes);
    match Payload::parse(&event, None, &rules()).task {
        Task::Command(command) => *command,
        other => panic!("{other:?}"),
    }
}

/// The author of what a slice changes.
pub fn author() -> Author {
    Author::rerole("q-1")
}

pub fn summary(aws: &Aws) -> SliceSummary {
    SliceSummary {
        counts: Counts::default(),
        progress: progress(aws),
        role_not_ready_ms: 0,
        failing_since: FailingSince::new(),
        has_unconfirmed_updates: false,
        idle_since: aws.now(),
    }
}

pub fn progress(aws: &Aws) -> Progress {
    Progress {
        at: aws.now(),
        counts: Counts::default(),
        settled_per_sec: None,
        estimated_end_at: None,
        regions: Vec::new(),
    }
}

pub fn closed(aws: &Aws, record: &RotationRecord) -> Close {
    let in_use = InUse::until_rotated(&record.key, record.started_at);
    Close {
        record: RotationRecord {
            state: State::finished(Status::Succeeded, aws.now()),
            ..record.clone()
        },
        departure: Departure {
            drained_at: None,
            still_used: None,
        },
        may_have_moved: true,
        seen_use: Some(in_use),
    }
}

fn assert_lost<T: Debug>(operation: &str, result: Result<T, LeaseError>) {
    assert!(
        matches!(result, Err(LeaseError::Lost)),
        "{operation}: {result:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stale_owner_writes_nothing_to_the_ledger() {
    let harness = Harness::new(Options::default());
    let item = indexed_association(&harness);
    let aws = harness.clients();
    let request = request();
    let stale = open(&aws, &request).await;
    tokio::time::sleep(LEASE).await;
    let current = open(&aws, &request).await;
    assert_eq!((stale.fence, current.fence), (1, 2));
    let ledger = harness.aws.items(LEDGER);

    let rows = aws.ledger.rows(&stale.key);
    let owned = aws.ledger.owned(&stale);
    let renewed = owned.renew(aws.now() + LEASE, &progress(&aws)).await;
    assert!(matches!(renewed, Ok(Renewed::Lost)), "{renewed:?}");
    let planned = vec![Row::planned(&stale.old_role_arn, &item)];
    assert_lost("plan", rows.plan(&stale, planned.clone()).await);
    assert_lost(
        "start",
        owned.start(&Counts::default(), &author(), aws.now()).await,
    );
    assert_lost("stop", owned.stop("because", aws.now()).await);
    assert_lost("release", owned.release(&summary(&aws)).await);
    assert_lost("close", owned.close(&closed(&aws, &stale), &author()).await);
    assert_eq!(harness.aws.items(LEDGER), ledger);

    // The current owner can make the same calls.
    let created = rows.plan(&current, planned).await.unwrap().created;
    assert_eq!(created.total(), 1);
    let owned = aws.ledger.owned(&current);
    owned
        .close(&closed(&aws, &current), &author())
        .await
        .unwrap();
    assert!(
        harness
            .aws
            .items(LEDGER)
            .iter()
            .all(|item| item.get("heldBy").is_none())
    );
}

/// A renewal can arrive after its owner released the lease. If it acquired the lease again, the
/// next delivery would find the rotation busy.
#[tokio::test(start_paused = true)]
async fn a_released_lease_is_not_renewed() {
    let harness = Harness::new(Options::default());
    let aws = harness.clients();
    let record = open(&aws, &request()).await;
    let owned = aws.ledger.owned(&record);
    owned.release(&summary(&aws)).await.unwrap();
    let renewed = owned.renew(aws.now() + LEASE, &progress(&aws)).await;
    assert!(matches!(renewed, Ok(Renewed::Lost)), "{renewed:?}");
    assert!(harness.rotation("r-1").get("leaseUntil").is_none());
    assert_eq!(open(&aws, &request()).await.fence, 2);
}

#[tokio::test(start_paused = true)]
async fn planning_again_reports_a_settled_row_and_keeps_it() {
    let harness = Harness::new(Options::default());
    let item = indexed_association(&harness);
    let aws = harness.clients();
    let record = open(&aws, &request()).await;
    let rows = aws.ledger.rows(&record.key);
    let planned = vec![Row::planned(&record.old_role_arn, &item)];
    rows.plan(&record, planned.clone()).await.unwrap();
    let region = rows.regions().await.unwrap().remove(0);
    let page = rows.page(Select::PendingIn(&region), None).await.unwrap();
    let row = page.items.into_iter().next().unwrap();
    let settled = Settled {
        ending: Ending::Deleted,
        observed: None,
        attempts: 0,
        refusals: 0,
        at: aws.now(),
    };
    assert!(rows.settle(&row, &settled).await.unwrap());
    let before = harness.rows("r-1");

    let again = rows.plan(&record, planned).await.unwrap();
    assert_eq!((again.created.total(), again.existing.len()), (0, 1));
    assert!(
        !rows.settle(&row, &settled).await.unwrap(),
        "a row settles only once"
    );
    assert_eq!(harness.rows("r-1"), before);
}

pub fn full_run(regions: &[&str]) -> ReconcileRequest {
    let request = json!({ "mode": "full", "regions": regions });
    let indexed = ["eu-west-1", "us-east-1"].map(str::to_owned);
    ReconcileRequest::parse(&request, &Coverage::of(&indexed)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn of_two_claims_at_once_one_has_the_index_run_and_a_stale_owner_cannot_save_it() {
    let harness = Harness::new(Options::default());
    let aws = harness.indexer_clients();
    let (runs, request) = (aws.ledger.index_runs(), full_run(&["us-east-1"]));
    let claims = tokio::join!(
        runs.claim(&request, aws.now()),
        runs.claim(&request, aws.now())
    );
    let stale = match (claims.0.unwrap(), claims.1.unwrap()) {
        (Claim::Claimed(run), Claim::Running(_)) | (Claim::Running(_), Claim::Claimed(run)) => run,
        other => panic!("not one of the two has the run: {other:?}"),
    };
    tokio::time::sleep(RUN_LEASE).await;
    let Claim::Claimed(current) = runs.claim(&request, aws.now()).await.unwrap() else {
        panic!("the lease has ended");
    };
    assert_eq!((stale.fence, current.fence), (1, 2));
    assert_lost("save", runs.save(&stale).await);
    runs.save(&current).await.unwrap();
}

/// The request arrives after the claim has read the one that waits.
#[tokio::test(start_paused = true)]
async fn a_request_that_replaces_the_claimed_one_keeps_waiting() {
    let harness = Harness::new(Options::default());
    let aws = harness.indexer_clients();
    let runs = aws.ledger.index_runs();
    let ReconcileRequest::Run(waiting) = full_run(&["us-east-1"]) else {
        panic!("a run");
    };
    runs.queue(&waiting).await.unwrap();
    let other = json!({ "mode": "full", "regions": ["eu-west-1"] });
    let item = json!({ "rotationId": "index", "entry": "next", "request": other });
    let (sim, replacement) = (harness.aws.clone(), item.clone());
    harness.aws.on_call(move |call| {
        if call.operation == "UpdateItem" && call.subject.ends_with("index/next") {
            sim.put_item(LEDGER, replacement.clone());
        }
        Fault::None
    });
    let claim = runs.claim(&ReconcileRequest::Resume, aws.now()).await;
    let Claim::Claimed(run) = claim.unwrap() else {
        panic!("a request waits");
    };
    assert_eq!(run.request, waiting);
    assert_eq!(harness.ledger_item("index", "next"), Some(item));
}

/// A check takes the next number of an execution, after another invocation has read the last one.
#[tokio::test(start_paused = true)]
async fn each_execution_has_a_number_of_its_own() {
    let harness = Harness::calm(1);
    let (aws, by) = (harness.clients(), author());
    let opened = open(&aws, &request()).await;
    let rotations = aws.ledger.rotations();
    let apply = async |cause, seen: &RotationRecord| {
        let changed = rotations.apply(cause, seen, (&by, None), aws.now()).await;
        changed.unwrap().unwrap()
    };
    let paused = apply(Cause::Frozen, &opened).await;
    assert!(rotations.set_execution_run(&paused.key, 1).await.unwrap());
    let resumed = apply(Cause::Unfrozen, &paused).await;
    assert_eq!(resumed.execution_run, 3);
}

/// An arrival is planned in an open rotation, once. For a finished one, it is a reversion.
#[tokio::test(start_paused = true)]
async fn an_arrival_counts_only_while_the_rotation_is_open() {
    let harness = Harness::new(Options::default());
    let item = indexed_association(&harness);
    let aws = harness.clients();
    let record = open(&aws, &request()).await;
    let row = Row::planned(&record.old_role_arn, &item);
    let aws = harness.indexer_clients();
    let reversions = aws.ledger.reversions();
    for _ in 0..2 {
        let is_open = reversions.record_arrival(&record.key, &row).await;
        assert!(is_open.unwrap());
    }
    assert_eq!(harness.count("r-1", "Pending"), 1);
    let aws = harness.clients();
    let record = aws.ledger.rotations().read(&record.key).await.unwrap();
    let record = record.unwrap();
    assert_eq!(record.arrivals, 1);
    let owned = aws.ledger.owned(&record);
    owned
        .close(&closed(&aws, &record), &author())
        .await
        .unwrap();
    let before = harness.rotation("r-1");
    let other = Row {
        association_arn: harness.associate("other", OLD).parse().unwrap(),
        ..row
    };
    let is_open = reversions.record_arrival(&record.key, &other).await;
    assert!(!is_open.unwrap());
    assert_eq!(harness.rows("r-1").len(), 1);
    assert_eq!(harness.rotation("r-1"), before);
}

/// The sweep can find it nevertheless, because a secondary index lags behind its table.
#[tokio::test(start_paused = true)]
async fn an_index_item_that_has_left_the_old_role_is_not_repaired() {
    let harness = Harness::new(Options::default());
    let (lagging, repaired) = (harness.associate("a", OLD), harness.associate("b", NEW));
    let aws = harness.clients();
    let known = KnownRoles {
        role_arn: NEW.to_owned(),
        target_role_arn: None,
        modified_at: aws.now(),
    };
    for (arn, expected) in [(lagging, true), (repaired, false)] {
        let before = harness.index_item(&arn);
        let (parsed, old_role) = (arn.parse().unwrap(), OLD.parse().unwrap());
        let repair = aws
            .index
            .repair_roles(&parsed, &old_role, &known, aws.now());
        assert_eq!(repair.await.unwrap(), expected, "{arn}");
        assert_eq!(harness.index_item(&arn) != before, expected, "{arn}");
    }
}

/// What the owner of a lease does to its rotation at this time.
type Change = fn(&mut Value, &str);

/// A delivery reads the expired lease of a slice that seems dead. Before the delivery takes it
/// over, the slice closes the rotation, or renews its lease. Neither changes the fence.
#[tokio::test(start_paused = true)]
async fn a_lease_is_taken_over_only_if_it_is_the_one_that_was_read() {
    let closed = |item: &mut Value, now: &str| {
        item["status"] = json!("Succeeded");
        item["phase"] = json!("Finished");
        item["finishedAt"] = json!(now);
        item.as_object_mut().unwrap().remove("leaseUntil");
    };
    let renewed = |item: &mut Value, now: &str| item["leaseUntil"] = json!(now);
    for (change, expected) in [(closed as Change, "Finished"), (renewed, "AlreadyRunning")] {
        let harness = Harness::new(Options::default());
        let aws = harness.clients();
        open(&aws, &request()).await;
        tokio::time::sleep(LEASE).await;
        let (sim, later) = (harness.aws.clone(), aws.now() + LEASE);
        let mut rotation = harness.rotation("r-1");
        let mut is_first = true;
        harness.aws.on_call(move |call| {
            if call.operation == "TransactWriteItems" && std::mem::take(&mut is_first) {
                change(&mut rotation, &later.to_string());
                sim.put_item(LEDGER, rotation.clone());
            }
            Fault::None
        });
        let opened = aws
            .ledger
            .rotations()
            .open(&request(), &author(), || aws.now())
            .await;
        let opened = match opened.unwrap() {
            Opened::Acquired(_) => "Acquired".to_owned(),
            Opened::NotAcquired(why) => format!("{why:?}"),
        };
        assert!(opened.starts_with(expected), "{opened}");
        assert_eq!(harness.rotation("r-1")["fence"], 1);
    }
}

/// The response to an attempt to open a rotation is lost, and DynamoDB cancels what the SDK sends
/// again because of a conflict. Then the next attempt is refused because of the first. No other
/// invocation works on the rotation, so this one must not end as if there was one.
#[tokio::test(start_paused = true)]
async fn an_opening_that_is_refused_because_of_its_own_effect_is_delivered_again() {
    let harness = Harness::calm(3);
    let aws = harness.clients();
    open(&aws, &request()).await;
    tokio::time::sleep(LEASE).await;
    let (sim, mut rotation) = (harness.aws.clone(), harness.rotation("r-1"));
    let mut is_first = true;
    harness.aws.on_call(move |call| {
        if call.operation == "TransactWriteItems" && std::mem::take(&mut is_first) {
            let update = &call.body["TransactItems"][0]["Update"];
            let values = &update["ExpressionAttributeValues"];
            rotation["fence"] = json!(2);
            rotation["leaseUntil"] = values[":leaseUntil"]["S"].clone();
            rotation["leaseOwner"] = values[":leaseOwner"]["S"].clone();
            sim.put_item(LEDGER, rotation.clone());
        }
        Fault::None
    });
    let error = harness.deliver(&rotation_event()).await.unwrap_err();
    assert!(
        matches!(error, RotateError::LedgerUnavailable { .. }),
        "{error}"
    );
    tokio::time::sleep(Duration::from_mins(1)).await;
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 3);
    assert_eq!(harness.rotation("r-1")["fence"], 3);
}

/// A rotation's `startedAt` tells which rotation of a role was the last. So a rotation that stands
/// still while it opens does not count as one that ran before those that ran meanwhile.
#[tokio::test(start_paused = true)]
async fn rotations_of_a_role_start_in_the_order_in_which_they_are_opened() {
    let harness = Harness::new(Options::default());
    let (aws, request, author) = (harness.clients(), request(), author());
    let rotations = aws.ledger.rotations();
    let mut opening = std::pin::pin!(rotations.open(&request, &author, || aws.now()));
    let is_sent = async {
        while harness.calls("TransactWriteItems").is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        opened = opening.as_mut() => panic!("{opened:?}"),
        () = is_sent => {}
    }
    // It is not polled meanwhile, and its transaction arrives after all of this.
    let back = event(&json!({ "rotationId": "r-2", "oldRoleArn": NEW, "newRoleArn": OLD }));
    harness.finish(&back).await;
    let _ = opening.await;
    tokio::time::sleep(LEASE).await;
    harness.finish(&rotation_event()).await;
    let finished_at = timestamp(&harness.rotation("r-2")["finishedAt"]);
    let started_at = timestamp(&harness.rotation("r-1")["startedAt"]);
    assert!(
        started_at >= finished_at,
        "{started_at} is before {finished_at}"
    );
}
