//! Finds items in the index for `rerole index show`. Reads only the index, not EKS.

use rerole::aws::Aws;
use rerole::aws::index_table::{KNOWN_CLUSTER_PAGES, ROLE_PAGES};
use rerole::aws::page::paginate;
use rerole_core::call::CallError;
use rerole_core::indexing::{IndexEntry, IndexItem};
use rerole_core::resource::{AssociationArn, RoleArn, RoleField};

use crate::index::error::CommandError;

/// The associations that use a role in either field. An association that uses it in both is found
/// once.
pub async fn by_role(aws: &Aws, role: &RoleArn) -> Result<Vec<IndexItem>, CallError> {
    let mut items: Vec<IndexItem> = Vec::new();
    for field in RoleField::ALL {
        let mut pages = paginate(ROLE_PAGES, async |start| {
            aws.index.by_role(field, role, start).await
        });
        while let Some(page) = pages.next().await? {
            let is_new =
                |item: &IndexItem| field == RoleField::RoleArn || item.role_arn != role.as_str();
            items.extend(page.into_iter().filter(is_new));
        }
    }
    Ok(items)
}

/// The association with this ARN, or with this ID in any known cluster of these regions.
pub async fn by_association(
    aws: &Aws,
    id: &str,
    regions: &[String],
) -> Result<Option<IndexItem>, CommandError> {
    if let Ok(arn) = id.parse::<AssociationArn>() {
        return Ok(live_item(aws.index.entry(&arn).await?));
    }
    for region in regions {
        let known_clusters = aws.index.known_clusters();
        let mut pages = paginate(KNOWN_CLUSTER_PAGES, async |start| {
            known_clusters.page(region, start).await
        });
        while let Some(page) = pages.next().await? {
            for cluster in page {
                let entry = aws.index.entry(&cluster.association(id)?).await?;
                if let Some(item) = live_item(entry) {
                    return Ok(Some(item));
                }
            }
        }
    }
    Ok(None)
}

fn live_item(entry: Option<IndexEntry>) -> Option<IndexItem> {
    match entry {
        Some(IndexEntry::Live(item)) => Some(*item),
        Some(IndexEntry::Tombstone) | None => None,
    }
}
