//! Step 4: the pending rows, taken up one after the other and several at a time. Regions have lanes of their own, which run
//! side by side: each throttles for itself.

use std::collections::VecDeque;

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::progress::Stop;
use super::{Slice, SliceError};
use crate::aws::error::CallError;
use crate::aws::expression::Item;
use crate::aws::rows::{RowPage, RowRegion, Select};
use crate::outcome::Row;

/// A pass takes up every pending row once. A second one follows where rows were left because the rotation stopped in the
/// middle of the first; nothing makes a third necessary.
const PASSES_MAX: u32 = 3;

/// The rows of one region that are still to be taken up in a pass.
#[derive(Debug)]
struct Lane {
    region: RowRegion,
    rows: VecDeque<Row>,
    page: NextPage,
    in_work: usize,
}

/// Where a lane is read on.
#[derive(Debug)]
enum NextPage {
    At(Option<Item>),
    OnItsWay,
    None,
}

impl Slice<'_> {
    /// Works until no row is pending.
    pub(super) async fn execute(&self) -> Result<(), SliceError> {
        for _ in 0..PASSES_MAX {
            if self.progress().counts.pending == 0 {
                return Ok(());
            }
            self.pass().await?;
            // A row may have been settled by somebody else: a holder before us whose last answer was on its way.
            if self.progress().counts.pending > 0 {
                self.take_stock().await?;
            }
        }
        match self.progress().counts.pending {
            0 => Ok(()),
            pending => Err(SliceError::StillPending { pending }),
        }
    }

    /// Takes up every pending row once, and returns when none is in work any more, whatever happens.
    async fn pass(&self) -> Result<(), SliceError> {
        let mut lanes = self.lanes().await?;
        let (mut in_work, mut pages) = (FuturesUnordered::new(), FuturesUnordered::new());
        let mut unsettled = Unsettled::default();
        // The reason for which no further row is taken up.
        let mut halt: Option<SliceError> = None;
        loop {
            if halt.is_none() {
                halt = self.check().err();
            }
            if halt.is_none() {
                while let Some(place) = self.next_lane(&lanes, in_work.len()) {
                    let lane = &mut lanes[place];
                    if let Some(row) = lane.rows.pop_front() {
                        lane.in_work += 1;
                        in_work.push(async move { (place, Box::pin(self.associate(row)).await) });
                    }
                }
                for (place, lane) in lanes.iter_mut().enumerate().filter(|(_, lane)| lane.rows.is_empty()) {
                    if let NextPage::At(start) = &mut lane.page {
                        let (start, region) = (start.take(), lane.region.clone());
                        lane.page = NextPage::OnItsWay;
                        pages.push(async move { (place, self.page(&region, start).await) });
                    }
                }
            }
            // No call is left in flight; the rows that it brings stay pending.
            if in_work.is_empty() && pages.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                Some((place, left)) = in_work.next(), if !in_work.is_empty() => {
                    lanes[place].in_work -= 1;
                    unsettled.note(left);
                }
                Some((place, page)) = pages.next(), if !pages.is_empty() => match page {
                    Ok(page) => lanes[place].take(page),
                    Err(error) => halt = halt.or(Some(error.into())),
                },
            }
        }
        halt.map_or(Ok(()), Err).and(unsettled.into_result())
    }

    /// A lane for each region, at the pace that was learnt there.
    async fn lanes(&self) -> Result<Vec<Lane>, SliceError> {
        let regions = self.aws.ledger.row_regions(self.key()).await?;
        let is_new = |region: &&RowRegion| self.progress().regions.insert(region.name.clone());
        self.aws.begin_paces(regions.iter().filter(is_new).map(|region| region.name.as_str())).await;
        let lane = |region| Lane { region, rows: VecDeque::new(), page: NextPage::At(None), in_work: 0 };
        Ok(regions.into_iter().map(lane).collect())
    }

    async fn page(&self, region: &RowRegion, start: Option<Item>) -> Result<RowPage, CallError> {
        self.aws.ledger.rows(self.key(), Select::PendingIn(region), start).await
    }

    /// The lane that may take up a row now, if any may: the one with the fewest in work.
    fn next_lane(&self, lanes: &[Lane], in_work: usize) -> Option<usize> {
        if in_work >= self.in_work_max() {
            return None;
        }
        let may_take = |lane: &Lane| !lane.rows.is_empty() && lane.in_work < self.aws.eks.width(&lane.region.name);
        let lanes = lanes.iter().enumerate().filter(|(_, lane)| may_take(lane));
        lanes.min_by_key(|(_, lane)| lane.in_work).map(|(place, _)| place)
    }

    /// How many associations may be in work now, in all regions. Until an update has succeeded the new role may be the
    /// trouble, so the first association goes alone. Where nothing is written there is nothing to prove.
    fn in_work_max(&self) -> usize {
        let progress = self.progress();
        match progress.stop {
            // Whoever decides is in work itself, and nothing new is taken up meanwhile.
            Stop::Deciding | Stop::Unrecorded => 0,
            Stop::No if !self.request().dry_run && !progress.role_proven => 1,
            Stop::No | Stop::Recorded(_) => self.max_concurrency,
        }
    }
}

impl Lane {
    fn take(&mut self, page: RowPage) {
        self.rows.extend(page.rows);
        self.page = page.next.map_or(NextPage::None, |next| NextPage::At(Some(next)));
    }
}

/// Rows that a pass took up and had to leave pending.
#[derive(Debug, Default)]
struct Unsettled {
    count: u64,
    first: Option<CallError>,
}

impl Unsettled {
    fn note(&mut self, left: Result<(), CallError>) {
        if let Err(error) = left {
            self.count += 1;
            self.first.get_or_insert(error);
        }
    }

    fn into_result(self) -> Result<(), SliceError> {
        match self.first {
            Some(first) => Err(SliceError::Unsettled { count: self.count, first: Box::new(first) }),
            None => Ok(()),
        }
    }
}
