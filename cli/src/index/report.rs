//! What `rerole index` says, as text. Pure functions: nothing here writes, waits or asks.

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use rerole::association::IndexItem;
use rerole::index::cluster::Difference;
use rerole::index::compare::Comparison;
use rerole::index::run::{Run, Trouble};
use serde_json::{Value, json};

/// Differences and troubles that are shown one by one in a table; JSON has them all.
const SHOWN_MAX: usize = 50;

/// Items as a table.
pub fn items_table(items: &[IndexItem]) -> String {
    if items.is_empty() {
        return "The index knows no such association.".to_owned();
    }
    let mut table =
        new_table(&["region", "cluster", "namespace", "service account", "id", "role", "target role", "since"]);
    for item in items {
        table.add_row([
            item.association_arn.region(),
            &item.cluster_name,
            &item.namespace,
            &item.service_account,
            &item.association_id,
            role_name(&item.role_arn),
            item.target_role_arn.as_deref().map_or("", role_name),
            &item.modified_at.to_string(),
        ]);
    }
    table.to_string()
}

/// Items as JSON, in the names of the table.
pub fn items_json(items: &[IndexItem]) -> String {
    json!(items).to_string()
}

/// A comparison as text.
pub fn comparison_text(comparison: &Comparison) -> String {
    let Comparison { clusters, seen, differences, troubles } = comparison;
    let found = match differences.len() {
        0 => "the index holds what EKS shows.".to_owned(),
        count => format!("{count} differ.\n\n{}", differences_table(differences)),
    };
    format!("{}: {found}{}", extent(*seen, *clusters), troubles_text(troubles))
}

/// A comparison as JSON.
pub fn comparison_json(comparison: &Comparison) -> String {
    let difference = |difference: &Difference| {
        json!({
            "associationArn": difference.association_arn,
            "difference": kind(difference),
            "held": difference.held,
            "shown": difference.shown,
        })
    };
    let differences: Vec<Value> = comparison.differences.iter().map(difference).collect();
    json!({
        "clusters": comparison.clusters,
        "seen": comparison.seen,
        "differences": differences,
        "troubles": comparison.troubles,
    })
    .to_string()
}

/// A run that has come to its end.
pub fn run_text(run: &Run) -> String {
    let counts = &run.counts;
    let text = format!(
        "{}: {} added, {} changed, {} removed; {} EKS calls.",
        extent(counts.seen, counts.clusters),
        counts.added,
        counts.changed,
        counts.removed,
        counts.calls
    );
    text + &troubles_text(&run.troubles)
}

fn extent(associations: u64, clusters: u64) -> String {
    let plural = |count| if count == 1 { "" } else { "s" };
    format!("{associations} association{} in {clusters} cluster{}", plural(associations), plural(clusters))
}

fn differences_table(differences: &[Difference]) -> String {
    let mut table = new_table(&["", "association", "the index holds", "EKS shows"]);
    for difference in differences.iter().take(SHOWN_MAX) {
        table.add_row([
            kind(difference),
            difference.association_arn.as_str(),
            &roles(difference.held.as_deref()),
            &roles(difference.shown.as_deref()),
        ]);
    }
    let more = differences.len().saturating_sub(SHOWN_MAX);
    let rest = if more > 0 { format!("\nand {more} more; --output json has all of them") } else { String::new() };
    format!("{table}{rest}")
}

fn troubles_text(troubles: &[Trouble]) -> String {
    let line = |trouble: &Trouble| {
        let place = trouble.cluster_name.as_deref().unwrap_or("all clusters");
        format!("\n  {place} in {}: {}", trouble.region, trouble.problem)
    };
    match troubles.len() {
        0 => String::new(),
        count => {
            let lines: String = troubles.iter().take(SHOWN_MAX).map(line).collect();
            format!("\n\n{count} could not be looked at:{lines}")
        }
    }
}

fn kind(difference: &Difference) -> &'static str {
    match (&difference.held, &difference.shown) {
        (None, _) => "missing",
        (Some(_), None) => "gone",
        (Some(_), Some(_)) => "changed",
    }
}

fn roles(item: Option<&IndexItem>) -> String {
    item.map_or_else(String::new, |item| match &item.target_role_arn {
        None => role_name(&item.role_arn).to_owned(),
        Some(target) => format!("{} to {}", role_name(&item.role_arn), role_name(target)),
    })
}

/// A role's path and name: what precedes them is the same for most.
fn role_name(arn: &str) -> &str {
    arn.split_once(":role/").map_or(arn, |(_, name)| name)
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header);
    table
}
