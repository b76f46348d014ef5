//! Finds items in the index for `rerole index show`. Reads only the index, not EKS.

use rerole::aws::Aws;
use rerole_core::call::CallError;
use rerole_core::indexing::{Entry, IndexItem};
use rerole_core::resource::{AssociationArn, Cluster, RoleArn, RoleField};

use crate::index::error::CommandError;

/// The associations that use a role in either field. An association that uses it in both is found
/// once.
pub async fn by_role(aws: &Aws, role: &RoleArn) -> Result<Vec<IndexItem>, CallError> {
    let mut items: Vec<IndexItem> = Vec::new();
    for field in RoleField::ALL {
        let mut start = None;
        loop {
            let page = aws.index.by_role(field, role, start).await?;
            let is_new =
                |item: &IndexItem| field == RoleField::RoleArn || item.role_arn != role.as_str();
            items.extend(page.items.into_iter().filter(is_new));
            start = page.next;
            if start.is_none() {
                break;
            }
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
        let mut start = None;
        loop {
            let (known, next) = aws.index.known_clusters(region, start).await?;
            for cluster in known.iter().filter_map(|arn| Cluster::parse(arn).ok()) {
                let entry = aws.index.entry(&cluster.association(id)?).await?;
                if let Some(item) = live_item(entry) {
                    return Ok(Some(item));
                }
            }
            start = next;
            if start.is_none() {
                break;
            }
        }
    }
    Ok(None)
}

fn live_item(entry: Option<Entry>) -> Option<IndexItem> {
    match entry {
        Some(Entry::Live(item)) => Some(*item),
        Some(Entry::Tombstone) | None => None,
    }
}
