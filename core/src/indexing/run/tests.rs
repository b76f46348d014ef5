//! What a run has left to do, and what counts as progress.

use super::*;
use crate::indexing::Mode;
use crate::request::ClusterGlob;

pub(crate) fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(secs * 1_000)
}

/// Returns the request of a run in this mode over two regions.
pub(crate) fn request(mode: Mode) -> RunRequest {
    RunRequest {
        mode,
        regions: vec!["eu-west-1".to_owned(), "us-east-1".to_owned()],
        cluster_names: None,
        exclude_clusters: Vec::new(),
    }
}

/// Returns a list-only run that started at 0 under fence 3.
pub(crate) fn run(finished_at: Option<i64>, lease_until: Option<i64>) -> Run {
    let run = Run::start(request(Mode::ListOnly), 3, at(0));
    Run {
        finished_at: finished_at.map(at),
        lease_until: lease_until.map(at),
        ..run
    }
}

#[test]
fn the_cursor_says_which_clusters_remain() {
    let listed: BTreeSet<_> = ["a", "b", "c"].map(str::to_owned).into();
    let remaining = |cluster: Option<&str>, after: Option<&str>| {
        let (cluster, after) = (cluster.map(str::to_owned), after.map(str::to_owned));
        let cursor = Cursor {
            cluster,
            after,
            ..Cursor::default()
        };
        Run {
            cursor,
            ..run(None, None)
        }
        .remaining_clusters(&listed)
        .join("")
    };
    assert_eq!(remaining(None, None), "abc");
    assert_eq!(
        remaining(Some("b"), Some("a-7")),
        "bc",
        "a slice ended within cluster b"
    );
    assert_eq!(remaining(Some("b"), None), "c");
    assert_eq!(
        remaining(Some("bb"), Some("a-7")),
        "c",
        "the cluster in which a slice ended was deleted"
    );
    assert_eq!(remaining(Some("c"), None), "");
}

#[test]
fn a_new_position_or_count_is_progress_and_calls_alone_are_not() {
    let before = run(None, None);
    let cursor = |after: &str| Cursor {
        after: Some(after.to_owned()),
        ..before.cursor.clone()
    };
    for (after, expected) in [
        (before.clone(), false),
        (
            Run {
                fence: 4,
                counts: RunCounts {
                    calls: 7,
                    ..before.counts
                },
                ..before.clone()
            },
            false,
        ),
        (
            Run {
                cursor: Cursor {
                    started_at: Some(at(1)),
                    ..before.cursor.clone()
                },
                ..before.clone()
            },
            false,
        ),
        (
            Run {
                cursor: cursor("a-1"),
                ..before.clone()
            },
            true,
        ),
        (
            Run {
                cursor: Cursor {
                    region: 1,
                    ..before.cursor.clone()
                },
                ..before.clone()
            },
            true,
        ),
        (
            Run {
                counts: RunCounts {
                    removed: 1,
                    ..before.counts
                },
                ..before.clone()
            },
            true,
        ),
        (run(Some(1), None), true),
    ] {
        assert_eq!(after.has_advanced_since(&before), expected, "{after:?}");
    }
}

#[test]
fn a_region_with_gaps_or_of_selected_clusters_is_not_complete() {
    let finished = |has_gaps, globs: Option<Vec<ClusterGlob>>| {
        let mut run = run(None, None);
        run.request.cluster_names = globs;
        run.cursor = Cursor {
            started_at: Some(at(7)),
            has_gaps,
            cluster: Some("z".to_owned()),
            ..Cursor::default()
        };
        let since = run.finish_region();
        assert_eq!(
            run.cursor,
            Cursor {
                region: 1,
                ..Cursor::default()
            }
        );
        since
    };
    assert_eq!(finished(false, None), Some(at(7)));
    assert_eq!(finished(true, None), None);
    assert_eq!(
        finished(false, ClusterGlob::new("*").map(|glob| vec![glob])),
        None
    );
}

#[test]
fn a_repair_is_an_addition_a_change_or_a_removal() {
    let counts = RunCounts {
        seen: 1_000,
        added: 100,
        changed: 20,
        removed: 3,
        ..RunCounts::default()
    };
    assert_eq!(counts.repaired(), 123);
}

#[test]
fn only_the_start_of_a_full_run_of_all_clusters_searches_the_whole_index() {
    let started = |mode| Run::start(request(mode), 1, at(0));
    assert!(started(Mode::Full).searches_whole_index());
    assert!(!started(Mode::ListOnly).searches_whole_index());
    let mut advanced = started(Mode::Full);
    advanced.cursor.started_at = Some(at(1));
    assert!(!advanced.searches_whole_index());
    for mode in [Mode::Full, Mode::ListOnly] {
        let mut selected = started(mode);
        selected.request.cluster_names = ClusterGlob::new("*").map(|glob| vec![glob]);
        assert!(!selected.searches_whole_index(), "{mode:?}");
    }
}

#[test]
fn an_error_leaves_a_gap_in_its_region_and_only_the_first_hundred_are_kept() {
    let mut run = run(None, None);
    run.cursor.region = 1;
    for _ in 0..=ERRORS_MAX {
        run.note_error(Some("prod"), "é".repeat(PROBLEM_LEN_MAX + 1));
    }
    assert!(run.cursor.has_gaps);
    assert_eq!((run.error_count, run.errors.len()), (101, 100));
    let expected = RunError {
        region: "us-east-1".to_owned(),
        cluster_name: Some("prod".to_owned()),
        problem: "é".repeat(500),
    };
    assert_eq!(run.errors[99], expected);
}

#[test]
fn only_the_first_hundred_excluded_clusters_are_kept() {
    let mut run = run(None, None);
    run.request.exclude_clusters = ClusterGlob::new("*").into_iter().collect();
    let names: Vec<_> = (0..=ERRORS_MAX).map(|n| n.to_string()).collect();
    run.note_excluded(&names);
    assert_eq!(run.excluded.len(), 100);
    assert_eq!(run.excluded[99], "eu-west-1/99");
}

#[test]
fn excluded_clusters_are_not_covered_and_are_named_by_region() {
    let mut run = Run::start(
        RunRequest {
            exclude_clusters: ClusterGlob::new("local-*").into_iter().collect(),
            ..request(Mode::Full)
        },
        1,
        at(0),
    );
    let listed: BTreeSet<_> = ["local-1", "prod"].map(str::to_owned).into();
    for _ in 0..2 {
        run.note_excluded(&listed);
    }
    assert_eq!(run.remaining_clusters(&listed), ["prod"]);
    assert_eq!(run.excluded_in("eu-west-1"), ["local-1"]);
    assert_eq!(run.excluded_in("us-east-1"), Vec::<String>::new());
    run.cursor.started_at = Some(at(0));
    assert_eq!(
        run.finish_region(),
        Some(at(0)),
        "the region is complete all the same"
    );
}
