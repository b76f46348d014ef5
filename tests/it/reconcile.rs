//! The reconciler: what it makes of the index, what it leaves alone, and what becomes of runs that are interrupted.

use std::time::Duration;

use rerole::index::handler::IndexError;
use rerole::index::reconcile::RECONCILE_RESERVE;
use rerole_sim::fleet::Fleet;
use rerole_sim::{Fault, Options, Service, Throttle};
use serde_json::{Value, json};

use crate::world::{INDEX, LEDGER, NEW, OLD, THIRD, TIMEOUT, World, in_virtual_time, index_handler, plain};

/// A world whose index knows nothing of its fleet.
pub fn unknown(count: usize) -> World {
    let world = World::new(Options::default());
    world.build(&Fleet { rotating: count / 2, associations: count, with_target_role: 3, ..Fleet::default() });
    world.forget_index();
    world
}

fn writes_to(world: &World, table: &str) -> usize {
    let is_write = |operation: &str| ["PutItem", "UpdateItem", "DeleteItem"].contains(&operation);
    // Noting a cluster is no change of an association.
    let of_association = |subject: &str| subject.starts_with(table) && !subject.contains("/clusters/");
    let calls = world.aws.calls();
    calls.iter().filter(|record| is_write(&record.call.operation) && of_association(&record.call.subject)).count()
}

/// Shows that the index is built from nothing, and that a second look changes nothing and says when the index was complete.
#[tokio::test(start_paused = true)]
async fn an_index_is_built_from_nothing() {
    let world = unknown(300);
    let report = world.reconcile("deep").await;
    assert_eq!(report["status"], "Finished", "{report:#}");
    assert_eq!(report["counts"]["clusters"], 2);
    assert_eq!(report["counts"]["seen"], 300);
    assert_eq!(report["counts"]["added"], 300);
    assert_eq!(report["troubleCount"], 0);
    world.check_index();
    // A call for each association, one for each hundred of a list, one for each cluster and each region.
    assert_eq!(world.call_count(Service::Eks), 300 + 4 + 2 + 2);
    assert_eq!(report["counts"]["calls"], world.call_count(Service::Eks));
    let described_at = world.ledger_item("index", "region#us-east-1").unwrap()["describedAt"].clone();
    assert!(described_at.is_string());

    world.aws.clear_calls();
    tokio::time::sleep(Duration::from_hours(1)).await;
    let report = world.reconcile("deep").await;
    assert_eq!(report["counts"]["added"], 0);
    assert_eq!(report["counts"]["changed"], 0);
    assert_eq!(writes_to(&world, INDEX), 0, "what has not changed is not rewritten");
    assert!(world.ledger_item("index", "region#us-east-1").unwrap()["describedAt"].as_str() > described_at.as_str());
}

/// Shows that a shallow look finds what came and went, by lists alone, and that a changed role needs a deep one.
#[tokio::test(start_paused = true)]
async fn a_shallow_look_finds_what_came_and_went() {
    let world = unknown(250);
    world.reconcile("deep").await;
    let arns: Vec<_> = world.aws.eks(|eks| eks.associations().map(|a| a.association_arn.clone()).collect());
    world.aws.eks(|eks| {
        eks.delete(&arns[0]);
        eks.associate("us-east-1", "prod-2", "tools", "new", OLD);
    });
    world.set_role(&arns[1], THIRD);
    world.aws.clear_calls();
    let report = world.reconcile("shallow").await;
    assert_eq!(report["counts"]["added"], 1, "{report:#}");
    assert_eq!(report["counts"]["removed"], 1);
    assert_eq!(report["counts"]["changed"], 0, "lists show no roles");
    assert_eq!(world.calls("DescribePodIdentityAssociation").len(), 2, "what is new, and what is gone");
    assert_eq!(writes_to(&world, INDEX), 2);
    let report = world.reconcile("deep").await;
    assert_eq!(report["counts"]["changed"], 1);
    world.check_index();
    assert_eq!(world.metrics().last().unwrap()["IndexDifferencesHealed"], 1);
}

