//! The associations that use a role, according to the index: all of them, or those in a scope.

use std::collections::BTreeMap;

use rerole::aws::index_table::ROLE_PAGES;
use rerole::aws::page::paginate;
use rerole_core::call::CallError;
use rerole_core::indexing::{IndexEntry, IndexItem};
use rerole_core::request::Scope;
use rerole_core::resource::{RoleArn, RoleField};
use serde::Serialize;

use crate::stack::Stack;
use crate::terminal::Layout;
use crate::words;

/// Associations that a table shows. JSON has all.
pub const SHOWN_MAX: usize = 50;

/// What the index has on a role.
#[derive(Debug, Default)]
pub struct Users {
    pub items: Vec<IndexItem>,
    /// Why items that were also found cannot be.
    pub invalid: Vec<String>,
}

/// The users of one cluster, by what a rotation can do with them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClusterUsers {
    pub region: String,
    pub cluster: String,
    /// Associations that can be moved.
    pub movable: u64,
    /// Associations that an add-on owns, which are not moved.
    pub owned_by_addon: u64,
}

impl Users {
    /// Reads the associations that use a role in either field. One that uses it in both is found
    /// once.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub async fn read(stack: &Stack, role: &RoleArn) -> Result<Self, CallError> {
        let mut users = Self::default();
        let rules = stack.item_rules();
        for field in RoleField::ALL {
            let mut pages = paginate(ROLE_PAGES, async |start| {
                stack.aws.index.by_role(field, role, &rules, start).await
            });
            while let Some(page) = pages.next().await? {
                for entry in page {
                    users.add(entry, field, role);
                }
            }
        }
        Ok(users)
    }

    fn add(&mut self, entry: IndexEntry, field: RoleField, role: &RoleArn) {
        match entry {
            IndexEntry::Live(item) => {
                let is_new = field == RoleField::RoleArn || item.role_arn != role.as_str();
                self.items.extend(is_new.then_some(*item));
            }
            IndexEntry::Invalid(item) => self.invalid.push(item.problem),
            IndexEntry::Tombstone => {}
        }
    }

    /// Removes those outside the scope, and returns how many they were.
    pub fn keep_in(&mut self, scope: &Scope) -> usize {
        let before = self.items.len();
        self.items.retain(|item| scope.covers(item.location()));
        before - self.items.len()
    }

    /// Counts the users by cluster.
    pub fn by_cluster(&self) -> Vec<ClusterUsers> {
        let mut clusters: BTreeMap<(&str, &str), ClusterUsers> = BTreeMap::new();
        for item in &self.items {
            let place = (item.association_arn.region(), item.cluster_name.as_str());
            let cluster = clusters.entry(place).or_insert_with(|| ClusterUsers {
                region: place.0.to_owned(),
                cluster: place.1.to_owned(),
                ..ClusterUsers::default()
            });
            match item.owner_arn {
                None => cluster.movable += 1,
                Some(_) => cluster.owned_by_addon += 1,
            }
        }
        clusters.into_values().collect()
    }
}

/// An association in a table or in JSON: its workload, cluster, owner and roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct User {
    pub region: String,
    pub cluster: String,
    pub namespace: String,
    pub service_account: String,
    pub association_arn: String,
    pub role_arn: String,
    pub target_role_arn: Option<String>,
    /// The add-on that owns the association, if one does.
    pub owner_arn: Option<String>,
    /// When the association was last changed, as EKS shows it.
    pub modified_at: String,
}

impl From<&IndexItem> for User {
    fn from(item: &IndexItem) -> Self {
        Self {
            region: item.association_arn.region().to_owned(),
            cluster: item.cluster_name.clone(),
            namespace: item.namespace.clone(),
            service_account: item.service_account.clone(),
            association_arn: item.association_arn.to_string(),
            role_arn: item.role_arn.clone(),
            target_role_arn: item.target_role_arn.clone(),
            owner_arn: item.owner_arn.clone(),
            modified_at: item.modified_at.to_string(),
        }
    }
}

/// Associations as a table, with at most `SHOWN_MAX` of them.
pub fn table(users: &[User], account: &str, layout: &Layout) -> String {
    let rows = users.iter().take(SHOWN_MAX).map(|user| {
        let target = user.target_role_arn.as_deref();
        let role = match target.map(|target| words::role(target).in_account(account)) {
            None => words::role(&user.role_arn).in_account(account),
            Some(target) => format!(
                "{} to {target}",
                words::role(&user.role_arn).in_account(account)
            ),
        };
        vec![
            format!("{}/{}", user.namespace, user.service_account),
            format!("{}/{}", user.region, user.cluster),
            role,
            owner(user.owner_arn.as_deref()),
            user.modified_at.chars().take(10).collect(),
        ]
    });
    let table = layout.table(&["workload", "cluster", "role", "owner", "since"], rows);
    match users.len().saturating_sub(SHOWN_MAX) {
        0 => table,
        more => format!("{table}\nand {more} more; --output json has all of them"),
    }
}

/// The add-on's name, or a dash if no add-on owns the association.
pub fn owner(arn: Option<&str>) -> String {
    let Some(arn) = arn else {
        return "-".to_owned();
    };
    // arn:aws:eks:<region>:<account>:addon/<cluster>/<name>/<id>
    let name = arn.split('/').nth(2).unwrap_or(arn);
    format!("add-on {name}")
}

/// The users of each cluster as a table.
pub fn cluster_table(clusters: &[ClusterUsers], layout: &Layout) -> String {
    let rows = clusters.iter().map(|it| {
        vec![
            it.cluster.clone(),
            it.region.clone(),
            it.movable.to_string(),
            it.owned_by_addon.to_string(),
        ]
    });
    layout.table(&["cluster", "region", "to move", "add-on's"], rows)
}
