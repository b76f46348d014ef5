//! The queue of a region: its rows that a pass has not started yet, and when the next probe may be
//! started. Which queue starts a row is decided in `execute`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rerole_core::call::CallError;
use rerole_core::keys::RowRegion;
use rerole_core::rotation::Row;
use tokio::time::Instant;

use crate::aws::page::{NextPage, Page};
use crate::rotate::slice::mover::MoveEnd;

/// The rows of one region that a pass has not started yet, in the order of their clusters.
///
/// The queue passes over a cluster whose association was the probe and was refused, and one that
/// gets one error after another. The rows of such a cluster are dropped, because a cluster may have
/// thousands, and are read again in another round, once all others are done.
#[derive(Debug)]
pub(super) struct RegionQueue {
    pub(super) region: RowRegion,
    pub(super) rows: VecDeque<Row>,
    pub(super) page: NextPage,
    pub(super) is_reading: bool,
    pub(super) in_flight: usize,
    /// The clusters that this round passes over, by ARN.
    passed_over: BTreeSet<String>,
    /// Rows were passed over, so another round follows.
    has_left_rows: bool,
    /// How many clusters have refused the new role in this round.
    refusals: u32,
    /// A row of this pass could not be settled.
    has_failed: bool,
    /// How long the next round waits.
    pause: Duration,
    /// When the next probe may be started.
    pub(super) probe_at: Instant,
}

/// What the end of a round says of the new role in the region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoundEnd {
    /// Each cluster that responds has refused it.
    Refused,
    /// No row is pending.
    Settled,
    /// Nothing.
    Unknown,
}

impl RegionQueue {
    pub(super) fn new(region: RowRegion, first: Page<Row>) -> Self {
        let mut queue = Self {
            region,
            rows: VecDeque::new(),
            page: NextPage::first(),
            is_reading: false,
            in_flight: 0,
            passed_over: BTreeSet::new(),
            has_left_rows: false,
            refusals: 0,
            has_failed: false,
            pause: Duration::ZERO,
            probe_at: Instant::now(),
        };
        queue.extend(first);
        queue
    }

    pub(super) fn extend(&mut self, page: Page<Row>) {
        self.rows.extend(page.items);
        self.page = NextPage::after(page.next);
        self.is_reading = false;
    }

    /// Drops the next rows as long as their cluster is one to pass over.
    pub(super) fn pass_over(&mut self, failing_clusters: &BTreeMap<String, u32>) {
        while let Some(row) = self.rows.front() {
            let cluster = row.association_arn.cluster_arn();
            if !self.passed_over.contains(&cluster) && !failing_clusters.contains_key(&cluster) {
                break;
            }
            self.rows.pop_front();
            self.has_left_rows = true;
        }
    }

    /// Notes how a row ended that was in flight.
    pub(super) fn note_end(&mut self, cluster: String, end: &Result<MoveEnd, CallError>) {
        self.in_flight -= 1;
        match end {
            Ok(MoveEnd::GaveWay { pause, is_refusal }) => {
                self.passed_over.insert(cluster);
                self.has_left_rows = true;
                self.refusals += u32::from(*is_refusal);
                self.pause = self.pause.max(*pause);
            }
            Ok(MoveEnd::Settled | MoveEnd::SliceOver) => {}
            Err(_) => self.has_failed = true,
        }
    }

    /// Ends the round once it is done. Another one follows if this one passed over rows. None of
    /// its rows is in flight then, so none is read twice.
    pub(super) fn end_round(&mut self) -> Option<RoundEnd> {
        let is_done =
            self.rows.is_empty() && self.in_flight == 0 && !self.is_reading && self.page.is_none();
        if !is_done {
            return None;
        }
        let refusals = std::mem::take(&mut self.refusals);
        if std::mem::take(&mut self.has_left_rows) {
            self.page = NextPage::first();
            self.passed_over.clear();
            self.probe_at = Instant::now() + std::mem::take(&mut self.pause);
            return Some(match refusals {
                0 => RoundEnd::Unknown,
                _ => RoundEnd::Refused,
            });
        }
        Some(if self.has_failed {
            RoundEnd::Unknown
        } else {
            RoundEnd::Settled
        })
    }
}
