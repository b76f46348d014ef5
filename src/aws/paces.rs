//! What has been learnt of the pace of a region, kept in the ledger from one slice to the next: item (`pace/<region>`, `pace`).
//! Both functions write it, each what it has called. Whatever is wrong with it stands in nobody's way.

use futures_util::future::join_all;
use tracing::{debug, warn};

use super::Aws;
use super::eks::Paces;
use super::error::CallError;
use super::expression::Expression;
use super::ledger::{Ledger, item_key};

const PACE_ENTRY: &str = "pace";

impl Aws {
    /// Begins these regions at the pace that was learnt there.
    pub async fn begin_paces(&self, regions: impl IntoIterator<Item = &str>) {
        let begun = regions.into_iter().map(async |region| match self.ledger.paces(region).await {
            Ok(paces) => {
                debug!(region, ?paces, "the pace that was learnt earlier");
                self.eks.begin_paces(region, paces);
            }
            Err(error) => warn!(region, %error, "the pace has to be found anew"),
        });
        join_all(begun).await;
    }

    /// Keeps what has been learnt.
    pub async fn keep_paces(&self) {
        let paces = self.eks.learnt_paces();
        let kept = paces.iter().map(async |(region, paces)| {
            if let Err(error) = self.ledger.keep_paces(region, paces).await {
                warn!(region, %error, "the pace could not be kept");
            }
        });
        join_all(kept).await;
    }
}

impl Ledger {
    async fn paces(&self, region: &str) -> Result<Paces, CallError> {
        const OPERATION: &str = "read pace";
        let get = self.client.get_item().table_name(&self.table).set_key(Some(item_key(&key(region), PACE_ENTRY)));
        let output = get.send().await.map_err(|error| CallError::new(OPERATION, region, &error))?;
        let Some(item) = output.item else { return Ok(Paces::default()) };
        serde_dynamo::from_item(item).map_err(|error| CallError::malformed_answer(OPERATION, region, error.to_string()))
    }

    /// What was not called keeps its older figure.
    async fn keep_paces(&self, region: &str, paces: &Paces) -> Result<(), CallError> {
        let change = Expression::default().set_all(paces);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item_key(&key(region), PACE_ENTRY)))
            .update_expression(change.update())
            .set_expression_attribute_names(Some(change.names()))
            .set_expression_attribute_values(change.values());
        update.send().await.map(drop).map_err(|error| CallError::new("keep pace", region, &error))
    }
}

fn key(region: &str) -> String {
    format!("pace/{region}")
}
