//! All associations. The script filters them; without it, all are shown. They are in several
//! tables, because a browser can leave out a whole table that is not near to what it shows, but no
//! part of one.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::rotation::report_rows::ReportRow;
use crate::verbs::report::data::Report;
use crate::verbs::report::html::shown::{Shown, named_id};
use crate::verbs::report::text;
use crate::words;

/// Rows of a table: several screens, which take no noticeable time.
const ROWS_MAX: usize = 200;

/// The tables with their filter.
pub fn rows(report: &Report) -> Markup {
    let rows = &report.rows;
    if rows.is_empty() {
        return html! {
            section { h2 { "All associations" } p { "The rotation has none." } }
        };
    }
    let starts = (1..).step_by(ROWS_MAX);
    html! {
        section {
            h2 { "All associations" }
            (filter(rows))
            @for (start, rows) in starts.zip(rows.chunks(ROWS_MAX)) {
                div.chunk { (table(start, rows, &report.stack.account)) }
            }
        }
    }
}

fn table(start: usize, rows: &[ReportRow], account: &str) -> Markup {
    html! {
        table.rows {
            caption { "Rows " (start) " to " (start + rows.len() - 1) ", in the order of their ARNs; those moved back come last" }
            thead {
                tr {
                    th scope="col" { "Outcome" }
                    th scope="col" { "Workload" }
                    th scope="col" { "Cluster" }
                    th scope="col" { "Role" }
                    th scope="col" { "Settled" }
                    th scope="col" { "IDs and details" }
                }
            }
            tbody { @for row in rows { (line(row, account)) } }
        }
    }
}

/// It is hidden until the script shows it, because it has no effect without the script.
fn filter(rows: &[ReportRow]) -> Markup {
    let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows {
        *outcomes.entry(&row.outcome).or_default() += 1;
    }
    html! {
        div.filter id="filter" hidden {
            label { "Filter " input id="text" type="search" placeholder="workload, cluster, role, ID"; }
            label {
                "Outcome "
                select id="outcome" {
                    option value="" { "all" }
                    @for (outcome, count) in outcomes {
                        option value=(Shown(outcome)) { (Shown(outcome)) " (" (count) ")" }
                    }
                }
            }
            output id="shown" {}
        }
    }
}

fn line(row: &ReportRow, account: &str) -> Markup {
    html! {
        tr data-arns=(Shown(arns(row))) {
            td { b.(class(row)) { (Shown(&row.outcome)) } }
            td { (Shown(row.workload.pods())) }
            td { (Shown(row.workload.place())) }
            td { (Shown(text::roles(row, account))) }
            td.time { @if let Some(at) = row.settled_at { (words::plain_time(at)) } }
            td {
                (named_id(("association", id(row))))
                @for id in text::ids(row) { (named_id(id)) }
                (Shown(row.details()))
            }
        }
    }
}

/// The whole ARNs, which a reader may look for.
fn arns(row: &ReportRow) -> String {
    let roles = [&row.role_before, &row.role_after];
    let roles = roles.into_iter().flatten();
    let arns = std::iter::once(&row.association_arn).chain(roles);
    arns.cloned().collect::<Vec<_>>().join(" ")
}

/// The ID of the association, which its ARN ends with. The rest of the ARN is in other columns.
fn id(row: &ReportRow) -> &str {
    let arn = &row.association_arn;
    arn.rsplit_once('/').map_or(arn, |(_, id)| id)
}

/// The color of an outcome, which is never the only sign of it.
fn class(row: &ReportRow) -> &'static str {
    match row.outcome.as_str() {
        _ if row.has_moved() => "good",
        "AlreadyCurrent" | "Deleted" => "plain",
        "Failed" | "Reverted" => "bad",
        _ => "open",
    }
}
