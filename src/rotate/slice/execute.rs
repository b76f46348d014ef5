//! Execution: starts the pending rows, several at a time. Each region has a queue of its own, since
//! each region throttles for itself. What happens to a row is in `mover`.

use futures_util::future::{join, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use rerole_core::call::CallError;
use rerole_core::keys::RowRegion;
use rerole_core::rotation::{Row, Stop};
use tokio::time::Instant;

use crate::aws::ledger::Select;
use crate::aws::page::{Page, PageStart};
use crate::rotate::slice::context::Context;
use crate::rotate::slice::error::SliceError;
use crate::rotate::slice::mover::Mover;
use crate::rotate::slice::region_queue::{RegionQueue, RoundEnd};
use crate::rotate::slice::tally::recount_rows;

/// A pass tries every pending row. A second pass follows if the rotation stopped during the first
/// one, which leaves rows pending. Nothing makes a third one necessary.
const PASSES_MAX: u32 = 3;

/// Works until no row is pending.
pub(super) async fn execute(slice: &Context<'_>) -> Result<(), SliceError> {
    for _ in 0..PASSES_MAX {
        if slice.state().counts.pending == 0 {
            return Ok(());
        }
        Pass::open(slice).await?.run().await?;
        // A former owner of the lease may have settled a row, with a write that was still in
        // flight.
        if slice.state().counts.pending > 0 {
            recount_rows(slice).await?;
        }
    }
    match slice.state().counts.pending {
        0 => Ok(()),
        pending => Err(SliceError::StillPending { pending }),
    }
}

/// One pass over the pending rows.
#[derive(Debug)]
struct Pass<'a> {
    slice: &'a Context<'a>,
    queues: Vec<RegionQueue>,
    /// The time of this turn of the loop. Rows are started, and the next probe is found, as of the
    /// same time.
    now: Instant,
}

impl<'a> Pass<'a> {
    /// A queue for each region, with its first rows. The region's rate is the one that was learned
    /// earlier.
    async fn open(slice: &'a Context<'a>) -> Result<Self, SliceError> {
        let regions = slice.aws.ledger.rows(slice.key()).regions().await?;
        let is_new = |region: &&RowRegion| slice.state().regions.insert(region.name().to_owned());
        let new = regions.iter().filter(is_new).map(RowRegion::name);
        let first_pages = regions
            .iter()
            .map(|region| pending_rows(slice, region, None));
        let (first_pages, ()) = join(join_all(first_pages), slice.aws.seed_rates(new)).await;
        for region in &regions {
            slice.state().role.note_pending(region.name());
        }
        let queues = regions.iter().zip(first_pages);
        let queues = queues.map(|(region, page)| Ok(RegionQueue::new(region.clone(), page?)));
        let queues = queues.collect::<Result<_, CallError>>()?;
        Ok(Self {
            slice,
            queues,
            now: Instant::now(),
        })
    }

    /// Starts every pending row. Returns only when no row is in flight any more, also after an
    /// error.
    async fn run(mut self) -> Result<(), SliceError> {
        let slice = self.slice;
        let (mut in_flight, mut pages) = (FuturesUnordered::new(), FuturesUnordered::new());
        let associate = |index, row: Row| async move {
            let end = Box::pin(Mover::new(slice, &row).run()).await;
            (index, row.association_arn.cluster_arn(), end)
        };
        let read_page = |index, region: RowRegion, start| async move {
            (index, pending_rows(slice, &region, start).await)
        };
        // Why the first of the rows that could not be settled was left `Pending`.
        let mut first_error: Option<CallError> = None;
        // Why no further row is started.
        let mut halt: Option<SliceError> = None;
        loop {
            if halt.is_none() {
                halt = slice.check().err();
            }
            let mut probe_at = None;
            self.now = Instant::now();
            if halt.is_none() {
                self.start_rows(&in_flight, associate);
                self.end_rounds();
                self.request_pages(&pages, read_page);
                probe_at = self.next_probe_at();
            }
            // Rows that were read but not started stay pending.
            if in_flight.is_empty() && pages.is_empty() && probe_at.is_none() {
                break;
            }
            let wake_at = probe_at.unwrap_or(slice.ends_at).min(slice.ends_at);
            tokio::select! {
                biased;
                Some((index, cluster, end)) = in_flight.next(), if !in_flight.is_empty() => {
                    self.queues[index].note_end(cluster, &end);
                    first_error = first_error.or(end.err());
                }
                Some((index, page)) = pages.next(), if !pages.is_empty() => match page {
                    Ok(page) => self.queues[index].extend(page),
                    Err(error) => halt = halt.or(Some(error.into())),
                },
                () = slice.wake.notified(), if !in_flight.is_empty() => {}
                () = tokio::time::sleep_until(wake_at), if probe_at.is_some() => {}
            }
        }
        if let Some(error) = halt {
            return Err(error);
        }
        // Another round may have settled them.
        match (slice.state().counts.pending, first_error) {
            (0, _) | (_, None) => Ok(()),
            (count, Some(first)) => Err(SliceError::Unsettled { count, first }),
        }
    }

