//! The known clusters of each region. The reconciler compares them with the clusters that EKS
//! lists, so it also finds the items of a cluster that was deleted.

use aws_sdk_dynamodb::types::AttributeValue;
use rerole_core::call::{CallError, Operation};
use rerole_core::keys::IndexPartition;
use rerole_core::resource::Cluster;

use crate::aws::dynamodb::{Condition, Item, Query, Table, Write, text};
use crate::aws::page::{Page, PageStart};

/// The known clusters of all regions.
#[derive(Debug, Clone, Copy)]
pub struct KnownClusters<'a> {
    pub(super) table: &'a Table,
}

impl KnownClusters<'_> {
    /// Records that a region has this cluster: one write per cluster and index run, and one per
    /// association that CloudTrail reports.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn record(&self, cluster: &Cluster) -> Result<(), CallError> {
        let operation = Operation::on("record cluster", &cluster.cluster_arn);
        self.table
            .write(operation, Write::put(key(cluster)))
            .await?;
        Ok(())
    }

    /// Removes a deleted cluster.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn forget(&self, cluster: &Cluster) -> Result<(), CallError> {
        let operation = Operation::on("forget cluster", &cluster.cluster_arn);
        self.table
            .write(operation, Write::delete(key(cluster)))
            .await?;
        Ok(())
    }

    /// Returns one page of a region's known clusters. Leaves out ARNs that are not those of a
    /// cluster. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn page(
        &self,
        region: &str,
        start: Option<PageStart>,
    ) -> Result<Page<Cluster>, CallError> {
        let operation = Operation::on("read known clusters", &region);
        let query = Query::table(
            Condition::new("clusterArn = :clusters")
                .value("clusters", text(IndexPartition::Region(region.to_owned()))),
        );
        let page = self.table.query(operation, query.start(start)).await?;
        let cluster = |item: Item| match item.get("associationId") {
            Some(AttributeValue::S(arn)) => Cluster::parse(arn).ok(),
            _ => None,
        };
        Ok(Page {
            items: page.items.into_iter().filter_map(cluster).collect(),
            next: page.next,
        })
    }
}

/// Returns the table's key attributes, with the region in place of the cluster and the cluster in
/// place of the association.
fn key(cluster: &Cluster) -> Item {
    Item::from([
        (
            "clusterArn".to_owned(),
            text(IndexPartition::Region(cluster.region.clone())),
        ),
        ("associationId".to_owned(), text(&cluster.cluster_arn)),
    ])
}
