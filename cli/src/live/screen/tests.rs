//! What is drawn at 80 and at 200 columns, and on a small terminal.

use expect_test::expect;
use ratatui::backend::TestBackend;
use ratatui::{Terminal, TerminalOptions, Viewport};
use rerole_core::rotation::{PauseCause, Status};

use super::*;
use crate::live::testing::{region, snapshot};
use crate::testing::ACCOUNT;

const MANUAL: &str = include_str!("../../../../docs/operating.md");

/// What a terminal of this size shows.
fn screen(snapshot: &Snapshot, (width, height): (u16, u16)) -> String {
    let backend = TestBackend::new(width, height);
    let viewport = Viewport::Inline(HEIGHT_MAX.min(height));
    let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport }).unwrap();
    let drawing = Drawing {
        account: ACCOUNT,
        has_color: true,
    };
    terminal
        .draw(|frame| drawing.draw(frame, snapshot))
        .unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(width));
    let rows = rows.map(|row| {
        let row: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        row.trim_end().to_owned()
    });
    let rows: Vec<_> = rows.collect();
    rows.join("\n").trim_end().to_owned()
}

#[test]
fn at_eighty_columns() {
    let screen = screen(&snapshot(), (80, 24));
    expect![[r"
        Rotation app: InProgress
          platform/app-2025 to platform/app-2026
          all regions    ████░░░░░░░░░░    120 of 400  30 %   2.3/s  about 2 min left
          eu-west-1      ░░░░░░░░░░░░░░     20 of 300   6 %   2.1/s  about 2 min left
          us-east-1      ██████████████    100 of 100 100 %          settled
          115 moved, 5 failed, 280 pending
        3 failed: InvalidParameterException: Role provided in the request does not exist
          Create the new role, or let its trust policy allow pods.eks.amazonaws.com
          sts:AssumeRole and sts:TagSession, and retry the rotation.
        2 failed: InvalidRequestException: EKS is busy
          EKS refused the update for the reason in its message. Remove the reason, and
          retry the rotation.
        Timeline:
          2026-11-23 21:08:00  Planning  by Operator/jane: CHG-7
          2026-11-23 21:09:00  Planning -> InProgress  by rerole
        q or Ctrl-C ends this view; the rotation continues"]]
    .assert_eq(&screen);
    assert!(MANUAL.contains(&screen), "the manual shows it");
}

#[test]
fn at_two_hundred_columns() {
    expect![[r"
        Rotation app: InProgress
          platform/app-2025 to platform/app-2026
          all regions    ████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░    120 of 400  30 %   2.3/s  about 2 min left
          eu-west-1      ██░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░     20 of 300   6 %   2.1/s  about 2 min left
          us-east-1      ████████████████████████████████████████    100 of 100 100 %          settled
          115 moved, 5 failed, 280 pending
        3 failed: InvalidParameterException: Role provided in the request does not exist
          Create the new role, or let its trust policy allow pods.eks.amazonaws.com sts:AssumeRole and sts:TagSession, and retry the rotation.
        2 failed: InvalidRequestException: EKS is busy
          EKS refused the update for the reason in its message. Remove the reason, and retry the rotation.
        Timeline:
          2026-11-23 21:08:00  Planning  by Operator/jane: CHG-7
          2026-11-23 21:09:00  Planning -> InProgress  by rerole
        q or Ctrl-C ends this view; the rotation continues"]].assert_eq(&screen(&snapshot(), (200, 24)));
}

#[test]
fn a_small_terminal_shows_what_matters_most() {
    let mut snapshot = snapshot();
    snapshot.rotation.regions.extend([
        region("ap-south-1", (10, 4), 0.0),
        region("sa-east-1", (10, 5), 0.0),
    ]);
    expect![[r"
        Rotation app: InProgress
          platform/app-2025 to platform/app-2026
          all regions    ████░░░░░░░░░░    120 of 400  30 %   2.3/s  about 2 min left
          ap-south-1     ████████░░░░░░       6 of 10  60 %   0.0/s
          sa-east-1      ███████░░░░░░░       5 of 10  50 %   0.0/s
          and 2 more regions
          115 moved, 5 failed, 280 pending
        Timeline:
          2026-11-23 21:08:00  Planning  by Operator/jane: CHG-7
          2026-11-23 21:09:00  Planning -> InProgress  by rerole
        q or Ctrl-C ends this view; the rotation continues"]]
    .assert_eq(&screen(&snapshot, (80, 12)));
    // Not even the bar fits into three lines, and nothing fails.
    assert!(screen(&snapshot, (20, 3)).starts_with("Rotation app"));
}

#[test]
fn it_says_who_is_awaited() {
    let mut snapshot = snapshot();
    snapshot.rotation.status = Status::Paused;
    snapshot.rotation.status_cause = Some(PauseCause::Operator);
    snapshot.rotation.waits_for = Some("a person (rerole resume app)".to_owned());
    snapshot.rotation.regions.clear();
    snapshot.rotation.settled_per_sec = None;
    snapshot.rotation.estimated_end_at = None;
    snapshot.causes.clear();
    snapshot.history.timeline.clear();
    expect![[r"
        Rotation app: Paused (Operator)
          platform/app-2025 to platform/app-2026
          waits for a person (rerole resume app)
          progress       ████░░░░░░░░░░    120 of 400  30 %
          115 moved, 5 failed, 280 pending
        q or Ctrl-C ends this view; the rotation continues"]]
    .assert_eq(&screen(&snapshot, (80, 24)));
    snapshot.rotation.status = Status::InProgress;
    snapshot.rotation.status_cause = None;
    snapshot.rotation.waits_for = None;
    snapshot.rotation.is_stalled = true;
    assert!(screen(&snapshot, (80, 24)).contains("stalled: no invocation has worked on it"));
}

#[test]
fn what_eks_says_takes_one_line_and_controls_nothing() {
    let mut snapshot = snapshot();
    snapshot.causes[0].error_message = Some("try\u{1b}[2J\nlater".to_owned());
    let screen = screen(&snapshot, (80, 24));
    let line = "\n3 failed: InvalidParameterException: try\\u001b[2J later\n";
    assert!(screen.contains(line), "{screen}");
}

#[test]
fn an_outage_is_shown_with_the_time_of_what_is_shown() {
    let mut snapshot = snapshot();
    snapshot.outage = Some("read rotation app: timeout".to_owned());
    let screen = screen(&snapshot, (80, 24));
    let line = "\n  not read since 2026-11-23 21:17:00, trying again: read rotation app: timeout\n";
    assert!(screen.contains(line), "{screen}");
}
