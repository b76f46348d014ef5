//! The commands of `rerole index` against a simulated AWS, in process.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use expect_test::expect;
use indicatif::ProgressBar;
use rerole::aws::Aws;
use rerole::settings::Settings;
use rerole_core::indexing::{Coverage, IndexEntry, ItemRules, Run};
use rerole_sim::fleet::Fleet;
use rerole_sim::{Options, SimulatedAws};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::terminal::Layout;
use crate::verbs::index::build::{Builder, Built};
use crate::verbs::index::check::{Check, compare};
use crate::verbs::index::expected::expected_calls;
use crate::verbs::index::flags::PartFlags;
use crate::verbs::index::selection::Selection;
use crate::verbs::index::show::find;

const INDEX: &str = "index";
const ROLE: &str = "arn:aws:iam::111122223333:role/workloads/payments-2025";
const ACCOUNT: &str = "111122223333";

struct Harness {
    sim: SimulatedAws,
    aws: Aws,
    bar: ProgressBar,
}

/// Forty associations in two clusters and two regions, and an empty index.
fn with_empty_index() -> Harness {
    let sim = SimulatedAws::new(Options {
        latency: Duration::from_millis(1)..=Duration::from_millis(2),
        starts_at: SystemTime::now(),
        ..Options::default()
    });
    sim.create_tables(INDEX, "ledger");
    // The fleet fills this index, which nothing reads.
    sim.create_tables("unread", "unread-ledger");
    let fleet = Fleet {
        clusters: 2,
        associations: 40,
        rotating: 16,
        ..Fleet::default()
    };
    fleet.build(&sim, "unread");
    let settings = Settings::from_lookup(|name| {
        let value = match name {
            "ASSOCIATION_INDEX_TABLE" => INDEX,
            "ROTATION_LEDGER_TABLE" => "ledger",
            "AWS_REGION" => "us-east-1",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "test",
            _ => return None,
        };
        Some(value.to_owned())
    });
    let aws = Aws::new(&settings.unwrap(), sim.http_client(), sim.time_source());
    Harness {
        sim,
        aws,
        bar: ProgressBar::hidden(),
    }
}

impl Harness {
    async fn select(&self, clusters: &[&str]) -> Result<Selection, Failure> {
        let flags = PartFlags {
            clusters: clusters.iter().map(|it| (*it).to_owned()).collect(),
            ..PartFlags::default()
        };
        let coverage = Coverage::of(&["eu-west-1", "us-east-1"].map(str::to_owned));
        Selection::find(&self.aws, &flags, &coverage).await
    }

    /// Builds the index of all clusters, unless it is interrupted after this time.
    async fn build(&self, interrupt_after: Duration) -> Built {
        let builder = Builder {
            aws: &self.aws,
            scope: None,
            concurrency: 8,
            bar: &self.bar,
            held: Mutex::default(),
            saved: Notify::new(),
        };
        let request = self.select(&[]).await.unwrap().request;
        let interrupt = async {
            sleep(interrupt_after).await;
            Ok(())
        };
        builder.build(request, interrupt).await.unwrap()
    }

    async fn build_all(&self) -> Run {
        match self.build(Duration::from_hours(1)).await {
            Built::Finished(run) => *run,
            other => panic!("the run is finished: {other:?}"),
        }
    }

    async fn check(&self) -> Check {
        let selection = self.select(&[]).await.unwrap();
        let comparison = compare(&self.aws, &selection.request, 8, &self.bar).await;
        Check::new(selection, &comparison.unwrap())
    }

    /// How many associations the index has.
    fn indexed_count(&self) -> usize {
        let items = self.sim.items(INDEX);
        items
            .iter()
            .filter(|item| item.get("roleArn").is_some())
            .count()
    }

    async fn last_run(&self) -> Option<Run> {
        self.aws.ledger.index_runs().last().await.unwrap()
    }
}

fn text(check: &Check) -> String {
    check.text(ACCOUNT, &Layout::of_width(100))
}

