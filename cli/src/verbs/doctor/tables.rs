//! The two tables: whether they are there, and how they are protected.

use aws_sdk_dynamodb::types::{PointInTimeRecoveryStatus, TableStatus};
use rerole::aws::call_error::call_error;
use rerole_core::call::{CallError, Operation};

use crate::stack::{Name, Stack};
use crate::verbs::doctor::finding::{Check, Finding};

const CHECK: Check = Check("tables");

/// What DynamoDB says of a table.
struct TableState {
    is_active: bool,
    is_protected: bool,
}

/// Checks both tables.
pub async fn check(stack: &Stack) -> Vec<Finding> {
    let client = aws_sdk_dynamodb::Client::new(&stack.sdk);
    let mut findings = Vec::new();
    for (what, name) in [
        ("index", Name::AssociationIndexTableName),
        ("ledger", Name::RotationLedgerTableName),
    ] {
        let name = stack.outputs.get(name).unwrap_or_default();
        let (described, recovery) = tokio::join!(describe(&client, name), recovery(&client, name));
        findings.extend(table((what, name), described));
        findings.extend(backup(what, recovery));
    }
    if findings.is_empty() {
        let found = "both are active, and protected against deletion and loss";
        findings.push(CHECK.ok(found));
    }
    findings
}

async fn describe(client: &aws_sdk_dynamodb::Client, name: &str) -> Result<TableState, CallError> {
    let operation = Operation::on("describe table", &name);
    let described = client.describe_table().table_name(name).send().await;
    let described = described.map_err(|error| call_error(operation, &error))?;
    let table = described.table;
    let status = table.as_ref().and_then(|table| table.table_status.clone());
    let is_usable =
        |status: &TableStatus| matches!(status, TableStatus::Active | TableStatus::Updating);
    Ok(TableState {
        is_active: status.as_ref().is_none_or(is_usable),
        is_protected: table.is_some_and(|it| it.deletion_protection_enabled == Some(true)),
    })
}

/// Whether the table can be restored to any time of the last weeks.
async fn recovery(client: &aws_sdk_dynamodb::Client, name: &str) -> Result<bool, CallError> {
    let operation = Operation::on("look at the backups of table", &name);
    let described = client.describe_continuous_backups().table_name(name);
    let described = described.send().await;
    let described = described.map_err(|error| call_error(operation, &error))?;
    let backups = described.continuous_backups_description;
    let recovery = backups.and_then(|it| it.point_in_time_recovery_description);
    let status = recovery.and_then(|it| it.point_in_time_recovery_status);
    Ok(status == Some(PointInTimeRecoveryStatus::Enabled))
}

fn table((what, name): (&str, &str), described: Result<TableState, CallError>) -> Option<Finding> {
    match described {
        Err(error) if error.code.as_deref() == Some("ResourceNotFoundException") => Some(
            CHECK
                .problem(format!("table {name} of the {what} does not exist"))
                .todo("deploy the stack again, or restore the table from its backup"),
        ),
        Err(error) => Some(CHECK.failed("dynamodb:DescribeTable", &error)),
        Ok(table) if !table.is_active => Some(
            CHECK
                .problem(format!("table {name} of the {what} is not active"))
                .todo("look at the table in DynamoDB"),
        ),
        Ok(table) if !table.is_protected => Some(
            CHECK
                .warning(format!("the {what} is not protected against deletion"))
                .todo("deploy with TableDeletionProtection=true"),
        ),
        Ok(_) => None,
    }
}

fn backup(what: &str, recovery: Result<bool, CallError>) -> Option<Finding> {
    match recovery {
        Ok(true) => None,
        Ok(false) => Some(
            CHECK
                .warning(format!("the {what} cannot be restored to an earlier time"))
                .todo("turn on point-in-time recovery, as the template does"),
        ),
        // The table's own finding says so.
        Err(error) if error.code.as_deref() == Some("TableNotFoundException") => None,
        Err(error) => Some(CHECK.failed("dynamodb:DescribeContinuousBackups", &error)),
    }
}
