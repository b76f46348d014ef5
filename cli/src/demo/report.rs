//! What the demonstration says, as text. Pure functions: nothing here writes, waits or asks.

use std::collections::BTreeMap;
use std::fmt::Write;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use rerole::outcome::Outcome;
use rerole::record::Summary;
use rerole::request::RotationRequest;
use rerole_sim::{Association, Service};

use super::evidence::LedgerRow;
use super::world::{Delivery, EVENT_FILE};
use crate::args::DemoPlan;

/// Failures shown one by one; the ledger has them all.
const FAILURES_SHOWN: usize = 5;

/// Cluster and region, as the fleet lists them.
pub type Clusters = [(String, String)];

/// Where everything is, and what is there before anything happens.
pub fn opening(plan: &DemoPlan, url: &str, request: &RotationRequest) -> String {
    let mut text = format!(
        "Nothing here leaves this machine: the AWS of this demonstration is simulated, at {url}.\n\n\
         Rotation {} replaces a role that {} of {} associations use:\n  from  {}\n  to    {}\n",
        request.rotation_id, plan.rotating, plan.associations, request.old_role_arn, request.new_role_arn,
    );
    let mut note = |count: usize, what: &str| {
        if count > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  of these, {count} {what}");
        }
    };
    note(plan.drifted, "were moved to a third role by hand, which the index does not know yet");
    note(plan.owned_by_addon, "belong to an add-on, and are not rerole's to move");
    note(plan.refused, "will be refused by EKS (--fail)");
    if let Some(rate) = plan.throttle {
        let _ = writeln!(text, "  EKS admits {rate} calls a second in each region (--throttle)");
    }
    text.trim_end().to_owned()
}

/// The fleet by cluster, as EKS and the index have it at the beginning.
pub fn fleet_table(clusters: &Clusters, fleet: &BTreeMap<String, Association>, rotating: &[String]) -> String {
    let is_in = |association: &Association, cluster: &str| association.cluster_name == cluster;
    let rows = clusters.iter().map(|(region, cluster)| {
        let all = fleet.values().filter(|association| is_in(association, cluster)).count();
        let on_old_role = rotating.iter().filter_map(|arn| fleet.get(arn)).filter(|a| is_in(a, cluster)).count();
        (vec![cluster.clone(), region.clone()], vec![all, on_old_role])
    });
    table(&["cluster", "region"], &["associations", "on the old role"], rows)
}

/// How the first delivery ended.
pub fn ending(delivery: &Delivery, clusters: &Clusters, rows: &[LedgerRow]) -> String {
    let Delivery { summary, deliveries, took, .. } = delivery;
    let again = if *deliveries > 1 { format!(", in {deliveries} deliveries of the event") } else { String::new() };
    let reason = summary.reason.as_deref().unwrap_or("none");
    let until = summary.old_role_in_use_until.map_or("null".to_owned(), |until| until.to_string());
    format!(
        "At its end after {:.1} s{again}:\n\n{}\n{}\n  status             {:?}\n  reason             {reason}\n  \
         oldRoleInUseUntil  {until}\n\n{}\n\n{}",
        took.as_secs_f64(),
        outcome_table(clusters, rows),
        failures(rows),
        summary.status,
        drain(summary),
        calls(delivery),
    )
}

/// The outcomes by cluster. Only those that occur have a column.
fn outcome_table(clusters: &Clusters, rows: &[LedgerRow]) -> String {
    let mut counts: BTreeMap<Outcome, BTreeMap<&str, usize>> = BTreeMap::new();
    for row in rows {
        *counts.entry(row.outcome).or_default().entry(&row.cluster_name).or_default() += 1;
    }
    let names: Vec<String> = counts.keys().map(|outcome| format!("{outcome:?}")).chain(["total".to_owned()]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = clusters.iter().map(|(region, cluster)| {
        let of = |by_cluster: &BTreeMap<&str, usize>| by_cluster.get(cluster.as_str()).copied().unwrap_or(0);
        let mut cells: Vec<usize> = counts.values().map(of).collect();
        cells.push(cells.iter().sum());
        (vec![cluster.clone(), region.clone()], cells)
    });
    table(&["cluster", "region"], &names, rows)
}

/// A table of labels and numbers, with the sums of the numbers below.
fn table(labels: &[&str], numbers: &[&str], rows: impl Iterator<Item = (Vec<String>, Vec<usize>)>) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(labels.iter().chain(numbers).copied());
    let mut sums = vec![0; numbers.len()];
    for (labels, numbers) in rows {
        for (sum, number) in sums.iter_mut().zip(&numbers) {
            *sum += number;
        }
        table.add_row(labels.into_iter().chain(numbers.iter().map(ToString::to_string)));
    }
    let blanks = std::iter::repeat_n(String::new(), labels.len().saturating_sub(1));
    let last = std::iter::once("all".to_owned()).chain(blanks).chain(sums.iter().map(ToString::to_string));
    table.add_row(last);
    for column in table.column_iter_mut().skip(labels.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// The first failures, with what EKS said. Empty where there are none.
fn failures(rows: &[LedgerRow]) -> String {
    let mut failed: Vec<&LedgerRow> = rows.iter().filter(|row| row.outcome == Outcome::Failed).collect();
    failed.sort_by_key(|row| (&row.cluster_name, &row.namespace, &row.service_account));
    let mut text = String::new();
    for row in failed.iter().take(FAILURES_SHOWN) {
        let LedgerRow { cluster_name, namespace, service_account, error_code, error_message, .. } = row;
        let (code, message) =
            (error_code.as_deref().unwrap_or("no code"), error_message.as_deref().unwrap_or("no message"));
        let _ = write!(text, "\n  failed: {cluster_name} {namespace}/{service_account}: {code}: {message}");
    }
    if failed.len() > FAILURES_SHOWN {
        let _ = write!(text, "\n  and {} more, all of them in the ledger", failed.len() - FAILURES_SHOWN);
    }
    if text.is_empty() { text } else { text + "\n" }
}

/// What `oldRoleInUseUntil` means.
fn drain(summary: &Summary) -> String {
    let Some(until) = summary.old_role_in_use_until else {
        return "The old role has to stay: associations still use it, as the reason says, and so there is no time from\n\
                which it could go. Pods of those that moved may hold its credentials for up to 6 hours more."
            .to_owned();
    };
    let minutes = until.since(summary.finished_at.unwrap_or(summary.started_at)).as_secs() / 60;
    format!(
        "The old role has to stay for another {} h {} min: running pods may hold its credentials until then, since\n\
         changing an association does not reset them.",
        minutes / 60,
        minutes % 60
    )
}

/// The calls that it took.
fn calls(delivery: &Delivery) -> String {
    let of = |service| {
        let counts: Vec<String> =
            delivery.of(service).map(|(operation, count)| format!("{count} {operation}")).collect();
        if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
    };
    let throttled = delivery.throttled.map_or(String::new(), |count| format!(" ({count} of them throttled)"));
    format!("Calls to EKS{throttled}: {}.\nCalls to DynamoDB: {}.", of(Service::Eks), of(Service::DynamoDb))
}

/// How the second delivery ended.
pub fn second_ending(delivery: &Delivery) -> String {
    let all: usize = delivery.of(Service::Eks).map(|(_, count)| count).sum();
    format!(
        "{EVENT_FILE} was delivered again: {:?} after {:.2} s, with {} writes to EKS and {all} calls to it in all.",
        delivery.summary.status,
        delivery.took.as_secs_f64(),
        delivery.eks_writes(),
    )
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
