//! The index run with its lease and fence, and the request that waits for it: items `(index, run)`
//! and `(index, next)`. Which run is next is decided in `rerole_core::indexing`.

use rerole_core::call::{CallError, Operation};
use rerole_core::indexing::{Claim, ReconcileRequest, Run, RunRequest, claim};
use rerole_core::keys::{Entry, LedgerKey};
use rerole_core::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::aws::dynamodb::{Change, Condition, Item, Table, Write, to_item};
use crate::aws::ledger::{LeaseError, has_fence, is_absent, item_key};

/// Few invocations compete for the run. If others claim it first this often, something is wrong,
/// and the next schedule tries again.
const CLAIM_ATTEMPTS: u32 = 4;

/// The index run, and the one that waits.
#[derive(Debug, Clone, Copy)]
pub struct IndexRuns<'a> {
    pub(super) table: &'a Table,
}

impl IndexRuns<'_> {
    /// Claims the run that is next, under a new fence.
    ///
    /// A claim whose response is lost is sent again, and is then refused because of itself. The run
    /// seems to be another invocation's, and stands still until its lease ends. Then the schedule
    /// that resumes runs takes it up.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written, or if other invocations claim the run first at every
    /// attempt.
    pub async fn claim(
        &self,
        request: &ReconcileRequest,
        now: Timestamp,
    ) -> Result<Claim, CallError> {
        for _ in 0..CLAIM_ATTEMPTS {
            let found = self.last().await?;
            let waiting = self.waiting().await?;
            let seen_fence = found.as_ref().map(|run| run.fence);
            let claim = claim(found, waiting.clone(), request, now);
            let Claim::Claimed(run) = &claim else {
                return Ok(claim);
            };
            match self.put(run, seen_fence).await {
                Ok(()) => {
                    if waiting.is_some_and(|request| request == run.request) {
                        self.dequeue(&run.request).await?;
                    }
                    return Ok(claim);
                }
                // Another invocation claimed the run between the read and the write.
                Err(LeaseError::Lost) => {}
                Err(LeaseError::Call(error)) => return Err(error),
            }
        }
        let problem = format!("other invocations claimed it first {CLAIM_ATTEMPTS} times");
        let operation = Operation::on("claim index run", &LedgerKey::Index);
        Err(CallError::contention(operation, problem))
    }

    /// Reads the run that is active, or was the last.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn last(&self) -> Result<Option<Run>, CallError> {
        let read = Operation::on("read index run", &LedgerKey::Index);
        self.table.get_as(read, key(&Entry::Run)).await
    }

    /// Reads the request of the run that waits for its turn.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn waiting(&self) -> Result<Option<RunRequest>, CallError> {
        let read = Operation::on("read waiting index run", &LedgerKey::Index);
        let next: Option<Next> = self.table.get_as(read, key(&Entry::Next)).await?;
        Ok(next.and_then(|next| next.request))
    }

    /// Saves the run, which extends its lease to `lease_until`, or releases it if there is none.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has claimed the run since.
    pub async fn save(&self, run: &Run) -> Result<(), LeaseError> {
        self.put(run, Some(run.fence)).await
    }

    /// Stores the request of the run that follows the current one. One request waits at a time.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn queue(&self, request: &RunRequest) -> Result<(), CallError> {
        let put = Write::put(next(request));
        let put = match request.cluster_names {
            // A request for some clusters does not replace the one that waits, which may be for
            // all.
            Some(_) => {
                put.only_if(Condition::new("attribute_not_exists(#request)").name("request"))
            }
            None => put,
        };
        let operation = Operation::on("queue index run", &LedgerKey::Index);
        self.table.write(operation, put).await?;
        Ok(())
    }

    /// Removes the waiting request from its item, unless another one has replaced it.
    async fn dequeue(&self, request: &RunRequest) -> Result<(), CallError> {
        let change = Change::default().remove("request");
        let mut remove = Write::update(key(&Entry::Next), change);
        if let Some(claimed) = next(request).remove("request") {
            let is_claimed = Condition::new("#request = :claimed")
                .name("request")
                .value("claimed", claimed);
            remove = remove.only_if(is_claimed);
        }
        let operation = Operation::on("dequeue index run", &LedgerKey::Index);
        self.table.write(operation, remove).await?;
        Ok(())
    }

    /// Puts the run, if the ledger still has the fence `seen_fence`, or no run if that is `None`.
    async fn put(&self, run: &Run, seen_fence: Option<u64>) -> Result<(), LeaseError> {
        let is_as_seen = seen_fence.map_or_else(is_absent, has_fence);
        let mut item = to_item(run);
        item.extend(key(&Entry::Run));
        let operation = Operation::on("save index run", &LedgerKey::Index);
        let put = Write::put(item).only_if(is_as_seen);
        LeaseError::unless_done(&self.table.write(operation, put).await?)
    }
}

/// The item `("index", "next")`.
#[derive(Debug, Serialize, Deserialize)]
struct Next {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<RunRequest>,
}

fn next(request: &RunRequest) -> Item {
    let mut item = to_item(&Next {
        request: Some(request.clone()),
    });
    item.extend(key(&Entry::Next));
    item
}

fn key(entry: &Entry) -> Item {
    item_key(&LedgerKey::Index, entry)
}