    /// Ends the round of each queue that is done, and tells what it says of the new role.
    fn end_rounds(&mut self) {
        for queue in &mut self.queues {
            let Some(end) = queue.end_round() else {
                continue;
            };
            let (mut state, region) = (self.slice.state(), queue.region.name());
            match end {
                RoundEnd::Refused => state.role.note_round(region),
                RoundEnd::Settled => state.role.note_settled(region),
                RoundEnd::Unknown => {}
            }
        }
    }

    /// Starts as many rows as may be in flight.
    fn start_rows<F>(
        &mut self,
        in_flight: &FuturesUnordered<F>,
        associate: impl Fn(usize, Row) -> F,
    ) {
        for queue in &mut self.queues {
            queue.pass_over(&self.slice.state().failing_clusters);
        }
        while let Some(index) = self.next_queue(in_flight.len()) {
            let queue = &mut self.queues[index];
            if let Some(row) = queue.rows.pop_front() {
                queue.in_flight += 1;
                in_flight.push(associate(index, row));
                queue.pass_over(&self.slice.state().failing_clusters);
            }
        }
    }

    /// Returns the queue that may start a row now, if there is one: the one with the fewest in
    /// flight.
    fn next_queue(&self, in_flight: usize) -> Option<usize> {
        if in_flight >= self.in_flight_max() {
            return None;
        }
        let queues = self.queues.iter().enumerate();
        queues
            .filter(|(_, queue)| self.may_start(queue))
            .min_by_key(|(_, queue)| queue.in_flight)
            .map(|(index, _)| index)
    }

    /// Returns whether a region may start a row now: one alone as long as EKS has not accepted the
    /// new role there, and otherwise as many as its rate can feed. Those that pause use no rate.
    fn may_start(&self, queue: &RegionQueue) -> bool {
        if queue.rows.is_empty() {
            return false;
        }
        let region = queue.region.name();
        if self.slice.probes_in(region) {
            return self.has_no_probe(queue) && self.now >= queue.probe_at;
        }
        let calling = queue
            .in_flight
            .saturating_sub(self.slice.waiting(region).pausing);
        calling < self.slice.aws.eks.concurrency(region)
    }

    /// Returns whether no row of an unproven region is in flight, except for those that EKS did not
    /// find: it takes some seconds until these count as deleted.
    fn has_no_probe(&self, queue: &RegionQueue) -> bool {
        queue.in_flight == self.slice.waiting(queue.region.name()).missing
    }

    /// Returns how many associations may be in flight now, in all regions.
    fn in_flight_max(&self) -> usize {
        let stop = self.slice.state().stop.clone();
        match stop {
            // The association that records the decision is itself in flight.
            Stop::Deciding | Stop::NotRecorded | Stop::Unconfirmed => 0,
            Stop::No | Stop::Recorded(_) => self.slice.max_concurrency(),
        }
    }

    /// Returns when the next probe is due that waits for nothing but time.
    fn next_probe_at(&self) -> Option<Instant> {
        let waits = |queue: &&RegionQueue| {
            let is_idle = self.has_no_probe(queue) && !queue.rows.is_empty();
            is_idle && queue.probe_at > self.now && self.slice.probes_in(queue.region.name())
        };
        let queues = self.queues.iter().filter(waits);
        queues.map(|queue| queue.probe_at).min()
    }

    /// Reads the next page of each queue that is empty.
    fn request_pages<F>(
        &mut self,
        pages: &FuturesUnordered<F>,
        read_page: impl Fn(usize, RowRegion, Option<PageStart>) -> F,
    ) {
        for (index, queue) in self.queues.iter_mut().enumerate() {
            if queue.rows.is_empty()
                && let Some(start) = queue.page.take()
            {
                queue.is_reading = true;
                pages.push(read_page(index, queue.region.clone(), start));
            }
        }
    }
}

async fn pending_rows(
    slice: &Context<'_>,
    region: &RowRegion,
    start: Option<PageStart>,
) -> Result<Page<Row>, CallError> {
    let rows = slice.aws.ledger.rows(slice.key());
    rows.page(Select::PendingIn(region), start).await
}
