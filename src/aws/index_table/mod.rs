//! The `AssociationIndex` table as a rotation uses it: which associations are on a role, and the
//! repair of an item that lags behind EKS. How the indexer maintains the table is in `items.rs` and
//! `clusters.rs`.

mod clusters;
mod items;

pub use items::{EntryPage, Stored};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use rerole_core::call::CallError;
use rerole_core::indexing::IndexItem;
use rerole_core::resource::{Association, AssociationArn, RoleArn, RoleField};
use rerole_core::rotation::KnownRoles;
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::{Expression, Item, PAGE_LEN, text};

/// Global secondary index: `roleArn`, `associationArn`.
const BY_ROLE: &str = "ByRole";
/// Global secondary index: `targetRoleArn`, `associationArn`.
const BY_TARGET_ROLE: &str = "ByTargetRole";

/// The index table.
#[derive(Debug, Clone)]
pub struct IndexTable {
    client: Client,
    table: String,
}

/// One page of [`IndexTable::by_role`].
#[derive(Debug)]
pub struct Page {
    pub items: Vec<IndexItem>,
    /// Where the next page starts; `None` after the last page.
    pub next: Option<Item>,
}

impl IndexTable {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Returns one page of the associations that have `role` in this field, according to the index.
    /// The secondary index is eventually consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if an item does not have the form of the contract. A rotation
    /// cannot leave such an item out, because it must account for every association.
    pub async fn by_role(
        &self,
        field: RoleField,
        role: &RoleArn,
        start: Option<Item>,
    ) -> Result<Page, CallError> {
        const OPERATION: &str = "query associations by role";
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(match field {
                RoleField::RoleArn => BY_ROLE,
                RoleField::TargetRoleArn => BY_TARGET_ROLE,
            })
            .limit(PAGE_LEN)
            .key_condition_expression("#field = :role")
            .expression_attribute_names("#field", field.name())
            .expression_attribute_values(":role", text(role))
            .set_exclusive_start_key(start);
        let output: QueryOutput = query
            .send()
            .await
            .map_err(|error| call_error(OPERATION, role.as_str(), &error))?;
        let items = output
            .items
            .unwrap_or_default()
            .into_iter()
            .map(|item| parse(item, field, role));
        let items = items.collect::<Result<_, _>>();
        Ok(Page {
            items: items.map_err(|problem| {
                CallError::malformed_response(OPERATION, role.as_str(), problem)
            })?,
            next: output.last_evaluated_key,
        })
    }

    /// Updates the item to what EKS showed, if there is an item and it is not newer. Returns
    /// whether it was written. An item that the indexer has removed or advanced meanwhile stays as
    /// it is.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn repair(&self, seen: &Association, now: Timestamp) -> Result<bool, CallError> {
        let attributes = RepairAttributes {
            role_arn: &seen.role_arn,
            modified_at: seen.modified_at,
            seen_at: now,
        };
        let expression = Expression::default()
            .set_all(&attributes)
            .set_or_remove("targetRoleArn", seen.target_role_arn.as_ref().map(text))
            .set_or_remove("ownerArn", seen.owner_arn.as_ref().map(text))
            .only_if("#modifiedAt <= :modifiedAt", &[], &[]);
        self.update(&seen.association_arn, expression).await
    }

    /// Updates an item that still names `old_role` to the roles and the version in the ledger.
    /// Returns whether it was written. It is not if only the secondary index lagged behind the
    /// item.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn repair_roles(
        &self,
        arn: &AssociationArn,
        old_role: &RoleArn,
        known: &KnownRoles,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        let KnownRoles {
            role_arn,
            target_role_arn,
            modified_at,
        } = known;
        let attributes = RepairAttributes {
            role_arn,
            modified_at: *modified_at,
            seen_at: now,
        };
        let expression = Expression::default()
            .set_all(&attributes)
            .set_or_remove("targetRoleArn", target_role_arn.as_ref().map(text))
            .only_if(
                "(#roleArn = :oldRoleArn OR #targetRoleArn = :oldRoleArn) \
                 AND #modifiedAt <= :modifiedAt",
                &[],
                &[("oldRoleArn", text(old_role))],
            );
        self.update(arn, expression).await
    }

    /// Updates the item if the condition holds. Every condition compares `modifiedAt`, which fails
    /// if there is no item, so this never creates one.
    async fn update(
        &self,
        arn: &AssociationArn,
        expression: Expression,
    ) -> Result<bool, CallError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(arn)))
            .update_expression(expression.update())
            .set_condition_expression(expression.condition())
            .set_expression_attribute_names(Some(expression.names()))
            .set_expression_attribute_values(expression.values());
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(UpdateItemError::ConditionalCheckFailedException(_))
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(call_error("update index item", arn.as_str(), &error)),
        }
    }
}

/// The attributes that a repair sets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RepairAttributes<'a> {
    role_arn: &'a str,
    modified_at: Timestamp,
    seen_at: Timestamp,
}

fn key(arn: &AssociationArn) -> Item {
    Item::from([
        ("clusterArn".to_owned(), text(arn.cluster_arn())),
        ("associationId".to_owned(), text(arn.association_id())),
    ])
}

/// Returns the key of an item, for error messages. The item may be malformed.
fn shown_key(item: &Item) -> String {
    format!(
        "index item {:?}/{:?}",
        item.get("clusterArn"),
        item.get("associationId")
    )
}

/// Parses an item and checks it against the query. EKS requires `roleArn` to be in the account of
/// the association, so another account is an error. `targetRoleArn` can be in any account.
fn parse(item: Item, field: RoleField, role: &RoleArn) -> Result<IndexItem, String> {
    let shown = shown_key(&item);
    let item: IndexItem =
        serde_dynamo::from_item(item).map_err(|error| format!("{shown}: {error}"))?;
    let arn = &item.association_arn;
    if field == RoleField::RoleArn && arn.account() != role.account() {
        return Err(format!(
            "{shown}: associationArn {arn} is not in the account of the role {role}"
        ));
    }
    if item.cluster_name != arn.cluster_name() || item.association_id != arn.association_id() {
        return Err(format!(
            "{shown}: associationArn {arn} names another association"
        ));
    }
    Ok(item)
}
