//! The text of the demo's report. Pure functions: nothing here prints or calls AWS.

use std::collections::BTreeMap;
use std::fmt::Write;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use rerole_core::rotation::{Outcome, Summary};
use rerole_sim::{Association, Service};

use crate::demo::checks::Check;
use crate::demo::evidence::{Calls, LedgerRow};
use crate::demo::fast_time::SPEED;
use crate::demo::flags::DemoPlan;
use crate::demo::scene::{EVENT_FILE, Finished, Paused, Repeated, Request, RolledBack, WATCHED};

/// Failures that are listed. More would hide the rest of the report, and the ledger has all of
/// them.
const FAILURES_SHOWN_MAX: usize = 5;
/// The port that the demo suggests for `--keep`. No well-known service listens there.
const PORT_SUGGESTED: u16 = 4550;

pub const BEFORE_CHECKS: &str = "\nWhat must hold now, according to EKS, the ledger, the index and \
                                 the bus:\n";

/// Region and cluster, as the fleet lists them.
pub type Clusters = [(String, String)];

/// The URL of the simulated AWS, and what the rotation will find.
pub fn introduction(plan: &DemoPlan, url: &str, request: &Request) -> String {
    let clock = if plan.keep {
        "The scene takes twenty seconds.".to_owned()
    } else {
        format!("Time runs {SPEED} times as fast in it.")
    };
    let mut text = format!(
        "Nothing leaves this machine: AWS is simulated at {url}, with the whole stack of \
         template.yaml.\n{clock}\n\n\
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

pub fn requested(moved: usize) -> String {
    format!("   The demo puts {EVENT_FILE} on the bus. {moved} have moved.")
}

pub fn paused(paused: &Paused) -> String {
    format!(
        "   Paused after {:.1} s, when {} had moved. In the next {} s, EKS got {} updates.",
        paused.took.as_secs_f64(),
        paused.moved,
        WATCHED.as_secs(),
        paused.watched_updates,
    )
}

/// The result of the rotation.
pub fn finished(finished: &Finished, clusters: &Clusters, rows: &[LedgerRow]) -> String {
    let Finished {
        summary,
        took,
        calls,
        ..
    } = finished;
    format!(
        "   Finished after {:.1} s:\n\n{}\n\n{}",
        took.as_secs_f64(),
        result(summary, clusters, rows),
        calls_text(calls),
    )
}

/// What became of the associations, and of the old role.
fn result(summary: &Summary, clusters: &Clusters, rows: &[LedgerRow]) -> String {
    let reason = summary.reason.as_deref().unwrap_or("none");
    let until = summary
        .old_role_in_use_until
        .map_or("null".to_owned(), |until| until.to_string());
    format!(
        "{}\n{}\n  status             {:?}\n  reason             {reason}\n  \
         oldRoleInUseUntil  {until}\n\n{}",
        outcome_table(clusters, rows),
        failures(rows),
        summary.status,
        drain(summary),
    )
}

/// The result of the second request.
pub fn repeated(repeated: &Repeated) -> String {
    format!(
        "   {:?}, as before, with {} writes to EKS.",
        repeated.summary.status,
        repeated.calls.eks_writes(),
    )
}

/// The result of the rollback.
pub fn rolled_back(rolled_back: Option<&RolledBack>, clusters: &Clusters) -> String {
    let Some(RolledBack { took, rollback }) = rolled_back else {
        return "   Nothing has moved, so there is nothing to roll back.".to_owned();
    };
    format!(
        "   {:?} after {:.1} s. In a rollback, Updated means restored:\n\n{}",
        rollback.summary.status,
        took.as_secs_f64(),
        outcome_table(clusters, &rollback.rows),
    )
}

/// Whether all checks held.
pub fn verdict(checks: &[Check]) -> String {
    match checks.iter().filter(|check| !check.held()).count() {
        0 => format!("All {} checks held.", checks.len()),
        failed => format!("{failed} of {} checks FAILED.", checks.len()),
    }
}

/// How to go on after a demo that has ended.
pub fn next_steps(plan: &DemoPlan) -> String {
    let port = if plan.port == 0 {
        PORT_SUGGESTED
    } else {
        plan.port
    };
    format!(
        "\nThe simulated AWS is gone now. To try the commands yourself, with a tour of them:\n\n  \
         cargo run -p rerole-cli -- playground\n\n\
         To look around after this demo, add --keep --port {port} to the same command."
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

/// The calls that the stack made.
fn calls_text(calls: &Calls) -> String {
    let list = |service| {
        let counts: Vec<String> = calls
            .to(service)
            .map(|(operation, count)| format!("{count} {operation}"))
            .collect();
        if counts.is_empty() {
            "none".to_owned()
        } else {
            counts.join(", ")
        }
    };
    let throttled = match calls.throttled {
        0 => String::new(),
        count => format!(" ({count} of them throttled)"),
    };
    format!(
        "Calls of the whole stack to EKS{throttled}: {}.\nCalls to DynamoDB: {}.",
        list(Service::Eks),
        list(Service::DynamoDb)
    )
}

#[cfg(test)]
mod tests;
