//! The associations of a rotation: its rows in the ledger, and those that another actor has moved
//! back since.

use std::collections::BTreeMap;

use rerole::aws::ledger::{ROW_PAGES, Select};
use rerole::aws::page::paginate;
use rerole_core::call::CallError;
use rerole_core::keys::RotationKey;
use rerole_core::rotation::reversion::ReversionRow;
use rerole_core::rotation::{Outcome, Row};
use serde::Serialize;

use crate::invalid_flag::InvalidFlag;
use crate::stack::Stack;
use crate::terminal::Layout;
use crate::words;

/// What `--rows` may name, with the outcome that it stands for.
const NAMES: [(&str, Shown); 12] = [
    ("pending", Shown::Outcome(Outcome::Pending)),
    ("updated", Shown::Outcome(Outcome::Updated)),
    ("alreadyCurrent", Shown::Outcome(Outcome::AlreadyCurrent)),
    ("drifted", Shown::Outcome(Outcome::Drifted)),
    ("deleted", Shown::Outcome(Outcome::Deleted)),
    ("addon", Shown::Outcome(Outcome::OwnedByAddon)),
    ("failed", Shown::Outcome(Outcome::Failed)),
    ("notAttempted", Shown::Outcome(Outcome::NotAttempted)),
    ("wouldUpdate", Shown::Outcome(Outcome::WouldUpdate)),
    ("changedSince", Shown::Outcome(Outcome::ChangedSince)),
    ("reverted", Shown::Reverted),
    ("all", Shown::All),
];
/// Rows that a table has at most. JSON has all.
pub const SHOWN_MAX: usize = 50;

/// Which associations of a rotation to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Outcome(Outcome),
    /// Those that another actor has moved back.
    Reverted,
    All,
}

impl Shown {
    /// Parses a name of `--rows`. Case does not matter.
    ///
    /// # Errors
    /// If there is no such name.
    pub fn parse(text: &str) -> Result<Self, InvalidFlag> {
        let named = NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        named.map(|(_, shown)| *shown).ok_or_else(|| {
            let all = NAMES.map(|(name, _)| name).join(", ");
            InvalidFlag::new(
                "--rows",
                text,
                format!("names of {all}, separated by commas"),
            )
        })
    }

    fn includes(self, outcome: Outcome) -> bool {
        match self {
            Self::All => true,
            Self::Outcome(shown) => shown == outcome,
            Self::Reverted => false,
        }
    }
}

/// An association of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RowView {
    /// The outcome, or `Reverted`.
    pub outcome: String,
    pub region: String,
    pub cluster: String,
    pub namespace: String,
    pub service_account: String,
    pub association_arn: String,
    /// The role that it has, as EKS showed it last, or else the index.
    pub role_arn: String,
    pub target_role_arn: Option<String>,
    /// Why it has this outcome: the error of EKS, or who moved it back.
    pub details: Option<String>,
    pub settled_at: Option<String>,
}

impl From<&Row> for RowView {
    fn from(row: &Row) -> Self {
        let observed = row
            .role_arn
            .clone()
            .or_else(|| row.observed_role_arn.clone());
        let target = row.target_role_arn.clone();
        let error = row
            .error_code
            .as_ref()
            .map(|code| match &row.error_message {
                Some(message) => format!("{code}: {message}"),
                None => code.clone(),
            });
        Self {
            outcome: format!("{:?}", row.outcome),
            region: row.association_arn.region().to_owned(),
            cluster: row.cluster_name.clone(),
            namespace: row.namespace.clone(),
            service_account: row.service_account.clone(),
            association_arn: row.association_arn.to_string(),
            role_arn: observed.unwrap_or_else(|| row.previous_role_arn.clone()),
            target_role_arn: target.or_else(|| row.previous_target_role_arn.clone()),
            details: error,
            settled_at: row.settled_at.map(|at| at.to_string()),
        }
    }
}

impl RowView {
    fn reverted(row: &ReversionRow, old_role: &str) -> Self {
        let by = row
            .caller_arn
            .as_deref()
            .unwrap_or("a caller that no event shows");
        Self {
            outcome: "Reverted".to_owned(),
            region: row.reverted_arn.region().to_owned(),
            cluster: row.cluster_name.clone(),
            namespace: row.namespace.clone(),
            service_account: row.service_account.clone(),
            association_arn: row.reverted_arn.to_string(),
            role_arn: old_role.to_owned(),
            target_role_arn: None,
            details: Some(format!("moved back by {by}")),
            settled_at: Some(row.modified_at.to_string()),
        }
    }
}

/// Reads the associations that `shown` names, in the order of their ARNs.
///
/// # Errors
/// If the ledger cannot be read.
pub async fn read(
    stack: &Stack,
    key: &RotationKey,
    old_role: &str,
    shown: &[Shown],
) -> Result<Vec<RowView>, CallError> {
    let mut views = Vec::new();
    if shown.iter().any(|shown| *shown != Shown::Reverted) {
        let rows = stack.aws.ledger.rows(key);
        let mut pages = paginate(ROW_PAGES, async |start| rows.page(Select::All, start).await);
        while let Some(page) = pages.next().await? {
            let wanted = page
                .iter()
                .filter(|row| shown.iter().any(|shown| shown.includes(row.outcome)));
            views.extend(wanted.map(RowView::from));
        }
    }
    if shown
        .iter()
        .any(|shown| matches!(shown, Shown::Reverted | Shown::All))
    {
        let reversions = stack.aws.ledger.reversions();
        let mut pages = paginate(ROW_PAGES, async |start| reversions.page(key, start).await);
        while let Some(page) = pages.next().await? {
            views.extend(page.iter().map(|row| RowView::reverted(row, old_role)));
        }
    }
    Ok(views)
}

/// The associations as a table.
pub fn table(rows: &[RowView], account: &str, layout: &Layout) -> String {
    let lines = rows.iter().take(SHOWN_MAX).map(|row| {
        vec![
            row.outcome.clone(),
            format!("{}/{}", row.namespace, row.service_account),
            format!("{}/{}", row.region, row.cluster),
            words::role(&row.role_arn).in_account(account),
            row.details.clone().unwrap_or_default(),
        ]
    });
    let header = ["outcome", "workload", "cluster", "role", "details"];
    let table = layout.table(&header, lines);
    match rows.len().saturating_sub(SHOWN_MAX) {
        0 => table,
        more => format!("{table}\nand {more} more; --output json has all of them"),
    }
}

/// The number of rows by cluster and outcome.
pub fn cluster_table(rows: &[RowView], layout: &Layout) -> String {
    let mut outcomes: Vec<&str> = rows.iter().map(|row| row.outcome.as_str()).collect();
    outcomes.sort_unstable();
    outcomes.dedup();
    let mut clusters: BTreeMap<(&str, &str), BTreeMap<&str, u64>> = BTreeMap::new();
    for row in rows {
        let cluster = clusters.entry((&row.cluster, &row.region)).or_default();
        *cluster.entry(&row.outcome).or_default() += 1;
    }
    let lines = clusters.iter().map(|((cluster, region), counts)| {
        let names = [(*cluster).to_owned(), (*region).to_owned()].into_iter();
        let number = |outcome: &&str| counts.get(outcome).copied().unwrap_or_default().to_string();
        names.chain(outcomes.iter().map(number)).collect()
    });
    let titles: Vec<_> = outcomes.iter().map(|it| words::spaced(it)).collect();
    let titles = titles.iter().map(String::as_str);
    let header: Vec<_> = ["cluster", "region"].into_iter().chain(titles).collect();
    let lines: Vec<Vec<String>> = lines.collect();
    layout.table(&header, lines)
}
