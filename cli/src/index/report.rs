//! The output of `rerole index`, as text and JSON. Pure functions: nothing here prints or calls
//! AWS.

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use rerole::indexer::comparison::Comparison;
use rerole::indexer::walker::Difference;
use rerole_core::indexing::{IndexItem, Run, RunError};
use serde_json::{Value, json};

/// Differences and errors that are listed as text. More would be too long to read. JSON has all
/// differences, and all errors that the run keeps.
const SHOWN_MAX: usize = 50;

/// Index items as a table.
pub fn items_table(items: &[IndexItem]) -> String {
    if items.is_empty() {
        return "The index has no such association.".to_owned();
    }
    let mut table = new_table(&[
        "region",
        "cluster",
        "namespace",
        "service account",
        "id",
        "role",
        "target role",
        "since",
    ]);
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

/// Index items as JSON, with the attribute names of the table.
pub fn items_json(items: &[IndexItem]) -> String {
    json!(items).to_string()
}

/// A comparison as text.
pub fn comparison_text(comparison: &Comparison) -> String {
    let Comparison { run, differences } = comparison;
    let found = match differences.len() {
        0 if run.counts.invalid > 0 => "no association differs".to_owned(),
        0 => "the index matches EKS.".to_owned(),
        count => format!("{count} differ.\n\n{}", differences_table(differences)),
    };
    let invalid = invalid_text(run.counts.invalid);
    format!("{}: {found}{invalid}{}", extent(run), errors_text(run))
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
    let Comparison { run, differences } = comparison;
    let differences: Vec<Value> = differences.iter().map(difference).collect();
    json!({
        "clusters": run.counts.clusters,
        "seen": run.counts.seen,
        "invalid": run.counts.invalid,
        "differences": differences,
        "errors": run.errors,
        "errorCount": run.error_count,
    })
    .to_string()
}

/// A finished run as text.
pub fn run_text(run: &Run) -> String {
    let counts = &run.counts;
    let text = format!(
        "{}: {} added, {} changed, {} removed{}; {} EKS calls.",
        extent(run),
        counts.added,
        counts.changed,
        counts.removed,
        invalid_text(counts.invalid),
        counts.calls
    );
    text + &errors_text(run)
}

fn extent(run: &Run) -> String {
    let (associations, clusters) = (run.counts.seen, run.counts.clusters);
    let plural = |count| if count == 1 { "" } else { "s" };
    format!(
        "{associations} association{} in {clusters} cluster{}",
        plural(associations),
        plural(clusters)
    )
}

fn invalid_text(invalid: u64) -> String {
    match invalid {
        0 => String::new(),
        1 => ", 1 invalid item".to_owned(),
        count => format!(", {count} invalid items"),
    }
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
    let rest = if more > 0 {
        format!("\nand {more} more; `rerole index check --output json` has all of them")
    } else {
        String::new()
    };
    format!("{table}{rest}")
}

fn errors_text(run: &Run) -> String {
    let line = |run_error: &RunError| {
        let place = run_error
            .cluster_name
            .as_deref()
            .unwrap_or("the list of clusters");
        format!("\n  {place} in {}: {}", run_error.region, run_error.problem)
    };
    match run.error_count {
        0 => String::new(),
        count => {
            let lines: String = run.errors.iter().take(SHOWN_MAX).map(line).collect();
            format!("\n\n{count} could not be read:{lines}")
        }
    }
}

fn kind(difference: &Difference) -> &'static str {
    match (&difference.held, &difference.shown) {
        (None, _) => "missing",
        (Some(_), None) => "deleted",
        (Some(_), Some(_)) => "changed",
    }
}

fn roles(item: Option<&IndexItem>) -> String {
    item.map_or_else(String::new, |item| match &item.target_role_arn {
        None => role_name(&item.role_arn).to_owned(),
        Some(target) => format!("{} to {}", role_name(&item.role_arn), role_name(target)),
    })
}

/// The path and name of a role. The rest of the ARN is the same for most roles.
fn role_name(arn: &str) -> &str {
    arn.split_once(":role/").map_or(arn, |(_, name)| name)
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header);
    table
}