/// Shows that an item which somebody spoilt is brought back, although its version is the same.
#[tokio::test(start_paused = true)]
async fn a_spoilt_item_is_mended() {
    let world = unknown(10);
    world.reconcile("deep").await;
    let mut item = world.aws.items(INDEX).into_iter().find(|item| item.get("roleArn").is_some()).unwrap();
    item["roleArn"] = json!(NEW);
    world.aws.put_item(INDEX, item);
    assert_eq!(world.reconcile("deep").await["counts"]["changed"], 1);
    world.check_index();
}

/// Shows that a cluster which may not be looked at is reported, keeps what the index holds of it, and does not hold up the
/// others; and that the region does not count as complete.
#[tokio::test(start_paused = true)]
async fn a_denied_cluster_is_reported_and_the_others_go_on() {
    let world = unknown(60);
    world.reconcile("deep").await;
    let complete = |world: &World, region| world.ledger_item("index", region).unwrap()["describedAt"].clone();
    let [before_west, before_east] = ["region#eu-west-1", "region#us-east-1"].map(|region| complete(&world, region));
    tokio::time::sleep(Duration::from_hours(1)).await;
    world.aws.eks(|eks| {
        eks.deny("prod-1");
        eks.associate("us-east-1", "prod-2", "tools", "new", OLD);
    });
    let items = world.aws.items(INDEX).len();
    let report = world.reconcile("deep").await;
    assert_eq!(report["status"], "Finished");
    assert_eq!(report["troubleCount"], 1);
    assert_eq!(report["troubles"][0]["clusterName"], "prod-1");
    assert!(report["troubles"][0]["problem"].as_str().unwrap().contains("AccessDenied"), "{report:#}");
    assert_eq!(report["counts"]["added"], 1);
    assert_eq!(world.aws.items(INDEX).len(), items + 1, "nothing was removed");
    assert_eq!(complete(&world, "region#eu-west-1"), before_west);
    assert!(complete(&world, "region#us-east-1").as_str() > before_east.as_str());
    assert_eq!(world.metrics().last().unwrap()["IndexTroubles"], 1);
}

/// Shows that a list which is not had to its end removes nothing, whatever went wrong with it.
#[test]
fn a_half_read_list_removes_nothing() {
    for fault in [Fault::ServerError(500), Fault::FailBefore, Fault::FreezeBefore] {
        for operation in ["ListPodIdentityAssociations", "ListClusters"] {
            in_virtual_time(async {
                let world = unknown(250);
                world.reconcile("deep").await;
                let items = world.aws.items(INDEX);
                let arns: Vec<_> = world.aws.eks(|eks| eks.associations().map(|a| a.association_arn.clone()).collect());
                world.aws.eks(|eks| eks.delete(&arns[0]));
                let injected = fault.clone();
                let mut pages = 0;
                world.aws.on_call(move |call| {
                    pages += usize::from(call.operation == operation);
                    // The first page of associations arrives.
                    let is_broken = call.operation == operation && (pages > 1 || operation == "ListClusters");
                    if is_broken { injected.clone() } else { Fault::None }
                });
                let report = world.reconcile("deep").await;
                assert_eq!(report["status"], "Finished", "{operation} {fault:?}");
                assert!(report["troubleCount"].as_u64().unwrap() >= 1, "{operation} {fault:?}: {report:#}");
                assert_eq!(world.aws.items(INDEX), items, "{operation} {fault:?}");
                world.aws.clear_hook();
                world.reconcile("deep").await;
                world.check_index();
            });
        }
    }
}

/// Shows that a cluster whose list is throttled for minutes does not hold up the others for ever, and is taken up again.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_always_throttled_is_left() {
    for fault in [Fault::Throttle, Fault::BareThrottle] {
        let world = unknown(250);
        world.aws.on_call(move |call| {
            let is_hit = call.operation == "ListPodIdentityAssociations" && call.subject == "prod-1";
            if is_hit { fault.clone() } else { Fault::None }
        });
        let report = world.reconcile("deep").await;
        assert_eq!((&report["status"], &report["troubleCount"]), (&json!("Finished"), &json!(1)), "{report:#}");
        assert_eq!(report["counts"]["added"], 125);
        world.aws.clear_hook();
        assert_eq!(world.reconcile("deep").await["counts"]["added"], 125);
        world.check_index();
    }
}

