//! Which lines are written of which change.

use std::time::Duration;

use rerole_core::rotation::Status;

use super::*;
use crate::live::testing::{cause, entry, snapshot};

#[test]
fn each_change_is_written_once() {
    let mut changes = Changes::default();
    let mut snapshot = snapshot();
    let first = changes.lines(&snapshot);
    assert!(first[0].contains("Planning  by Operator/jane: CHG-7"));
    assert!(first[1].contains("Planning -> InProgress"));
    assert!(first[2].contains("failed: InvalidParameterException"));
    assert_eq!(first.len(), 4, "{first:?}");
    assert_eq!(changes.lines(&snapshot), Vec::<String>::new());

    let paused = entry(3, Some(Status::InProgress), Status::Paused);
    snapshot.history.timeline.push(paused);
    snapshot.causes[0].count += 1;
    snapshot
        .causes
        .push(cause(1, ("AccessDeniedException", "denied")));
    let second = changes.lines(&snapshot);
    assert!(second[0].contains("InProgress -> Paused"), "{second:?}");
    assert!(second[1].contains("AccessDeniedException"), "{second:?}");
    assert_eq!(second.len(), 2, "{second:?}");

    let known = Changes::after(2).lines(&snapshot);
    assert!(known[0].contains("InProgress -> Paused"), "{known:?}");
}

#[test]
fn how_far_it_is_is_written_now_and_then() {
    let mut changes = Changes::default();
    let mut snapshot = snapshot();
    let mut lines = 0;
    for _ in 0..90 {
        snapshot.rotation.counts.updated += 1;
        let written = changes.lines(&snapshot);
        let progress = written.iter().filter(|it| it.contains(" of 400 settled"));
        lines += progress.count();
        snapshot.at = snapshot.at + Duration::from_secs(1);
    }
    assert_eq!(lines, 2);
    // One that stands still is written once.
    snapshot.at = snapshot.at + Duration::from_mins(1);
    assert_eq!(changes.lines(&snapshot).len(), 1);
    snapshot.at = snapshot.at + Duration::from_mins(1);
    assert_eq!(changes.lines(&snapshot), Vec::<String>::new());
}

#[test]
fn an_outage_is_written_once_and_so_is_its_end() {
    let mut changes = Changes::default();
    let mut snapshot = snapshot();
    changes.lines(&snapshot);
    snapshot.outage = Some("read rotation r: timeout".to_owned());
    let written = changes.lines(&snapshot);
    assert!(written[0].starts_with("not read since "), "{written:?}");
    assert!(
        written[0].ends_with("read rotation r: timeout"),
        "{written:?}"
    );
    assert_eq!(changes.lines(&snapshot), Vec::<String>::new());
    snapshot.outage = None;
    let written = changes.lines(&snapshot);
    assert!(written[0].ends_with("  read again"), "{written:?}");
    assert_eq!(changes.lines(&snapshot), Vec::<String>::new());
}
