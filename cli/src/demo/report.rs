//! The text of the demo's report. Pure functions: nothing here prints or calls AWS.

use std::collections::BTreeMap;
use std::fmt::Write;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use rerole_core::request::RotationRequest;
use rerole_core::rotation::{Outcome, Summary};
use rerole_sim::{Association, Service};

use crate::demo::evidence::{Delivery, LedgerRow};
use crate::demo::flags::DemoPlan;
use crate::demo::simulation::EVENT_FILE;

/// Failures that are listed. More would hide the rest of the report, and the ledger has all of
/// them.
const FAILURES_SHOWN_MAX: usize = 5;

/// Region and cluster, as the fleet lists them.
pub type Clusters = [(String, String)];

/// The URL of the simulated AWS, and what the rotation will find.
pub fn introduction(plan: &DemoPlan, url: &str, request: &RotationRequest) -> String {
    let mut text = format!(
        "Nothing leaves this machine: AWS is simulated at {url}.\n\n\
         Rotation {} replaces a role that {} of {} associations use:\n  from  {}\n  to    {}\n",
        request.rotation_id,
        plan.rotating,
        plan.associations,
        request.old_role_arn,
        request.new_role_arn,
    );
    let mut note = |count: usize, what: &str| {
        if count > 0 {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "  of these, {count} {what}");
        }
    };
    note(
        plan.drifted,
        "drifted (moved to a third role by hand, which the index does not show yet)",
    );
    note(
        plan.owned_by_addon,
        "owned by an add-on (rerole does not move them)",
    );
    note(plan.refused, "will be refused by EKS (--fail)");
    if let Some(rate) = plan.throttle {
        let _ = writeln!(
            text,
            "  EKS accepts {rate} calls a second in each region (--throttle)"
        );
    }
    text.trim_end().to_owned()
}

/// The number of associations by cluster, according to EKS and to the index, before the rotation.
pub fn fleet_table(
    clusters: &Clusters,
    fleet: &BTreeMap<String, Association>,
    rotating: &[String],
) -> String {
    let is_in = |association: &Association, cluster: &str| association.cluster_name == cluster;
    let rows = clusters.iter().map(|(region, cluster)| {
        let all = fleet
            .values()
            .filter(|association| is_in(association, cluster))
            .count();
        let on_old_role = rotating
            .iter()
            .filter_map(|arn| fleet.get(arn))
            .filter(|a| is_in(a, cluster))
            .count();
        (
            vec![cluster.clone(), region.clone()],
            vec![all, on_old_role],
        )
    });
    table(&["associations", "on the old role"], rows)
}

/// The result of the first delivery.
pub fn first_delivery(delivery: &Delivery, clusters: &Clusters, rows: &[LedgerRow]) -> String {
    let Delivery {
        summary,
        deliveries,
        took,
        ..
    } = delivery;
    let redelivered = if *deliveries > 1 {
        format!(", in {deliveries} deliveries of the event")
    } else {
        String::new()
    };
    let reason = summary.reason.as_deref().unwrap_or("none");
    let until = summary
        .old_role_in_use_until
        .map_or("null".to_owned(), |until| until.to_string());
    format!(
        "Finished after {:.1} s{redelivered}:\n\n{}\n{}\n  status             {:?}\n  \
         reason             {reason}\n  oldRoleInUseUntil  {until}\n\n{}\n\n{}",
        took.as_secs_f64(),
        outcome_table(clusters, rows),
        failures(rows),
        summary.status,
        drain(summary),
        calls(delivery),
    )
}

/// The result of the second delivery.
pub fn second_delivery(delivery: &Delivery) -> String {
    let eks_calls: usize = delivery
        .calls_to(Service::Eks)
        .map(|(_, count)| count)
        .sum();
    format!(
        "Delivered {EVENT_FILE} again: {:?} after {:.2} s, with {} writes to EKS ({eks_calls} \
         calls in total).",
        delivery.summary.status,
        delivery.took.as_secs_f64(),
        delivery.eks_writes(),
    )
}