/// Shows that an association which cannot be looked at is reported, and hides none behind it.
#[tokio::test(start_paused = true)]
async fn an_association_that_cannot_be_described_is_reported() {
    let world = unknown(60);
    let mut describes = 0;
    world.aws.on_call(move |call| {
        describes += u32::from(call.operation == "DescribePodIdentityAssociation");
        let is_hit = call.operation == "DescribePodIdentityAssociation" && describes == 3;
        let (code, message) = ("AccessDeniedException".to_owned(), "x".repeat(9_000));
        if is_hit { Fault::Error { status: 403, code, message } } else { Fault::None }
    });
    let report = world.reconcile("deep").await;
    assert_eq!((&report["counts"]["added"], &report["troubleCount"]), (&json!(59), &json!(1)), "{report:#}");
    assert!(report["troubles"][0]["problem"].as_str().unwrap().len() <= 500);
    assert_eq!(world.ledger_item("index", "region#eu-west-1"), None);
    assert!(world.ledger_item("index", "region#us-east-1").is_some());
}

/// Shows that a cluster that is gone is removed whole, and comes back when it is made anew.
#[tokio::test(start_paused = true)]
async fn a_cluster_goes_and_comes_back() {
    let world = unknown(120);
    world.reconcile("deep").await;
    world.aws.eks(|eks| eks.delete_cluster("eu-west-1", "prod-1"));
    let report = world.reconcile("shallow").await;
    assert_eq!(report["counts"]["clustersRemoved"], 1);
    assert_eq!(report["counts"]["removed"], 60);
    world.check_index();
    world.aws.eks(|eks| {
        eks.create_cluster("eu-west-1", "prod-1");
        eks.associate("eu-west-1", "prod-1", "tools", "new", OLD);
    });
    let report = world.reconcile("shallow").await;
    assert_eq!((&report["counts"]["added"], &report["counts"]["removed"]), (&json!(1), &json!(0)));
    world.check_index();
}

/// Shows that a cluster which the list does not show, and which is there, keeps what the index holds of it.
#[tokio::test(start_paused = true)]
async fn a_lagging_list_of_clusters_removes_nothing() {
    let world = unknown(40);
    world.reconcile("deep").await;
    let items = world.aws.items(INDEX);
    world.aws.on_call(|call| match call.operation.as_str() {
        "ListClusters" => Fault::Error { status: 200, code: String::new(), message: String::new() },
        _ => Fault::None,
    });
    let report = world.reconcile("deep").await;
    assert_eq!(report["counts"]["removed"], 0, "{report:#}");
    assert_eq!(world.aws.items(INDEX), items);
}

/// Shows that a run which is longer than many invocations comes to its end, with little done twice.
#[tokio::test(start_paused = true)]
async fn a_throttled_run_takes_many_slices() {
    let throttle = Some(Throttle { rate_per_sec: 5.0, burst: 10.0 });
    let world = World::new(Options { throttle, ..Options::default() });
    world.build(&Fleet { rotating: 400, associations: 800, ..Fleet::default() });
    world.forget_index();
    let timeout = RECONCILE_RESERVE + Duration::from_secs(40);
    let mut report = world.reconcile_within(&json!({ "mode": "deep" }), timeout).await;
    let mut slices = 1;
    while report["status"] == "Continues" {
        slices += 1;
        assert!(slices < 20, "{report:#}");
        report = world.reconcile_within(&json!({ "mode": "resume" }), timeout).await;
    }
    assert_eq!(report["status"], "Finished", "{report:#}");
    assert!(slices > 3, "{slices} slices: {report:#}");
    assert_eq!(report["troubleCount"], 0, "{report:#}");
    assert_eq!((&report["counts"]["seen"], &report["counts"]["added"]), (&json!(800), &json!(800)));
    world.check_index();
    let answered = world.calls("DescribePodIdentityAssociation").iter().filter(|call| call.status == Some(200)).count();
    // What a slice had begun and not saved is looked at again: a step is a hundred.
    assert!(answered <= 800 + 100 * (slices - 1), "{answered} looks in {slices} slices");
    assert_eq!(world.reconcile("resume").await["status"], "Nothing");
}

