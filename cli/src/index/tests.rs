//! The commands of `rerole index` against a simulated AWS on loopback, with the clients that ship.

use std::time::SystemTime;

use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use rerole::aws::http::http_client;
use rerole::settings::Settings;
use rerole_core::indexing::Mode;
use rerole_sim::fleet::Fleet;
use rerole_sim::{LoopbackServer, Options, SimulatedAws};
use serde_json::Value;

use super::*;
use crate::index::flags::ScopeFlags;
use crate::index::lookup::{by_association, by_role};

const INDEX: &str = "index";
const ROLE: &str = "arn:aws:iam::111122223333:role/workloads/payments-2025";

struct Harness {
    sim: SimulatedAws,
    aws: Aws,
    /// Stops when it is dropped.
    _server: LoopbackServer,
}

/// Forty associations in two clusters and two regions, and an empty index.
async fn with_empty_index() -> Harness {
    let latency = Duration::ZERO..=Duration::ZERO;
    let sim = SimulatedAws::new(Options {
        latency,
        starts_at: SystemTime::now(),
        ..Options::default()
    });
    sim.create_tables(INDEX, "ledger");
    // The fleet fills this index, which nothing reads.
    sim.create_tables("unread", "unread-ledger");
    Fleet {
        clusters: 2,
        associations: 40,
        rotating: 16,
        ..Fleet::default()
    }
    .build(&sim, "unread");
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
    let aws = Aws::new(&settings, http_client(&settings.clients).unwrap(), clock);
    Harness {
        sim,
        aws,
        _server: server,
    }
}

fn everything() -> RunRequest {
    RunRequest {
        mode: Mode::Full,
        regions: vec!["eu-west-1".to_owned(), "us-east-1".to_owned()],
        cluster_names: None,
        exclude_clusters: Vec::new(),
    }
}

/// How many associations the index has.
fn indexed_count(harness: &Harness) -> usize {
    harness
        .sim
        .items(INDEX)
        .iter()
        .filter(|item| item.get("roleArn").is_some())
        .count()
}

#[tokio::test]
async fn check_reports_what_build_changes_and_changes_nothing_itself() {
    let harness = with_empty_index().await;
    let comparison = compare(&harness.aws, &everything(), 8, &ProgressBar::hidden())
        .await
        .unwrap();
    assert_eq!(
        (
            comparison.run.counts.clusters,
            comparison.run.counts.seen,
            comparison.differences.len()
        ),
        (2, 40, 40)
    );
    assert_eq!(indexed_count(&harness), 0);
    let text = report::comparison_text(&comparison);
    assert!(
        text.starts_with("40 associations in 2 clusters: 40 differ.") && text.contains("missing"),
        "{text}"
    );

    let expected = expected_calls(&harness.aws, &everything()).await;
    let run = reconcile(&harness.aws, everything(), 8, |_| {})
        .await
        .unwrap();
    assert_eq!((run.counts.added, indexed_count(&harness)), (40, 40));
    assert_eq!(
        run.counts.calls, expected,
        "the bar is full when the run is finished"
    );
    assert!(
        report::run_text(&run)
            .starts_with("40 associations in 2 clusters: 40 added, 0 changed, 0 removed; ")
    );

    let comparison = compare(&harness.aws, &everything(), 8, &ProgressBar::hidden())
        .await
        .unwrap();
    let text = report::comparison_text(&comparison);
    assert_eq!(
        text,
        "40 associations in 2 clusters: the index matches EKS."
    );
}

