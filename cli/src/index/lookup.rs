//! Finds items in the index for `rerole index show`. Reads only the index, not EKS.

use rerole::aws::Aws;
use rerole::aws::index_table::{KNOWN_CLUSTER_PAGES, ROLE_PAGES};
use rerole::aws::page::paginate;
use rerole_core::call::CallError;
use rerole_core::indexing::{IndexEntry, IndexItem, ItemRules};
use rerole_core::resource::{AssociationArn, RoleArn, RoleField};

use crate::index::error::CommandError;

/// What the index has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub items: Vec<IndexItem>,
    /// Why items that were also found cannot be.
    pub invalid: Vec<String>,
}

impl Found {
    fn add(&mut self, entry: Option<IndexEntry>) {
        match entry {
            Some(IndexEntry::Live(item)) => self.items.push(*item),
            Some(IndexEntry::Invalid(item)) => self.invalid.push(item.problem),
            Some(IndexEntry::Tombstone) | None => {}
        }
    }
}

/// The associations that use a role in either field. An association that uses it in both is found
/// once.
pub async fn by_role(aws: &Aws, role: &RoleArn) -> Result<Found, CallError> {
    let mut found = Found::default();
    for field in RoleField::ALL {
        let mut pages = paginate(ROLE_PAGES, async |start| {
            aws.index.by_role(field, role, &rules(aws), start).await
        });
        while let Some(page) = pages.next().await? {
            let is_new = |entry: &IndexEntry| match entry {
                IndexEntry::Live(item) => {
                    field == RoleField::RoleArn || item.role_arn != role.as_str()
                }
                IndexEntry::Invalid(_) | IndexEntry::Tombstone => true,
            };
            for entry in page.into_iter().filter(is_new) {
                found.add(Some(entry));
            }
        }
    }
    Ok(found)
}

/// The association with this ARN, or with this ID in any known cluster of these regions.
pub async fn by_association(
    aws: &Aws,
    id: &str,
    regions: &[String],
) -> Result<Found, CommandError> {
    let mut found = Found::default();
    if let Ok(arn) = id.parse::<AssociationArn>() {
        let entry = aws.index.entry(&arn, &rules(aws)).await?;
        found.add(entry);
        return Ok(found);
    }
    for region in regions {
        let known_clusters = aws.index.known_clusters();
        let mut pages = paginate(KNOWN_CLUSTER_PAGES, async |start| {
            known_clusters.page(region, start).await
        });
        while let Some(page) = pages.next().await? {
            for cluster in page {
                let arn = cluster.association(id)?;
                let entry = aws.index.entry(&arn, &rules(aws)).await?;
                found.add(entry);
                if !found.items.is_empty() {
                    return Ok(found);
                }
            }
        }
    }
    Ok(found)
}

/// What the items are held against. Without a call, the CLI knows neither the account nor the
/// regions of the stack.
fn rules(aws: &Aws) -> ItemRules<'static> {
    ItemRules {
        own_account: None,
        regions: None,
        now: aws.now(),
    }
}
