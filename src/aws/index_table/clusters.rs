//! The known clusters of each region, in the `AssociationIndex` table. The reconciler compares them
//! with the clusters that EKS lists, so it also finds the items of a cluster that was deleted.

use aws_sdk_dynamodb::types::AttributeValue;
use rerole_core::call::CallError;

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::{Item, PAGE_LEN, text};
use crate::aws::index_table::IndexTable;

/// Prefix of the partition keys: `clusters/<region>`.
const CLUSTERS_PREFIX: &str = "clusters/";

impl IndexTable {
    /// Records that a region has this cluster: one write per cluster and index run, and one per
    /// association that CloudTrail reports.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn record_cluster(&self, region: &str, cluster_arn: &str) -> Result<(), CallError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(cluster_key(region, cluster_arn)));
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(call_error("record cluster", cluster_arn, &error)),
        }
    }

    /// Removes a deleted cluster.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn forget_cluster(&self, region: &str, cluster_arn: &str) -> Result<(), CallError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(cluster_key(region, cluster_arn)));
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(call_error("forget cluster", cluster_arn, &error)),
        }
    }

    /// Returns one page of the ARNs of a region's known clusters, and where the next page starts.
    /// The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn known_clusters(
        &self,
        region: &str,
        start: Option<Item>,
    ) -> Result<(Vec<String>, Option<Item>), CallError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(PAGE_LEN)
            .key_condition_expression("clusterArn = :clusters")
            .expression_attribute_values(":clusters", text(partition_key(region)))
            .set_exclusive_start_key(start);
        let output = query
            .send()
            .await
            .map_err(|error| call_error("read known clusters", region, &error))?;
        let arn = |item: Item| match item.get("associationId") {
            Some(AttributeValue::S(arn)) => Some(arn.clone()),
            _ => None,
        };
        let items = output.items.unwrap_or_default();
        let arns = items.into_iter().filter_map(arn).collect();
        Ok((arns, output.last_evaluated_key))
    }
}

/// Returns the table's key attributes, with the region in place of the cluster and the cluster in
/// place of the association.
fn cluster_key(region: &str, cluster_arn: &str) -> Item {
    Item::from([
        ("clusterArn".to_owned(), text(partition_key(region))),
        ("associationId".to_owned(), text(cluster_arn)),
    ])
}

fn partition_key(region: &str) -> String {
    format!("{CLUSTERS_PREFIX}{region}")
}
