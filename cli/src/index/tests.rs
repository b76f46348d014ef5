//! `rerole index` against a simulated AWS on loopback, over the clients that ship.

use std::time::{Duration, SystemTime};

use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use indicatif::ProgressBar;
use rerole::aws::Aws;
use rerole::aws::tls::http_client;
use rerole::index::run::{Mode, RunRequest};
use rerole::settings::Settings;
use rerole_sim::fleet::Fleet;
use rerole_sim::{LoopbackServer, Options, SimulatedAws};
use serde_json::Value;

use super::flags::ScopeFlags;
use super::{compare, expected_calls, of_association, on_role, reconcile, report};

const INDEX: &str = "index";
const ROLE: &str = "arn:aws:iam::111122223333:role/workloads/payments-2025";

struct World {
    sim: SimulatedAws,
    aws: Aws,
    /// Answers for as long as this is there.
    _server: LoopbackServer,
}

/// Forty associations in two clusters and regions, of which the index knows none.
async fn unknown() -> World {
    let latency = Duration::ZERO..=Duration::ZERO;
    let sim = SimulatedAws::new(Options { latency, starts_at: SystemTime::now(), ..Options::default() });
    sim.create_tables(INDEX, "ledger");
    sim.create_tables("unread", "unread-ledger");
    Fleet { clusters: 2, associations: 40, rotating: 16, ..Fleet::default() }.build(&sim, "unread");
    let server = sim.serve().await.unwrap();
    let settings = Settings::from_lookup(|name| {
        let value = match name {
            "ASSOCIATION_INDEX_TABLE" => INDEX.to_owned(),
            "ROTATION_LEDGER_TABLE" => "ledger".to_owned(),
            "AWS_REGION" => "us-east-1".to_owned(),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "test".to_owned(),
            "AWS_ENDPOINT_URL" => server.url(),
            _ => return None,
        };
        Some(value)
    })
    .unwrap();
    let clock = SharedTimeSource::new(SystemTimeSource::new());
    let aws = Aws::new(&settings, http_client(&settings).unwrap(), clock);
    World { sim, aws, _server: server }
}

fn everything() -> RunRequest {
    RunRequest { mode: Mode::Deep, regions: vec!["eu-west-1".to_owned(), "us-east-1".to_owned()], cluster_names: None }
}

fn held(world: &World) -> usize {
    world.sim.items(INDEX).iter().filter(|item| item.get("roleArn").is_some()).count()
}

/// Shows that a comparison changes nothing and says what building would do, that building does it, and that nothing differs
/// then.
#[tokio::test]
async fn what_is_compared_is_what_is_built() {
    let world = unknown().await;
    let comparison = compare(&world.aws, &everything(), 8, &ProgressBar::hidden()).await.unwrap();
    assert_eq!((comparison.clusters, comparison.seen, comparison.differences.len()), (2, 40, 40));
    assert_eq!(held(&world), 0);
    let text = report::comparison_text(&comparison);
    assert!(text.starts_with("40 associations in 2 clusters: 40 differ.") && text.contains("missing"), "{text}");

    let expected = expected_calls(&world.aws, &everything()).await.unwrap();
    let run = reconcile(&world.aws, everything(), 8, |_| {}).await.unwrap();
    assert_eq!((run.counts.added, held(&world)), (40, 40));
    assert_eq!(run.counts.calls, expected, "the bar ends where the run does");
    assert!(report::run_text(&run).starts_with("40 associations in 2 clusters: 40 added, 0 changed, 0 removed; "));

    let comparison = compare(&world.aws, &everything(), 8, &ProgressBar::hidden()).await.unwrap();
    let text = report::comparison_text(&comparison);
    assert_eq!(text, "40 associations in 2 clusters: the index holds what EKS shows.");
}

