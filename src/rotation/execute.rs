//! Step 4: the pending rows, taken up one after the other and several at a time.

use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt, TryStreamExt};

use super::progress::Stop;
use super::{Slice, SliceError};
use crate::aws::error::CallError;
use crate::aws::rows::Select;
use crate::outcome::Row;

/// A pass takes up every pending row once. A second one follows where rows were left because the rotation stopped in the
/// middle of the first; nothing makes a third necessary.
const PASSES_MAX: u32 = 3;

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
        let mut rows = std::pin::pin!(self.pending_rows());
        let mut in_work = FuturesUnordered::new();
        let mut unsettled = Unsettled::default();
        // `Some` once no further row is to be taken up, with the reason where it is an error.
        let mut end: Option<Result<(), SliceError>> = None;
        // A page may be on its way while another association is settled first.
        let mut fetching = false;
        loop {
            if end.is_none()
                && let Err(halt) = self.check()
            {
                end = Some(Err(halt));
            }
            if end.is_some() && in_work.is_empty() {
                break;
            }
            let take = end.is_none() && in_work.len() < self.width();
            fetching |= take;
            tokio::select! {
                biased;
                Some(left) = in_work.next(), if !in_work.is_empty() => unsettled.note(left),
                row = rows.next(), if take => {
                    fetching = false;
                    match row {
                        Some(Ok(row)) => in_work.push(self.associate(row)),
                        Some(Err(error)) => end = Some(Err(error.into())),
                        None => end = Some(Ok(())),
                    }
                }
            }
        }
        if fetching {
            // No call is left in flight; the row that it brings stays pending.
            rows.next().await;
        }
        end.unwrap_or(Ok(())).and(unsettled.into_result())
    }

    /// How many associations may be in work now. Until an update has succeeded the new role may be the trouble, so the
    /// first association goes alone. Where nothing is written there is nothing to prove.
    fn width(&self) -> usize {
        let progress = self.progress();
        match progress.stop {
            // Whoever decides is in work itself, and nothing new is taken up meanwhile.
            Stop::Deciding | Stop::Unrecorded => 0,
            Stop::No if !self.request().dry_run && !progress.role_proven => 1,
            Stop::No | Stop::Recorded(_) => self.max_concurrency,
        }
    }

    /// The pending rows, a page at a time.
    fn pending_rows(&self) -> impl Stream<Item = Result<Row, CallError>> {
        stream::try_unfold(Some(None), move |page| async move {
            let Some(start) = page else { return Ok(None) };
            let page = self.aws.ledger.rows(self.key(), Select::Pending, start).await?;
            Ok(Some((stream::iter(page.rows).map(Ok), page.next.map(Some))))
        })
        .try_flatten()
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
