//! What a holder that has been succeeded tries to write to the ledger: every fenced call, and none gets through. A whole
//! rotation notices the loss of its lease before most of them, so that these ask the ledger directly.

use rerole::association::IndexItem;
use rerole::aws::Aws;
use rerole::aws::ledger::{LeaseError, Leaving, Opened};
use rerole::aws::rows::Select;
use rerole::intake::{Intake, read};
use rerole::record::{Headway, RotationRecord};
use rerole::request::RotationRequest;
use rerole::rotation::LEASE;
use rerole::status::{Counts, Status};
use rerole_sim::Options;

use crate::world::{LEDGER, OLD, World, plain, settings};

fn request() -> RotationRequest {
    match read(&plain(), None, "/platform/") {
        Intake::Rotate(request) => *request,
        other => panic!("{other:?}"),
    }
}

async fn open(aws: &Aws, request: &RotationRequest) -> RotationRecord {
    match aws.ledger.open(request, aws.now(), aws.now() + LEASE).await.unwrap() {
        Opened::Ours(record) => *record,
        other => panic!("{other:?}"),
    }
}

fn leaving(aws: &Aws) -> Leaving {
    Leaving { counts: Counts::default(), progress: headway(aws), role_not_ready_ms: 0, idle_since: aws.now() }
}

fn headway(aws: &Aws) -> Headway {
    Headway { at: aws.now(), counts: Counts::default(), settled_per_sec: None, estimated_end_at: None }
}

fn lost<T: std::fmt::Debug>(what: &str, result: Result<T, LeaseError>) {
    assert!(matches!(result, Err(LeaseError::Lost)), "{what}: {result:?}");
}

/// Shows that none of a stale holder's fenced writes changes the ledger.
#[tokio::test(start_paused = true)]
async fn a_stale_holder_writes_nothing_to_the_ledger() {
    let world = World::new(Options::default());
    let arn = world.associate("api", OLD);
    let item: IndexItem = serde_json::from_value(world.index_item(&arn).unwrap()).unwrap();
    let aws = Aws::new(&settings(&[]), world.aws.http_client(), world.aws.time_source());
    let request = request();
    let stale = open(&aws, &request).await;
    tokio::time::sleep(LEASE).await;
    let current = open(&aws, &request).await;
    assert_eq!((stale.fence, current.fence), (1, 2));
    let ledger = world.aws.items(LEDGER);

    let (key, fence) = (&stale.rotation_id, stale.fence);
    lost("renew", aws.ledger.renew(key, fence, aws.now() + LEASE, &headway(&aws)).await);
    lost("plan", aws.ledger.plan(&stale, std::slice::from_ref(&item)).await);
    lost("begin", aws.ledger.begin(key, fence, &Counts::default()).await);
    lost("stop", aws.ledger.stop(key, fence, "because").await);
    lost("give back", aws.ledger.give_back(key, fence, &leaving(&aws)).await);
    let end = RotationRecord { status: Status::Succeeded, finished_at: Some(aws.now()), ..stale.clone() };
    lost("close", aws.ledger.close(&end).await);
    assert_eq!(world.aws.items(LEDGER), ledger);

    // The same of the holder whose turn it is gets through.
    assert_eq!(aws.ledger.plan(&current, &[item]).await.unwrap().created, 1);
    aws.ledger.close(&RotationRecord { fence: current.fence, ..end }).await.unwrap();
    assert!(world.aws.items(LEDGER).iter().all(|item| item["entry"] != "lock"));
}

/// Shows that a renewal which arrives after the lease was given back does not take it again: the next delivery would be
/// told that somebody is at work.
#[tokio::test(start_paused = true)]
async fn a_lease_that_was_given_back_is_not_renewed() {
    let world = World::new(Options::default());
    let aws = Aws::new(&settings(&[]), world.aws.http_client(), world.aws.time_source());
    let record = open(&aws, &request()).await;
    aws.ledger.give_back(&record.rotation_id, record.fence, &leaving(&aws)).await.unwrap();
    let renewed = aws.ledger.renew(&record.rotation_id, record.fence, aws.now() + LEASE, &headway(&aws)).await;
    lost("renew", renewed);
    assert!(world.rotation("r-1").get("leaseUntil").is_none());
    assert_eq!(open(&aws, &request()).await.fence, 2);
}

/// Shows that planning again leaves a settled row as it is, and tells of it.
#[tokio::test(start_paused = true)]
async fn planning_again_turns_no_row_back() {
    let world = World::new(Options::default());
    let arn = world.associate("api", OLD);
    let item: IndexItem = serde_json::from_value(world.index_item(&arn).unwrap()).unwrap();
    let aws = Aws::new(&settings(&[]), world.aws.http_client(), world.aws.time_source());
    let record = open(&aws, &request()).await;
    let key = &record.rotation_id;
    aws.ledger.plan(&record, std::slice::from_ref(&item)).await.unwrap();
    let region = aws.ledger.row_regions(key).await.unwrap().remove(0);
    let row = aws.ledger.rows(key, Select::PendingIn(&region), None).await.unwrap().rows.remove(0);
    let settled = rerole::outcome::Settled {
        ending: rerole::outcome::Ending::Deleted,
        observed: None,
        attempts: 0,
        at: aws.now(),
    };
    assert!(aws.ledger.settle(&row, &settled).await.unwrap());
    let before = world.rows(key);

    let again = aws.ledger.plan(&record, &[item]).await.unwrap();
    assert_eq!((again.created, again.existing.len()), (0, 1));
    assert!(!aws.ledger.settle(&row, &settled).await.unwrap(), "it settles once");
    assert_eq!(world.rows(key), before);
}
