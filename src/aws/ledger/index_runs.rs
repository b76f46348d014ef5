//! The ledger's items about the index: the index run with its lease and fence, the run that waits,
//! and since when each region's index is complete. Which run is next is decided in
//! `rerole_core::indexing::claim`.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use rerole_core::call::CallError;
use rerole_core::indexing::{
    Claim, INDEX_KEY, Mode, NEXT_ENTRY, RUN_ENTRY, ReconcileRequest, RegionIndex, Run, RunRequest,
    claim,
};
use rerole_core::timestamp::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::{Expression, number, text, to_item};
use crate::aws::ledger::{LeaseError, Ledger, item_key};

/// Sort-key prefix of the items that say since when a region's index is complete.
const REGION_PREFIX: &str = "region#";
/// Few invocations compete for the run. If others claim it first this often, something is wrong,
/// and the next schedule tries again.
const CLAIM_ATTEMPTS: u32 = 4;

impl Ledger {
    /// Claims the run that is next, under a new fence.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written, or if other invocations claim the run first at every
    /// attempt.
    pub async fn claim_run(
        &self,
        request: &ReconcileRequest,
        now: Timestamp,
    ) -> Result<Claim, CallError> {
        for _ in 0..CLAIM_ATTEMPTS {
            let found: Option<Run> = self.read_index_item(RUN_ENTRY).await?;
            let next: Option<Next> = self.read_index_item(NEXT_ENTRY).await?;
            let seen_fence = found.as_ref().map(|run| run.fence);
            let waiting = next.map(|next| next.request);
            let claim = claim(found, waiting.clone(), request, now);
            let Claim::Claimed(run) = &claim else {
                return Ok(claim);
            };
            match self.put_run(run, seen_fence).await {
                Ok(()) => {
                    if waiting.is_some_and(|request| request == run.request) {
                        self.dequeue_run(&run.request).await?;
                    }
                    return Ok(claim);
                }
                // Another invocation claimed the run between the read and the write.
                Err(LeaseError::Lost) => {}
                Err(LeaseError::Call(error)) => return Err(error),
            }
        }
        let problem = format!("other invocations claimed it first {CLAIM_ATTEMPTS} times");
        Err(CallError::malformed_response(
            "claim index run",
            RUN_ENTRY,
            problem,
        ))
    }

    /// Saves the run, which extends its lease to `lease_until`, or releases it if there is none.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has claimed the run since.
    pub async fn save_run(&self, run: &Run) -> Result<(), LeaseError> {
        self.put_run(run, Some(run.fence)).await
    }

    /// Stores the request of the run that follows the current one. One request waits at a time.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn queue_run(&self, request: &RunRequest) -> Result<(), CallError> {
        let mut item = to_item(&Next {
            request: request.clone(),
        });
        item.extend(item_key(INDEX_KEY, NEXT_ENTRY));
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item));
        if request.cluster_names.is_some() {
            // A request for some clusters does not replace the one that waits, which may be for
            // all.
            put = put.condition_expression("attribute_not_exists(rotationId)");
        }
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(PutItemError::ConditionalCheckFailedException(_))
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(call_error("queue index run", NEXT_ENTRY, &error)),
        }
    }

    /// Records that the region's index is complete since `since`, when a run of this mode started
    /// to read the region.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn record_region_index(
        &self,
        region: &str,
        mode: Mode,
        since: Timestamp,
    ) -> Result<(), CallError> {
        let entry = format!("{REGION_PREFIX}{region}");
        let complete = match mode {
            Mode::ListOnly => RegionIndex {
                listed_at: Some(since),
                described_at: None,
            },
            Mode::Full => RegionIndex {
                listed_at: Some(since),
                described_at: Some(since),
            },
        };
        let change = Expression::default().set_all(&complete);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item_key(INDEX_KEY, &entry)))
            .update_expression(change.update())
            .set_expression_attribute_names(Some(change.names()))
            .set_expression_attribute_values(change.values());
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(call_error("record region index", region, &error)),
        }
    }

    /// Reads since when each region's index is complete. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if an item does not have the form of the contract.
    pub async fn region_indexes(&self) -> Result<BTreeMap<String, RegionIndex>, CallError> {
        const OPERATION: &str = "read region indexes";
        // AWS has fewer regions than fit on a page.
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("rotationId = :key AND begins_with(entry, :prefix)")
            .expression_attribute_values(":key", text(INDEX_KEY))
            .expression_attribute_values(":prefix", text(REGION_PREFIX));
        let output = query
            .send()
            .await
            .map_err(|error| call_error(OPERATION, INDEX_KEY, &error))?;
        let mut regions = BTreeMap::new();
        for item in output.items.unwrap_or_default() {
            let item: RegionItem = serde_dynamo::from_item(item).map_err(|error| {
                CallError::malformed_response(OPERATION, INDEX_KEY, error.to_string())
            })?;
            let region = item
                .entry
                .strip_prefix(REGION_PREFIX)
                .unwrap_or_default()
                .to_owned();
            regions.insert(region, item.index);
        }
        Ok(regions)
    }

    /// Removes the waiting request, unless another one has replaced it.
    async fn dequeue_run(&self, request: &RunRequest) -> Result<(), CallError> {
        let claimed = to_item(&Next {
            request: request.clone(),
        })
        .remove("request");
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(item_key(INDEX_KEY, NEXT_ENTRY)))
            .condition_expression("#request = :claimed")
            .expression_attribute_names("#request", "request")
            .set_expression_attribute_values(
                claimed.map(|claimed| HashMap::from([(":claimed".to_owned(), claimed)])),
            );
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(DeleteItemError::ConditionalCheckFailedException(_))
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(call_error("dequeue index run", NEXT_ENTRY, &error)),
        }
    }

    async fn read_index_item<T: DeserializeOwned>(
        &self,
        entry: &str,
    ) -> Result<Option<T>, CallError> {
        const OPERATION: &str = "read index run";
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item_key(INDEX_KEY, entry)));
        let output = get
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| call_error(OPERATION, entry, &error))?;
        let Some(item) = output.item else {
            return Ok(None);
        };
        serde_dynamo::from_item(item)
            .map(Some)
            .map_err(|error| CallError::malformed_response(OPERATION, entry, error.to_string()))
    }

    /// Puts the run, if the ledger still has the fence `seen_fence`, or no run if that is `None`.
    async fn put_run(&self, run: &Run, seen_fence: Option<u64>) -> Result<(), LeaseError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(run)));
        let put = match seen_fence {
            None => put.condition_expression("attribute_not_exists(rotationId)"),
            Some(fence) => put
                .condition_expression("fence = :fence")
                .expression_attribute_values(":fence", number(fence)),
        };
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(PutItemError::ConditionalCheckFailedException(_))
                ) =>
            {
                Err(LeaseError::Lost)
            }
            Err(error) => Err(call_error("save index run", RUN_ENTRY, &error).into()),
        }
    }
}

/// The item `("index", "next")`.
#[derive(Debug, Serialize, Deserialize)]
struct Next {
    request: RunRequest,
}

/// The item `("index", "region#<region>")`.
#[derive(Debug, Deserialize)]
struct RegionItem {
    entry: String,
    #[serde(flatten)]
    index: RegionIndex,
}