/// Shows each kind of difference, in the table and in JSON, and that a cluster that is denied is said to be.
#[tokio::test]
async fn differences_are_told_apart() {
    let world = unknown().await;
    reconcile(&world.aws, everything(), 8, |_| {}).await.unwrap();
    let arns: Vec<_> = world.sim.eks(|eks| eks.associations().map(|a| a.association_arn.clone()).collect());
    world.sim.eks(|eks| {
        let now = eks.association(&arns[1]).unwrap().modified_at + Duration::from_mins(1);
        eks.delete(&arns[0]);
        eks.set_role(&arns[1], ROLE, now);
        eks.set_target_role(&arns[1], Some("arn:aws:iam::999900001111:role/shared"));
        eks.associate("us-east-1", "prod-2", "tools", "new", ROLE);
    });
    let comparison = compare(&world.aws, &everything(), 8, &ProgressBar::hidden()).await.unwrap();
    let json: Value = serde_json::from_str(&report::comparison_json(&comparison)).unwrap();
    let mut kinds: Vec<_> =
        json["differences"].as_array().unwrap().iter().map(|each| each["difference"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["changed", "gone", "missing"]);
    let text = report::comparison_text(&comparison);
    assert!(text.contains("workloads/payments-2025 to shared"), "{text}");

    world.sim.eks(|eks| eks.deny("prod-1"));
    let comparison = compare(&world.aws, &everything(), 8, &ProgressBar::hidden()).await.unwrap();
    let text = report::comparison_text(&comparison);
    assert!(text.contains("1 could not be looked at:\n  prod-1 in eu-west-1: "), "{text}");
}

/// Shows that a cluster that is gone whole is compared, too.
#[tokio::test]
async fn a_cluster_that_is_gone_differs() {
    let world = unknown().await;
    reconcile(&world.aws, everything(), 8, |_| {}).await.unwrap();
    world.sim.eks(|eks| eks.delete_cluster("eu-west-1", "prod-1"));
    let comparison = compare(&world.aws, &everything(), 8, &ProgressBar::hidden()).await.unwrap();
    assert_eq!(comparison.differences.len(), 20);
    assert!(comparison.differences.iter().all(|difference| difference.shown.is_none()));
}

/// Shows that users of a role are found in either field, once, and an association by its ARN or its id.
#[tokio::test]
async fn users_of_a_role_and_associations_are_shown() {
    let world = unknown().await;
    world.sim.eks(|eks| {
        for (service_account, role) in [("chained", "arn:aws:iam::111122223333:role/other"), ("both", ROLE)] {
            let arn = eks.associate("us-east-1", "prod-2", "tools", service_account, role);
            eks.set_target_role(&arn, Some(ROLE));
        }
    });
    reconcile(&world.aws, everything(), 8, |_| {}).await.unwrap();
    let items = on_role(&world.aws, &ROLE.parse().unwrap()).await.unwrap();
    assert_eq!(items.len(), 16 + 2);
    let table = report::items_table(&items);
    assert!(table.contains("| chained") && table.contains("workloads/payments-2025"), "{table}");
    let one = &items[0];
    for asked in [one.association_arn.as_str(), &one.association_id] {
        let found = of_association(&world.aws, asked, &everything().regions).await.unwrap();
        assert_eq!(found, std::slice::from_ref(one), "{asked}");
    }
    let none = of_association(&world.aws, "a-nowhere", &everything().regions).await.unwrap();
    assert_eq!(report::items_table(&none), "The index knows no such association.");
    assert_eq!(report::items_json(&none), "[]");
}

/// Shows that regions and globs are checked before anything is asked.
#[test]
fn wrong_scopes_are_named() {
    let scope = |regions: &[&str], clusters: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        ScopeFlags { regions: owned(regions), clusters: owned(clusters) }.request("eu-west-1")
    };
    assert_eq!(scope(&[], &[]).unwrap().regions, ["eu-west-1"]);
    assert_eq!(scope(&["us-east-1", "us-east-1"], &["prod-*"]).unwrap().regions, ["us-east-1"]);
    let error = scope(&["here"], &[]).unwrap_err().to_string();
    assert_eq!(error, "--region here is not allowed; allowed: a region's name, such as eu-west-1");
    let error = scope(&[], &["a b"]).unwrap_err().to_string();
    assert!(error.starts_with("--cluster a b is not allowed"), "{error}");
}