#[tokio::test]
async fn check_reports_what_build_changes_and_changes_nothing_itself() {
    let harness = with_empty_index();
    let check = harness.check().await;
    assert_eq!((check.differences.len(), harness.indexed_count()), (40, 0));
    assert!(text(&check).starts_with("\n40 associations in 2 clusters: 40 differ.\n"));

    let request = harness.select(&[]).await.unwrap().request;
    let expected = expected_calls(&harness.aws, &request).await;
    let run = harness.build_all().await;
    assert_eq!((run.counts.added, harness.indexed_count()), (40, 40));
    assert_eq!(run.counts.calls, expected, "the bar is full at the end");

    let check = harness.check().await;
    assert!(check.matches);
    expect![[r"

        40 associations in 2 clusters: the index matches EKS."]]
    .assert_eq(&text(&check));
}

#[tokio::test]
async fn check_reports_each_kind_of_difference_and_a_cluster_that_cannot_be_read() {
    let harness = with_empty_index();
    harness.build_all().await;
    let arns: Vec<_> = harness.sim.eks(|eks| {
        let associations = eks.associations();
        associations.map(|it| it.association_arn.clone()).collect()
    });
    harness.sim.eks(|eks| {
        let now = eks.association(&arns[1]).unwrap().modified_at + Duration::from_mins(1);
        eks.delete(&arns[0]);
        eks.set_role(&arns[1], ROLE, now);
        eks.set_target_role(&arns[1], Some("arn:aws:iam::999900001111:role/shared"));
        eks.associate("us-east-1", "prod-2", "tools", "new", ROLE);
    });
    let check = harness.check().await;
    let mut kinds: Vec<_> = check.differences.iter().map(|it| it.difference).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["changed", "deleted", "missing"]);
    assert!(!check.matches);
    let text_of_all = check.text(ACCOUNT, &Layout::of_width(200));
    let target = "workloads/payments-2025 to arn:aws:iam::999900001111:role/shared";
    assert!(text_of_all.contains(target), "{text_of_all}");

    harness.sim.eks(|eks| eks.deny("prod-1"));
    let check = harness.check().await;
    assert!(!check.matches);
    let text = text(&check);
    let unread = "1 could not be read:\n  prod-1 in eu-west-1: ";
    assert!(text.contains(unread), "{text}");
}

#[tokio::test]
async fn check_reports_each_association_of_a_deleted_cluster() {
    let harness = with_empty_index();
    harness.build_all().await;
    harness
        .sim
        .eks(|eks| eks.delete_cluster("eu-west-1", "prod-1"));
    let check = harness.check().await;
    let kinds: Vec<_> = check.differences.iter().map(|it| it.difference).collect();
    assert_eq!(kinds, ["deleted"; 20]);
}

#[tokio::test]
async fn a_glob_that_chooses_nothing_is_an_error() {
    let harness = with_empty_index();
    let error = harness.select(&["nope*"]).await.unwrap_err().to_string();
    expect![
        "--cluster chooses no cluster in eu-west-1, us-east-1; there are eu-west-1/prod-1, us-east-1/prod-2"
    ]
    .assert_eq(&error);
    assert_eq!(harness.select(&["prod-2"]).await.unwrap().clusters.len(), 1);
}

#[tokio::test]
async fn an_interrupted_build_gives_its_lease_back_and_the_next_one_resumes_it() {
    let harness = with_empty_index();
    let mut at = Duration::ZERO;
    let mut released = 0;
    loop {
        let before = harness.last_run().await.map(|run| run.fence);
        match harness.build(at).await {
            Built::Interrupted => {}
            Built::Finished(_) => break,
            Built::AlreadyRunning(run) => panic!("a lease that nobody holds: {run:?}"),
        }
        if let Some(run) = harness.last_run().await {
            assert_eq!(run.lease_until, None, "interrupted after {at:?}");
            released += u32::from(before != Some(run.fence));
        }
        at += Duration::from_millis(10);
    }
    assert!(
        released > 3,
        "{released} runs were interrupted while they held the lease"
    );
    assert!(harness.check().await.matches);
}

#[tokio::test]
async fn while_another_run_is_in_flight_nothing_is_built() {
    let harness = with_empty_index();
    let first = harness.build(Duration::from_hours(1));
    let second = async {
        while harness.last_run().await.is_none() {
            sleep(Duration::from_millis(10)).await;
        }
        harness.build(Duration::from_hours(1)).await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(matches!(first, Built::Finished(_)));
    let Built::AlreadyRunning(run) = second else {
        panic!("the first one holds the lease: {second:?}");
    };
    assert!(run.lease_until.is_some());
}

#[tokio::test]
async fn show_finds_an_association_by_its_arn_or_id() {
    let harness = with_empty_index();
    harness.build_all().await;
    let regions = ["eu-west-1", "us-east-1"].map(str::to_owned);
    let rules = ItemRules {
        own_account: None,
        regions: None,
        now: harness.aws.now(),
    };
    let arn = harness.sim.eks(|eks| {
        let last = eks.associations().last();
        last.unwrap().association_arn.clone()
    });
    let id = arn.rsplit('/').next().unwrap();
    for name in [arn.as_str(), id] {
        let found = find(&harness.aws, name, &regions, &rules).await.unwrap();
        let found = found.as_ref().and_then(IndexEntry::live);
        assert_eq!(found.unwrap().association_arn.as_str(), arn, "{name}");
    }
    for name in ["a-nowhere", "no/id"] {
        assert_eq!(
            find(&harness.aws, name, &regions, &rules).await.unwrap(),
            None
        );
    }
}
