//! The rows of a report as CSV (RFC 4180), for a spreadsheet.

use std::io;

use rerole_core::printable::escape_controls;
use rerole_core::timestamp::Timestamp;

use crate::rotation::report_rows::ReportRow;

/// The names of the columns: those of the JSON, and `details`, which is the error or who moved the
/// association back.
const HEADER: [&str; 17] = [
    "outcome",
    "region",
    "cluster",
    "namespace",
    "serviceAccount",
    "associationArn",
    "roleBefore",
    "targetRoleBefore",
    "roleAfter",
    "targetRoleAfter",
    "versionBefore",
    "versionAfter",
    "settledAt",
    "attempt",
    "requestId",
    "clientRequestToken",
    "details",
];

/// The rows, each in one line.
///
/// # Errors
/// None is known: it writes to memory.
pub fn document(rows: &[ReportRow]) -> io::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for row in rows {
        writer.write_record(cells(row).map(|cell| safe(&cell)))?;
    }
    let bytes = writer
        .into_inner()
        .map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn cells(row: &ReportRow) -> [String; HEADER.len()] {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let time = |value: Option<Timestamp>| value.map_or_else(String::new, |it| it.to_string());
    [
        row.outcome.clone(),
        row.workload.region.clone(),
        row.workload.cluster.clone(),
        row.workload.namespace.clone(),
        row.workload.service_account.clone(),
        row.association_arn.clone(),
        text(&row.role_before),
        text(&row.target_role_before),
        text(&row.role_after),
        text(&row.target_role_after),
        time(row.version_before),
        time(row.version_after),
        time(row.settled_at),
        row.attempt.map_or_else(String::new, |it| it.to_string()),
        text(&row.request_id),
        text(&row.client_request_token),
        row.details(),
    ]
}

/// The cell as text that a spreadsheet does not take for a formula.
/// <https://owasp.org/www-community/attacks/CSV_Injection>
fn safe(cell: &str) -> String {
    // A tab or line break at the start is escaped, and so is no danger.
    let cell = escape_controls(cell);
    if cell.starts_with(['=', '+', '-', '@']) {
        format!("'{cell}")
    } else {
        cell
    }
}