/// The number of associations by cluster and outcome. Only outcomes that occur have a column.
fn outcome_table(clusters: &Clusters, rows: &[LedgerRow]) -> String {
    let mut counts: BTreeMap<Outcome, BTreeMap<&str, usize>> = BTreeMap::new();
    for row in rows {
        *counts
            .entry(row.outcome)
            .or_default()
            .entry(&row.cluster_name)
            .or_default() += 1;
    }
    let names: Vec<String> = counts
        .keys()
        .map(|outcome| format!("{outcome:?}"))
        .chain(["total".to_owned()])
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = clusters.iter().map(|(region, cluster)| {
        let of = |by_cluster: &BTreeMap<&str, usize>| {
            by_cluster.get(cluster.as_str()).copied().unwrap_or(0)
        };
        let mut cells: Vec<usize> = counts.values().map(of).collect();
        cells.push(cells.iter().sum());
        (vec![cluster.clone(), region.clone()], cells)
    });
    table(&names, rows)
}

/// The columns of a table that are no numbers.
const LABELS: [&str; 2] = ["cluster", "region"];

/// A table of numbers by cluster and region. Its last row has the sums.
fn table(numbers: &[&str], rows: impl Iterator<Item = (Vec<String>, Vec<usize>)>) -> String {
    let mut table = Table::new();
    table
        .load_style(ASCII_MARKDOWN)
        .set_header(LABELS.iter().chain(numbers).copied());
    let mut sums = vec![0; numbers.len()];
    for (labels, numbers) in rows {
        for (sum, number) in sums.iter_mut().zip(&numbers) {
            *sum += number;
        }
        table.add_row(
            labels
                .into_iter()
                .chain(numbers.iter().map(ToString::to_string)),
        );
    }
    let blanks = std::iter::repeat_n(String::new(), LABELS.len() - 1);
    let last = std::iter::once("all".to_owned())
        .chain(blanks)
        .chain(sums.iter().map(ToString::to_string));
    table.add_row(last);
    for column in table.column_iter_mut().skip(LABELS.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// The first failures, with the error that EKS returned. Empty if there are none.
fn failures(rows: &[LedgerRow]) -> String {
    let mut failed: Vec<&LedgerRow> = rows
        .iter()
        .filter(|row| row.outcome == Outcome::Failed)
        .collect();
    failed.sort_by_key(|row| (&row.cluster_name, &row.namespace, &row.service_account));
    let mut text = String::new();
    for row in failed.iter().take(FAILURES_SHOWN_MAX) {
        let LedgerRow {
            cluster_name,
            namespace,
            service_account,
            error_code,
            error_message,
            ..
        } = row;
        let (code, message) = (
            error_code.as_deref().unwrap_or("no code"),
            error_message.as_deref().unwrap_or("no message"),
        );
        let _ = write!(
            text,
            "\n  failed: {cluster_name} {namespace}/{service_account}: {code}: {message}"
        );
    }
    if failed.len() > FAILURES_SHOWN_MAX {
        let _ = write!(
            text,
            "\n  and {} more; the ledger has all of them",
            failed.len() - FAILURES_SHOWN_MAX
        );
    }
    if text.is_empty() { text } else { text + "\n" }
}

/// Explains `oldRoleInUseUntil`.
fn drain(summary: &Summary) -> String {
    let Some(until) = summary.old_role_in_use_until else {
        return "Keep the old role: associations still use it, as the reason says, so there is no \
                time yet after\nwhich you can delete it. Pods of the associations that moved may \
                hold its credentials for up to\n6 hours."
            .to_owned();
    };
    let finished_at = summary.finished_at.unwrap_or(summary.started_at);
    let minutes = until.since(finished_at).as_secs() / 60;
    format!(
        "Keep the old role for another {} h {} min: running pods may hold its credentials until \
         then,\nbecause changing an association does not reset them.",
        minutes / 60,
        minutes % 60
    )
}

/// The calls that the delivery made.
fn calls(delivery: &Delivery) -> String {
    let list = |service| {
        let counts: Vec<String> = delivery
            .calls_to(service)
            .map(|(operation, count)| format!("{count} {operation}"))
            .collect();
        if counts.is_empty() {
            "none".to_owned()
        } else {
            counts.join(", ")
        }
    };
    let throttled = delivery.throttled.map_or(String::new(), |count| {
        format!(" ({count} of them throttled)")
    });
    format!(
        "Calls to EKS{throttled}: {}.\nCalls to DynamoDB: {}.",
        list(Service::Eks),
        list(Service::DynamoDb)
    )
}

#[cfg(test)]
mod tests;