/// Shows that the reconciler gives way to a rotation, also in the middle of a cluster, and goes on after it.
#[tokio::test(start_paused = true)]
async fn a_run_gives_way_to_a_rotation() {
    let latency = Duration::from_millis(400)..=Duration::from_millis(500);
    let world = World::new(Options { latency, ..Options::default() });
    let fleet = world.fleet(900);
    world.aws.eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "new", THIRD));
    let index = index_handler(&world.aws);
    let invocation = world.invocation(TIMEOUT);
    let request = plain();
    let (rotation, reply) = tokio::join!(world.finish(&request), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        index.handle(json!({ "reconcile": { "mode": "deep" } }), &invocation).await.unwrap()
    });
    assert_eq!(rotation["counts"]["updated"], fleet.rotating.len());
    assert_eq!(serde_json::to_value(reply).unwrap()["status"], "GaveWay");
    let report = world.reconcile("resume").await;
    assert_eq!(report["status"], "Finished", "{report:#}");
    assert_eq!(report["counts"]["added"], 1);
    world.check_index();
}

/// Shows that there is one run at a time, and that a deep one that comes meanwhile has its turn afterwards.
#[tokio::test(start_paused = true)]
async fn there_is_one_run_at_a_time() {
    let world = unknown(200);
    let other = index_handler(&world.aws);
    let invocation = world.invocation(TIMEOUT);
    let (first, second) = tokio::join!(world.reconcile("shallow"), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        other.handle(json!({ "reconcile": { "mode": "deep" } }), &invocation).await.unwrap()
    });
    assert_eq!(first["status"], "Finished");
    assert_eq!(serde_json::to_value(second).unwrap()["status"], "AlreadyRunning");
    let next = world.reconcile("resume").await;
    assert_eq!((&next["status"], &next["mode"]), (&json!("Finished"), &json!("deep")));
    assert_eq!(world.reconcile("resume").await["status"], "Nothing");
}

/// Shows that a waiting run of everything is not given up for one of a part.
#[tokio::test(start_paused = true)]
async fn a_run_of_everything_keeps_its_place() {
    let world = unknown(200);
    let others = [index_handler(&world.aws), index_handler(&world.aws)];
    let invocation = world.invocation(TIMEOUT);
    let ask = |at: usize, reconcile: Value| {
        let (others, invocation) = (&others, &invocation);
        async move {
            tokio::time::sleep(Duration::from_millis(300 * (at as u64 + 1))).await;
            others[at].handle(json!({ "reconcile": reconcile }), invocation).await.unwrap()
        }
    };
    tokio::join!(
        world.reconcile("shallow"),
        ask(0, json!({ "mode": "deep" })),
        ask(1, json!({ "mode": "deep", "clusterNames": ["prod-1"] })),
    );
    let next = world.reconcile("resume").await;
    assert_eq!((&next["mode"], next.get("clusterNames")), (&json!("deep"), None), "{next:#}");
    assert_eq!(world.reconcile("resume").await["status"], "Nothing");
}

/// Shows that regions and clusters can be named, and that such a run makes no region complete.
#[tokio::test(start_paused = true)]
async fn a_run_can_be_of_some_clusters() {
    let world = unknown(40);
    let request = json!({ "mode": "deep", "regions": ["us-east-1"], "clusterNames": ["*-2"] });
    let report = world.reconcile_within(&request, TIMEOUT).await;
    assert_eq!((&report["counts"]["clusters"], &report["counts"]["added"]), (&json!(1), &json!(20)));
    assert_eq!(world.ledger_item("index", "region#us-east-1"), None);
    let request = json!({ "mode": "deep", "clusterNames": ["other"] });
    let report = world.reconcile_within(&request, TIMEOUT).await;
    assert_eq!((&report["counts"]["clusters"], &report["counts"]["removed"]), (&json!(0), &json!(0)));
}

