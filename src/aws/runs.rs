//! What the ledger keeps about the index: the reconciler's run, with lease and fence, and since when each region is complete.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::CallError;
use super::expression::{Expression, number, text, to_item};
use super::ledger::{LeaseError, Ledger, item_key};
use crate::index::run::{INDEX_KEY, Mode, NEXT_ENTRY, RUN_ENTRY, Run, RunRequest, Turn, Wanted, turn};
use crate::time::Timestamp;

/// Sort-key prefix of the items that say since when a region is complete.
const REGION_PREFIX: &str = "region#";
/// Taking the run raced with another invocation this often: something is wrong that the next schedule may outlast.
const TAKE_TRIES: u32 = 4;

/// The item `("index", "next")`.
#[derive(Debug, Serialize, Deserialize)]
struct Next {
    request: RunRequest,
}

/// Since when the index of a region is complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionIndex {
    /// The beginning of the last complete look at each association.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub described_at: Option<Timestamp>,
    /// The beginning of the last complete look at which associations there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<Timestamp>,
}

/// The item `("index", "region#<region>")`.
#[derive(Debug, Deserialize)]
struct RegionItem {
    entry: String,
    #[serde(flatten)]
    index: RegionIndex,
}

impl Ledger {
    /// Takes a run in hand, under a new fence.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read or written.
    pub async fn take_run(&self, wanted: &Wanted, now: Timestamp) -> Result<Turn, CallError> {
        for _ in 0..TAKE_TRIES {
            let found: Option<Run> = self.read_index_item(RUN_ENTRY).await?;
            let next: Option<Next> = self.read_index_item(NEXT_ENTRY).await?;
            let seen_fence = found.as_ref().map(|run| run.fence);
            let waiting = next.map(|next| next.request);
            let turn = turn(found, waiting.clone(), wanted, now);
            let Turn::Ours(run) = &turn else { return Ok(turn) };
            match self.put_run(run, seen_fence).await {
                Ok(()) => {
                    if waiting.is_some_and(|request| request == run.request) {
                        self.forget_next(&run.request).await?;
                    }
                    return Ok(turn);
                }
                // Another invocation took it between our look and our write: look again.
                Err(LeaseError::Lost) => {}
                Err(LeaseError::Call(error)) => return Err(error),
            }
        }
        let problem = format!("other invocations came first {TAKE_TRIES} times");
        Err(CallError::malformed_answer("take the index's run", RUN_ENTRY, problem))
    }

    /// Saves the run, and extends its lease to `lease_until`, or gives it back where there is none.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] where another invocation has taken over.
    pub async fn save_run(&self, run: &Run) -> Result<(), LeaseError> {
        self.put_run(run, Some(run.fence)).await
    }

    /// This is to run when the run that is under way is at its end.
    ///
    /// # Errors
    /// Where DynamoDB cannot be written.
    pub async fn run_next(&self, request: &RunRequest) -> Result<(), CallError> {
        let mut item = to_item(&Next { request: request.clone() });
        item.extend(item_key(INDEX_KEY, NEXT_ENTRY));
        let mut put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        if request.cluster_names.is_some() {
            // A run of everything that waits already is not given up for one of a part.
            put = put.condition_expression("attribute_not_exists(rotationId)");
        }
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(())
            }
            Err(error) => Err(CallError::new("keep the next run", NEXT_ENTRY, &error)),
        }
    }

    /// Unless another has come to wait.
    async fn forget_next(&self, request: &RunRequest) -> Result<(), CallError> {
        let taken = to_item(&Next { request: request.clone() }).remove("request");
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(item_key(INDEX_KEY, NEXT_ENTRY)))
            .condition_expression("#request = :taken")
            .expression_attribute_names("#request", "request")
            .set_expression_attribute_values(taken.map(|taken| HashMap::from([(":taken".to_owned(), taken)])));
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if matches!(error.as_service_error(), Some(DeleteItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(())
            }
            Err(error) => Err(CallError::new("forget the next run", NEXT_ENTRY, &error)),
        }
    }

    async fn read_index_item<T: DeserializeOwned>(&self, entry: &str) -> Result<Option<T>, CallError> {
        const OPERATION: &str = "read the index's item";
        let get = self.client.get_item().table_name(&self.table).set_key(Some(item_key(INDEX_KEY, entry)));
        let output =
            get.consistent_read(true).send().await.map_err(|error| CallError::new(OPERATION, entry, &error))?;
        let Some(item) = output.item else { return Ok(None) };
        serde_dynamo::from_item(item)
            .map(Some)
            .map_err(|error| CallError::malformed_answer(OPERATION, entry, error.to_string()))
    }

    /// Puts the item, where the fence in the ledger is `seen_fence`.
    async fn put_run(&self, run: &Run, seen_fence: Option<u64>) -> Result<(), LeaseError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(to_item(run)));
        let put = match seen_fence {
            None => put.condition_expression("attribute_not_exists(rotationId)"),
            Some(fence) => {
                put.condition_expression("fence = :fence").expression_attribute_values(":fence", number(fence))
            }
        };
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                Err(LeaseError::Lost)
            }
            Err(error) => Err(CallError::new("save the index's run", RUN_ENTRY, &error).into()),
        }
    }

    /// The region's index is complete, by a run of this mode whose look at it began at `since`.
    ///
    /// # Errors
    /// Where DynamoDB cannot be written.
    pub async fn mark_region(&self, region: &str, mode: Mode, since: Timestamp) -> Result<(), CallError> {
        let entry = format!("{REGION_PREFIX}{region}");
        let seen = match mode {
            Mode::Shallow => RegionIndex { listed_at: Some(since), described_at: None },
            Mode::Deep => RegionIndex { listed_at: Some(since), described_at: Some(since) },
        };
        let change = Expression::default().set_all(&seen);
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
            Err(error) => Err(CallError::new("mark region", region, &error)),
        }
    }

    /// Since when each region's index is complete.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read.
    pub async fn region_indexes(&self) -> Result<BTreeMap<String, RegionIndex>, CallError> {
        const OPERATION: &str = "read the index's regions";
        // AWS has fewer regions than fit on a page.
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("rotationId = :key AND begins_with(entry, :prefix)")
            .expression_attribute_values(":key", text(INDEX_KEY))
            .expression_attribute_values(":prefix", text(REGION_PREFIX));
        let output = query.send().await.map_err(|error| CallError::new(OPERATION, INDEX_KEY, &error))?;
        let mut regions = BTreeMap::new();
        for item in output.items.unwrap_or_default() {
            let item: RegionItem = serde_dynamo::from_item(item)
                .map_err(|error| CallError::malformed_answer(OPERATION, INDEX_KEY, error.to_string()))?;
            let region = item.entry.strip_prefix(REGION_PREFIX).unwrap_or_default().to_owned();
            regions.insert(region, item.index);
        }
        Ok(regions)
    }
}
