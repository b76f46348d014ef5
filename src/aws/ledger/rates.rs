//! The learned rates of a region: item `(rates/<region>, rates)`. How rates are learned is in
//! `rerole_core::pacer`.

use rerole_core::call::CallError;
use rerole_core::pacer::LearnedRates;

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::Expression;
use crate::aws::ledger::{Ledger, item_key};

/// Sort key of a region's learned rates.
const RATES_ENTRY: &str = "rates";

impl Ledger {
    /// Reads the learned rates of a region. All are absent if nothing has been learned.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or the item cannot be parsed.
    pub async fn rates(&self, region: &str) -> Result<LearnedRates, CallError> {
        const OPERATION: &str = "read learned rates";
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item_key(&key(region), RATES_ENTRY)));
        let output = get
            .send()
            .await
            .map_err(|error| call_error(OPERATION, region, &error))?;
        let Some(item) = output.item else {
            return Ok(LearnedRates::default());
        };
        serde_dynamo::from_item(item)
            .map_err(|error| CallError::malformed_response(OPERATION, region, error.to_string()))
    }

    /// Saves the rates that are present. A class of calls whose rate is absent keeps its saved one.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn save_rates(&self, region: &str, rates: &LearnedRates) -> Result<(), CallError> {
        let change = Expression::default().set_all(rates);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item_key(&key(region), RATES_ENTRY)))
            .update_expression(change.update())
            .set_expression_attribute_names(Some(change.names()))
            .set_expression_attribute_values(change.values());
        update
            .send()
            .await
            .map(drop)
            .map_err(|error| call_error("save learned rates", region, &error))
    }
}

fn key(region: &str) -> String {
    format!("rates/{region}")
}
