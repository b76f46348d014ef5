//! Execution: starts the pending rows, several at a time. Each region has a queue of its own, since
//! each region throttles for itself. What happens to a row is in `mover`.

use std::collections::VecDeque;

use futures_util::future::{join, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use rerole_core::call::CallError;
use rerole_core::keys::RowRegion;
use rerole_core::rotation::{Row, Stop};

use crate::aws::ledger::Select;
use crate::aws::page::{NextPage, Page, PageStart};
use crate::rotate::slice::context::Context;
use crate::rotate::slice::error::SliceError;
use crate::rotate::slice::mover::Mover;
use crate::rotate::slice::tally::recount_rows;

/// A pass starts every pending row once. A second pass follows if the rotation stopped during the
/// first one, which leaves rows pending. Nothing makes a third one necessary.
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
        let queues = regions.iter().zip(first_pages);
        let queues = queues.map(|(region, page)| Ok(RegionQueue::new(region.clone(), page?)));
        let queues = queues.collect::<Result<_, CallError>>()?;
        Ok(Self { slice, queues })
    }

    /// Starts every pending row once. Returns only when no row is in flight any more, also after an
    /// error.
    async fn run(mut self) -> Result<(), SliceError> {
        let slice = self.slice;
        let (mut in_flight, mut pages) = (FuturesUnordered::new(), FuturesUnordered::new());
        let associate =
            |index, row: Row| async move { (index, Box::pin(Mover::new(slice, &row).run()).await) };
        let read_page = |index, region: RowRegion, start| async move {
            (index, pending_rows(slice, &region, start).await)
        };
        let mut unsettled = Unsettled::default();
        // Why no further row is started.
        let mut halt: Option<SliceError> = None;
        loop {
            if halt.is_none() {
                halt = slice.check().err();
            }
            if halt.is_none() {
                self.start_rows(&in_flight, associate);
                self.request_pages(&pages, read_page);
            }
            // Rows that were read but not started stay pending.
            if in_flight.is_empty() && pages.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                Some((index, result)) = in_flight.next(), if !in_flight.is_empty() => {
                    self.queues[index].in_flight -= 1;
                    unsettled.note(result);
                }
                Some((index, page)) = pages.next(), if !pages.is_empty() => match page {
                    Ok(page) => self.queues[index].extend(page),
                    Err(error) => halt = halt.or(Some(error.into())),
                },
            }
        }
        halt.map_or(Ok(()), Err).and(unsettled.into_result())
    }

    /// Starts as many rows as may be in flight.
    fn start_rows<F>(
        &mut self,
        in_flight: &FuturesUnordered<F>,
        associate: impl Fn(usize, Row) -> F,
    ) {
        while let Some(index) = self.next_queue(in_flight.len()) {
            let queue = &mut self.queues[index];
            if let Some(row) = queue.rows.pop_front() {
                queue.in_flight += 1;
                in_flight.push(associate(index, row));
            }
        }
    }

    /// Returns the queue that may start a row now, if there is one: the one with the fewest in
    /// flight.
    fn next_queue(&self, in_flight: usize) -> Option<usize> {
        if in_flight >= self.in_flight_max() {
            return None;
        }
        let may_start = |queue: &RegionQueue| {
            let eks = &self.slice.aws.eks;
            !queue.rows.is_empty() && queue.in_flight < eks.concurrency(queue.region.name())
        };
        let queues = self.queues.iter().enumerate();
        queues
            .filter(|(_, queue)| may_start(queue))
            .min_by_key(|(_, queue)| queue.in_flight)
            .map(|(index, _)| index)
    }

    /// Returns how many associations may be in flight now, in all regions. Until an update has
    /// succeeded, the new role itself may be the problem, so the first association goes alone. A
    /// slice that writes nothing has nothing to prove.
    fn in_flight_max(&self) -> usize {
        let state = self.slice.state();
        match state.stop {
            // The association that records the decision is itself in flight.
            Stop::Deciding | Stop::Unrecorded => 0,
            Stop::No if !self.slice.request().dry_run && !state.role_proven => 1,
            Stop::No | Stop::Recorded(_) => self.slice.settings.max_concurrency,
        }
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

/// The rows of one region that a pass has not started yet.
#[derive(Debug)]
struct RegionQueue {
    region: RowRegion,
    rows: VecDeque<Row>,
    page: NextPage,
    in_flight: usize,
}

impl RegionQueue {
    fn new(region: RowRegion, first: Page<Row>) -> Self {
        let mut queue = Self {
            region,
            rows: VecDeque::new(),
            page: NextPage::first(),
            in_flight: 0,
        };
        queue.extend(first);
        queue
    }

    fn extend(&mut self, page: Page<Row>) {
        self.rows.extend(page.items);
        self.page = NextPage::after(page.next);
    }
}

/// Rows that a pass started and could not settle.
#[derive(Debug, Default)]
struct Unsettled {
    count: u64,
    first: Option<CallError>,
}

impl Unsettled {
    fn note(&mut self, result: Result<(), CallError>) {
        if let Err(error) = result {
            self.count += 1;
            self.first.get_or_insert(error);
        }
    }

    fn into_result(self) -> Result<(), SliceError> {
        match self.first {
            Some(first) => Err(SliceError::Unsettled {
                count: self.count,
                first,
            }),
            None => Ok(()),
        }
    }
}
