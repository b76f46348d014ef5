//! The `AssociationIndex` table as a rotation sees it: who is on a role, and mending what lags. How it is kept is in
//! `entries.rs`.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use serde::Serialize;

use super::PAGE_LEN;
use super::error::CallError;
use super::expression::{Expression, Item, text};
use crate::arn::{AssociationArn, RoleArn};
use crate::association::{Association, IndexItem};
use crate::role_field::RoleField;
use crate::time::Timestamp;

/// Global secondary index: `roleArn`, `associationArn`.
const BY_ROLE: &str = "ByRole";
/// Global secondary index: `targetRoleArn`, `associationArn`.
const BY_TARGET_ROLE: &str = "ByTargetRole";

/// The index table.
#[derive(Debug, Clone)]
pub struct Index {
    pub(super) client: Client,
    pub(super) table: String,
}

/// One page of [`Index::on_role`].
#[derive(Debug)]
pub struct Page {
    pub items: Vec<IndexItem>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Item>,
}

/// The roles of an association, as of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRoles {
    pub role_arn: String,
    pub target_role_arn: Option<String>,
    pub modified_at: Timestamp,
}

/// What a look at EKS says about an index item, beside its key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Observation<'a> {
    role_arn: &'a str,
    modified_at: Timestamp,
    seen_at: Timestamp,
}

impl Index {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One page of the associations that the index shows on `role`, in this field. The secondary index is eventually
    /// consistent.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read, or an item is not of the contract's form: the rotation cannot account for an
    /// association that it cannot read.
    pub async fn on_role(&self, field: RoleField, role: &RoleArn, start: Option<Item>) -> Result<Page, CallError> {
        const OPERATION: &str = "query associations on role";
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
        let output: QueryOutput =
            query.send().await.map_err(|error| CallError::new(OPERATION, role.as_str(), &error))?;
        let items = output.items.unwrap_or_default().into_iter().map(|item| readable(item, field, role));
        let items = items.collect::<Result<_, _>>();
        Ok(Page {
            items: items.map_err(|problem| CallError::malformed_answer(OPERATION, role.as_str(), problem))?,
            next: output.last_evaluated_key,
        })
    }

    /// Brings the item to what EKS showed, where there is one and it is no newer. Returns whether it was written: an item
    /// that somebody removed or advanced is theirs.
    ///
    /// # Errors
    /// Where DynamoDB cannot be written.
    pub async fn mend(&self, seen: &Association, now: Timestamp) -> Result<bool, CallError> {
        let members = Observation { role_arn: &seen.role_arn, modified_at: seen.modified_at, seen_at: now };
        let expression = Expression::default()
            .set_all(&members)
            .set_or_remove("targetRoleArn", seen.target_role_arn.as_ref().map(text))
            .set_or_remove("ownerArn", seen.owner_arn.as_ref().map(text))
            .only_if("#modifiedAt <= :modifiedAt", &[], &[]);
        self.update(&seen.association_arn, expression).await
    }

    /// Brings a lagging item that names `old_role` to the roles and the version that the ledger knows. Returns whether it
    /// was written; it is not where only the secondary index lagged.
    ///
    /// # Errors
    /// Where DynamoDB cannot be written.
    pub async fn mend_roles(
        &self,
        arn: &AssociationArn,
        old_role: &RoleArn,
        known: &KnownRoles,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        let KnownRoles { role_arn, target_role_arn, modified_at } = known;
        let members = Observation { role_arn, modified_at: *modified_at, seen_at: now };
        let expression = Expression::default()
            .set_all(&members)
            .set_or_remove("targetRoleArn", target_role_arn.as_ref().map(text))
            .only_if(
                "(#roleArn = :oldRoleArn OR #targetRoleArn = :oldRoleArn) AND #modifiedAt <= :modifiedAt",
                &[],
                &[("oldRoleArn", text(old_role))],
            );
        self.update(arn, expression).await
    }

    /// A condition on `modifiedAt` also fails where there is no item, so that nothing is ever created here.
    async fn update(&self, arn: &AssociationArn, expression: Expression) -> Result<bool, CallError> {
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
                if matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(false)
            }
            Err(error) => Err(CallError::new("update index item", arn.as_str(), &error)),
        }
    }
}

pub(super) fn key(arn: &AssociationArn) -> Item {
    Item::from([
        ("clusterArn".to_owned(), text(arn.cluster_arn())),
        ("associationId".to_owned(), text(arn.association_id())),
    ])
}

/// An item of the contract's form. What has `role` as its role is in the role's own account: EKS allows no other. A target
/// role can be anywhere.
fn readable(item: Item, field: RoleField, role: &RoleArn) -> Result<IndexItem, String> {
    let shown = format!("index item {:?}/{:?}", item.get("clusterArn"), item.get("associationId"));
    let item: IndexItem = serde_dynamo::from_item(item).map_err(|error| format!("{shown}: {error}"))?;
    let arn = &item.association_arn;
    if field == RoleField::RoleArn && arn.account() != role.account() {
        return Err(format!("{shown}: associationArn {arn} is in another account than the role {role}"));
    }
    if item.cluster_name != arn.cluster_name() || item.association_id != arn.association_id() {
        return Err(format!("{shown}: associationArn {arn} names another association"));
    }
    Ok(item)
}
