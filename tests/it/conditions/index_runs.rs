//! The cases of the index run, of the request that waits for it, and of rejected events.

use rerole_core::indexing::{Claim, RUN_LEASE, ReconcileRequest, RunRequest};
use rerole_core::request::{EventRecord, Rejection};
use serde_json::json;

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{Outcome, Table, World, as_it_is, cases, no_item, set, unset};
use crate::conditions::items::TableKey;
use crate::conditions::lease::fence_rows;
use crate::fence::full_run;

pub const TABLES: &[Table] = &[
    first_claims,
    next_claims,
    saves,
    queued_requests,
    claimed_requests,
    rejections,
];

/// The item of the active run.
fn run() -> TableKey {
    TableKey::ledger("index", "run")
}

/// The item of the request that waits.
fn next() -> TableKey {
    TableKey::ledger("index", "next")
}

async fn claim(world: &World) -> Option<Claim> {
    let runs = world.indexer.ledger.index_runs();
    let request = full_run(&["us-east-1"]);
    runs.claim(&request, world.indexer.now()).await.ok()
}

fn request() -> RunRequest {
    match full_run(&["us-east-1"]) {
        ReconcileRequest::Run(request) => request,
        ReconcileRequest::Resume => unreachable!("the request is for a run"),
    }
}

fn first_claims() -> Vec<Outcome> {
    let claim = async |world: &World| {
        world.arm(run());
        claim(world).await;
    };
    let rows = [(as_it_is(), Holds), (set("fence", 1), Fails)];
    cases("claim the first index run", claim, rows)
}

fn next_claims() -> Vec<Outcome> {
    let claim = async |world: &World| {
        claim(world).await;
        tokio::time::sleep(RUN_LEASE).await;
        world.arm(run());
        claim(world).await;
    };
    cases("claim the next index run", claim, fence_rows())
}

fn saves() -> Vec<Outcome> {
    let save = async |world: &World| {
        let Some(Claim::Claimed(claimed)) = claim(world).await else {
            panic!("no other run is active");
        };
        world.arm(run());
        drop(world.indexer.ledger.index_runs().save(&claimed).await);
    };
    cases("save an index run", save, fence_rows())
}

fn queued_requests() -> Vec<Outcome> {
    let queue = async |world: &World| {
        let request = RunRequest {
            cluster_names: Some(Vec::new()),
            ..request()
        };
        world.arm(next());
        let runs = world.indexer.ledger.index_runs();
        runs.queue(&request).await.unwrap();
    };
    let other = json!({ "mode": "full", "regions": ["eu-west-1"] });
    let rows = [
        (as_it_is(), Holds),
        // The item outlasts its request.
        (set("note", "the request was claimed"), Holds),
        (set("request", other), Fails),
    ];
    cases("queue a run of some clusters", queue, rows)
}

fn claimed_requests() -> Vec<Outcome> {
    let claim_waiting = async |world: &World| {
        let runs = world.indexer.ledger.index_runs();
        runs.queue(&request()).await.unwrap();
        world.arm(next());
        claim(world).await;
    };
    let other = json!({ "mode": "full", "regions": ["eu-west-1"] });
    let rows = [
        (as_it_is(), Holds),
        (set("request", other), Fails),
        (unset("request"), Fails),
        (no_item(), Fails),
    ];
    cases("remove the claimed request", claim_waiting, rows)
}

fn rejections() -> Vec<Outcome> {
    let record = async |world: &World| {
        let event = EventRecord::of(&json!({ "id": "e-1" }));
        let rejection = Rejection::new("detail", &json!(null), "an object");
        world.arm(TableKey::ledger("rejected/e-1", "rotation"));
        let rejections = world.aws.ledger.rejections();
        let recorded = rejections.record(&event, &rejection, "request", world.aws.now());
        recorded.await.unwrap();
    };
    let rows = [(as_it_is(), Holds), (set("status", "Rejected"), Fails)];
    cases("record a rejection", record, rows)
}