#[tokio::test]
async fn check_reports_each_kind_of_difference_and_a_cluster_that_cannot_be_read() {
    let harness = with_empty_index().await;
    reconcile(&harness.aws, everything(), 8, |_| {})
        .await
        .unwrap();
    let arns: Vec<_> = harness.sim.eks(|eks| {
        eks.associations()
            .map(|a| a.association_arn.clone())
            .collect()
    });
    harness.sim.eks(|eks| {
        let now = eks.association(&arns[1]).unwrap().modified_at + Duration::from_mins(1);
        eks.delete(&arns[0]);
        eks.set_role(&arns[1], ROLE, now);
        eks.set_target_role(&arns[1], Some("arn:aws:iam::999900001111:role/shared"));
        eks.associate("us-east-1", "prod-2", "tools", "new", ROLE);
    });
    let comparison = compare(&harness.aws, &everything(), 8, &ProgressBar::hidden())
        .await
        .unwrap();
    let json: Value = serde_json::from_str(&report::comparison_json(&comparison)).unwrap();
    let mut kinds: Vec<_> = json["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["difference"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["changed", "deleted", "missing"]);
    let text = report::comparison_text(&comparison);
    assert!(text.contains("workloads/payments-2025 to shared"), "{text}");

    harness.sim.eks(|eks| eks.deny("prod-1"));
    let comparison = compare(&harness.aws, &everything(), 8, &ProgressBar::hidden())
        .await
        .unwrap();
    let text = report::comparison_text(&comparison);
    assert!(
        text.contains("1 could not be read:\n  prod-1 in eu-west-1: "),
        "{text}"
    );
}

#[tokio::test]
async fn check_reports_each_association_of_a_deleted_cluster() {
    let harness = with_empty_index().await;
    reconcile(&harness.aws, everything(), 8, |_| {})
        .await
        .unwrap();
    harness
        .sim
        .eks(|eks| eks.delete_cluster("eu-west-1", "prod-1"));
    let comparison = compare(&harness.aws, &everything(), 8, &ProgressBar::hidden())
        .await
        .unwrap();
    assert_eq!(comparison.differences.len(), 20);
    assert!(
        comparison
            .differences
            .iter()
            .all(|difference| difference.shown.is_none())
    );
}

#[tokio::test]
async fn show_finds_users_of_a_role_once_and_an_association_by_its_arn_or_id() {
    let harness = with_empty_index().await;
    harness.sim.eks(|eks| {
        for (service_account, role) in [
            ("chained", "arn:aws:iam::111122223333:role/other"),
            ("both", ROLE),
        ] {
            let arn = eks.associate("us-east-1", "prod-2", "tools", service_account, role);
            eks.set_target_role(&arn, Some(ROLE));
        }
    });
    reconcile(&harness.aws, everything(), 8, |_| {})
        .await
        .unwrap();
    let found = by_role(&harness.aws, &ROLE.parse().unwrap()).await.unwrap();
    let items = found.items;
    assert_eq!(items.len(), 16 + 2);
    let table = report::items_table(&items);
    assert!(
        table.contains("| chained") && table.contains("workloads/payments-2025"),
        "{table}"
    );
    let one = &items[0];
    for id in [one.association_arn.as_str(), &one.association_id] {
        let found = by_association(&harness.aws, id, &everything().regions)
            .await
            .unwrap();
        assert_eq!(found.items, std::slice::from_ref(one), "{id}");
    }
    let none = by_association(&harness.aws, "a-nowhere", &everything().regions)
        .await
        .unwrap();
    assert_eq!(none, Found::default());
    assert_eq!(
        report::items_table(&[]),
        "The index has no such association."
    );
    assert_eq!(report::items_json(&[]), "[]");
}

#[test]
fn an_invalid_region_or_glob_is_reported_before_any_call() {
    let scope = |regions: &[&str], clusters: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        ScopeFlags {
            regions: owned(regions),
            clusters: owned(clusters),
        }
        .request("eu-west-1")
    };
    assert_eq!(scope(&[], &[]).unwrap().regions, ["eu-west-1"]);
    assert_eq!(
        scope(&["us-east-1", "us-east-1"], &["prod-*"])
            .unwrap()
            .regions,
        ["us-east-1"]
    );
    let error = scope(&["here"], &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "--region here is not allowed; allowed: a region's name, such as eu-west-1"
    );
    let error = scope(&[], &["a b"]).unwrap_err().to_string();
    assert!(error.starts_with("--cluster a b is not allowed"), "{error}");
}