/// Shows that a run which fails fails again when it is tried again, until what is wrong has passed: no error is lost.
#[tokio::test(start_paused = true)]
async fn a_failing_run_fails_visibly_each_time() {
    let world = unknown(20);
    // The index cannot be read.
    world.aws.on_call(|call| {
        let (code, message) = ("AccessDeniedException".to_owned(), "no".to_owned());
        let is_hit = call.operation == "Query" && call.body["TableName"] == INDEX;
        if is_hit { Fault::Error { status: 400, code, message } } else { Fault::None }
    });
    for _ in 0..3 {
        let error = world.invoke_index(json!({ "reconcile": { "mode": "deep" } }), TIMEOUT).await.unwrap_err();
        assert!(matches!(error, IndexError::Unreconciled(_)), "{error}");
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    world.aws.clear_hook();
    assert_eq!(world.reconcile("resume").await["status"], "Finished");
    world.check_index();
}

/// Shows that what cannot be understood is named.
#[tokio::test(start_paused = true)]
async fn a_wrong_payload_is_named() {
    let world = World::new(Options::default());
    for (payload, problem) in [
        (json!({}), "neither Records nor reconcile"),
        (json!({ "reconcile": "deep" }), "reconcile \"deep\" is not allowed"),
        (json!({ "reconcile": {} }), "reconcile.mode (nothing)"),
        (json!({ "reconcile": { "mode": "Deep" } }), "reconcile.mode \"Deep\""),
        (json!({ "reconcile": { "mode": "deep", "region": ["x"] } }), "reconcile.region"),
        (json!({ "reconcile": { "mode": "deep", "regions": ["x"] } }), "reconcile.regions \"x\""),
        (json!({ "reconcile": { "mode": "deep", "regions": [] } }), "reconcile.regions []"),
        (json!({ "reconcile": { "mode": "deep", "clusterNames": ["a b"] } }), "reconcile.clusterNames \"a b\""),
        (json!({ "reconcile": { "mode": "resume", "regions": ["eu-west-1"] } }), "\"resume\" alone"),
    ] {
        let error = world.invoke_index(payload.clone(), TIMEOUT).await.unwrap_err().to_string();
        assert!(error.contains(problem), "{payload}: {error}");
    }
    assert_eq!(world.aws.items(LEDGER), Vec::<Value>::new());
}

/// Shows that a rotation says how old the index was that it went by, region by region.
#[tokio::test(start_paused = true)]
async fn a_rotation_says_how_old_its_index_was() {
    let world = unknown(20);
    world.reconcile_within(&json!({ "mode": "deep", "regions": ["us-east-1"] }), TIMEOUT).await;
    let described_at = world.ledger_item("index", "region#us-east-1").unwrap()["describedAt"].clone();
    tokio::time::sleep(Duration::from_hours(1)).await;
    let summary = world.finish(&plain()).await;
    assert_eq!(summary["indexAsOf"], json!({ "us-east-1": described_at }));
    assert_eq!(world.rotation("r-1")["indexAsOf"], summary["indexAsOf"]);
}

/// Shows that an index without a complete look is stale from the start, and one that grew old becomes so.
#[tokio::test(start_paused = true)]
async fn an_old_index_is_stale() {
    let world = unknown(20);
    let stale = |world: &World| world.metrics().last().unwrap()["StaleIndexRegions"].clone();
    world.reconcile("shallow").await;
    assert_eq!(stale(&world), 2, "no association was looked at for its role");
    world.reconcile("deep").await;
    assert_eq!(stale(&world), 0);
    tokio::time::sleep(Duration::from_hours(37)).await;
    world.reconcile("resume").await;
    assert_eq!(stale(&world), 2);
}
