//! Rotations that nobody works on: which ones the watch finds, and what it says of them.

use std::time::Duration;

use rerole::handler::HandlerError;
use rerole::record::Reply;
use rerole::rotation::{DEADLINE_RESERVE, LEASE};
use rerole::watch::STALLED_AFTER;
use rerole_sim::{Fault, Options, Service};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::{LEDGER, OLD, World, event, in_virtual_time, plain};

fn watch_event() -> Value {
    json!({ "watch": "stalledRotations" })
}

/// The stalled rotations, as reply and metric say alike.
async fn stalled(world: &World) -> Vec<String> {
    let reply = world.deliver(&watch_event()).await.unwrap();
    let Reply::Watched { stalled_rotations } = reply else { panic!("{reply:?}") };
    assert_eq!(world.metrics().last().unwrap()["StalledRotations"], stalled_rotations.len());
    stalled_rotations
}

/// Shows that a rotation which ran out of time is stalled once no retry can be expected, until it is finished.
#[tokio::test(start_paused = true)]
async fn a_rotation_without_a_retry_is_stalled() {
    let world = World::calm(200);
    assert_eq!(stalled(&world).await, Vec::<String>::new());
    world.deliver_within(&plain(), DEADLINE_RESERVE + Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(world.rotation("r-1")["status"], "InProgress");
    let left_at = Instant::now();
    tokio::time::sleep(STALLED_AFTER / 2).await;
    assert_eq!(stalled(&world).await, Vec::<String>::new(), "a retry may be on its way");
    tokio::time::sleep_until(left_at + STALLED_AFTER).await;
    assert_eq!(stalled(&world).await, ["r-1"]);
    world.finish(&plain()).await;
    assert_eq!(stalled(&world).await, Vec::<String>::new());
}

/// Shows that a rotation whose holder died in it is stalled, too, whether it was planning or at work; its lease tells since
/// when.
#[test]
fn a_rotation_whose_holder_died_is_stalled() {
    for (operation, status) in [("Query", "Planning"), ("UpdatePodIdentityAssociation", "InProgress")] {
        in_virtual_time(async {
            let world = World::calm(20);
            world.aws.on_call(move |call| if call.operation == operation { Fault::FreezeBefore } else { Fault::None });
            world.deliver_and_die(&plain()).await;
            assert_eq!(world.rotation("r-1")["status"], status);
            tokio::time::sleep(STALLED_AFTER).await;
            assert_eq!(stalled(&world).await, Vec::<String>::new(), "{status}: the lease lasted a while");
            tokio::time::sleep(LEASE).await;
            assert_eq!(stalled(&world).await, ["r-1"], "{status}");
        });
    }
}

/// Shows that a rotation in work is not stalled, however long it takes.
#[tokio::test(start_paused = true)]
async fn a_rotation_in_work_is_not_stalled() {
    let world = World::with_settings(Options::default(), &[("MAX_CONCURRENCY", "1")]);
    world.fleet(200);
    // Each association takes four seconds.
    world.aws.on_call(|call| {
        if call.service == Service::Eks { Fault::DelayAnswer(Duration::from_secs(2)) } else { Fault::None }
    });
    let request = plain();
    let began = Instant::now();
    let looks = async {
        for _ in 0..5 {
            tokio::time::sleep(STALLED_AFTER / 4).await;
            assert_eq!(stalled(&world).await, Vec::<String>::new());
        }
    };
    let (summary, ()) = tokio::join!(world.finish(&request), looks);
    assert_eq!(summary["status"], "Succeeded");
    assert!(began.elapsed() > STALLED_AFTER, "it took long enough to show something");
}

/// Shows that more open rotations than fit on a page are all found.
#[tokio::test(start_paused = true)]
async fn all_pages_are_read() {
    let world = World::new(Options::default());
    world.associate("api", OLD);
    world.aws.on_call(|call| {
        if call.operation == "DescribePodIdentityAssociation" { Fault::ServerError(500) } else { Fault::None }
    });
    // Dry runs need no locks, so that any number can be open.
    world.deliver(&event(&json!({ "dryRun": true }))).await.unwrap_err();
    let open = world.rotation("dry-run/r-1");
    for number in 0..300 {
        let mut copy = open.clone();
        copy["rotationId"] = json!(format!("dry-run/copy-{number:03}"));
        world.aws.put_item(LEDGER, copy);
    }
    tokio::time::sleep(STALLED_AFTER).await;
    let reply = world.deliver(&watch_event()).await.unwrap();
    let Reply::Watched { stalled_rotations } = reply else { panic!("{reply:?}") };
    assert_eq!(world.metrics().last().unwrap()["StalledRotations"], 301);
    assert_eq!(stalled_rotations.len(), 100, "the answer names the first of them");
}

/// Shows that an item which cannot be read counts as stalled, and hides no other.
#[tokio::test(start_paused = true)]
async fn an_unreadable_rotation_is_stalled() {
    let world = World::calm(20);
    world.aws.put_item(
        LEDGER,
        json!({
            "rotationId": "odd", "entry": "rotation", "status": "InProgress", "startedAt": "2026-11-01T00:00:00.000Z",
        }),
    );
    world.deliver_within(&plain(), DEADLINE_RESERVE + Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(stalled(&world).await, ["odd"]);
    tokio::time::sleep(STALLED_AFTER).await;
    let mut found = stalled(&world).await;
    found.sort();
    assert_eq!(found, ["odd", "r-1"]);
}

/// Shows that a ledger that cannot be read fails the invocation: no news would be taken for good news.
#[tokio::test(start_paused = true)]
async fn an_unreadable_ledger_fails_the_watch() {
    let world = World::new(Options::default());
    world.aws.on_call(|_| Fault::ServerError(500));
    let error = world.deliver(&watch_event()).await.unwrap_err();
    assert!(matches!(error, HandlerError::Unwatched(_)), "{error}");
    assert_eq!(world.metrics(), Vec::<Value>::new());
}
