//! The event `Role Rotation Command`: its form. Whether the command is allowed is decided in
//! `decision.rs`.
//!
//! The JSON Schema in `docs/` is generated from `CommandDetail`, so the two always agree.

use serde::Deserialize;
use serde_json::Value;

use crate::command::{
    Command, CommandName, Limits, Order, RollbackOrder, RotationOrder, StackOrder,
};
use crate::keys::RotationKey;
#[cfg(test)]
use crate::request::members::schema;
use crate::request::members::{claim, deserialize, limit, not_null};
use crate::request::{
    Claims, Envelope, MAX_CONCURRENCY_FORM, MAX_ERRORS_FORM, NumericText, Rejection, RequestRules,
    Rollback, event_id, parse_envelope,
};
use crate::resource::OwnAccount;

/// Parses a command from an EventBridge event. `own_account` is the account of the function, if
/// known. `rules` are those of the stack.
///
/// # Errors
/// If a member is missing or not allowed: the first such member.
pub fn parse_command(
    payload: &Value,
    own_account: Option<&OwnAccount>,
    rules: &RequestRules,
) -> Result<Command, Rejection> {
    let (event, detail) = parse_envelope(payload, own_account, rules)?;
    let raw: CommandDetail = deserialize(&detail)?;
    let limits = Limits {
        max_errors: limit("detail.maxErrors", raw.max_errors, MAX_ERRORS_FORM)?,
        max_concurrency: limit(
            "detail.maxConcurrency",
            raw.max_concurrency,
            MAX_CONCURRENCY_FORM,
        )?,
    };
    let rollback = RollbackOrder {
        rollback: Rollback {
            include_changed: raw.include_changed.unwrap_or(false),
        },
        dry_run: raw.dry_run.unwrap_or(false),
    };
    let order = order(raw.command, raw.rotation_id.as_deref(), limits, rollback)?;
    check_flags(
        &order,
        [
            ("detail.includeChanged", raw.include_changed),
            ("detail.dryRun", raw.dry_run),
        ],
    )?;
    let claims = Claims {
        requested_by: claim("detail.requestedBy", raw.requested_by)?,
        reason: claim("detail.reason", raw.reason)?,
    };
    Ok(Command {
        event_id: event_id(payload),
        order,
        expected_seq: raw.expected_seq,
        envelope: Envelope {
            event,
            request_id: None,
            claims,
        },
    })
}

fn order(
    command: Option<CommandName>,
    rotation_id: Option<&str>,
    limits: Limits,
    rollback: RollbackOrder,
) -> Result<Order, Rejection> {
    let of_rotation = |order| Ok(Order::Rotation(key(rotation_id)?, order));
    let of_stack = |order| match rotation_id {
        None => Ok(Order::Stack(order)),
        Some(id) => {
            let allowed = "no rotationId: the command is about the whole stack";
            Err(Rejection::new(
                "detail.rotationId",
                &Value::from(id),
                allowed,
            ))
        }
    };
    let order = match command {
        None => {
            let allowed = "the name of a command";
            return Err(Rejection::new("detail.command", &Value::Null, allowed));
        }
        Some(CommandName::Pause) => of_rotation(RotationOrder::Pause),
        Some(CommandName::Resume) => of_rotation(RotationOrder::Resume),
        Some(CommandName::Cancel) => of_rotation(RotationOrder::Cancel),
        Some(CommandName::Retry) => of_rotation(RotationOrder::Retry),
        Some(CommandName::Rollback) => of_rotation(RotationOrder::Rollback(rollback)),
        Some(CommandName::Change) => of_rotation(RotationOrder::Change(limits)),
        Some(CommandName::Freeze) => of_stack(StackOrder::Freeze),
        Some(CommandName::Unfreeze) => of_stack(StackOrder::Unfreeze),
    }?;
    check_limits(&order, limits)?;
    Ok(order)
}

/// Checks that limits are given where they have a meaning, and only there.
fn check_limits(order: &Order, limits: Limits) -> Result<(), Rejection> {
    let is_change = matches!(order, Order::Rotation(_, RotationOrder::Change(_)));
    let given = [
        (
            "detail.maxErrors",
            limits.max_errors.map(|limit| limit.to_string()),
        ),
        (
            "detail.maxConcurrency",
            limits.max_concurrency.map(|limit| limit.to_string()),
        ),
    ];
    let mut given = given
        .into_iter()
        .filter_map(|(field, limit)| Some((field, limit?)));
    match given.next() {
        Some((field, value)) if !is_change => {
            let allowed = format!("no limit with {:?}; only Change has limits", order.name());
            Err(Rejection::new(field, &Value::from(value), allowed))
        }
        None if is_change => {
            let allowed = "a new maxErrors or maxConcurrency with Change";
            Err(Rejection::new("detail.maxErrors", &Value::Null, allowed))
        }
        _ => Ok(()),
    }
}

/// Checks that the members are given only with `Rollback`.
fn check_flags(order: &Order, flags: [(&str, Option<bool>); 2]) -> Result<(), Rejection> {
    let name = order.name();
    let mut given = flags
        .into_iter()
        .filter_map(|(field, flag)| Some((field, flag?)));
    match given.next() {
        Some((field, flag)) if name != CommandName::Rollback => {
            let allowed = format!("no such member with {name:?}; only Rollback has it");
            Err(Rejection::new(field, &Value::from(flag), allowed))
        }
        _ => Ok(()),
    }
}

fn key(rotation_id: Option<&str>) -> Result<RotationKey, Rejection> {
    let key = rotation_id.and_then(|text| text.parse().ok());
    key.ok_or_else(|| {
        Rejection::new(
            "detail.rotationId",
            &Value::from(rotation_id),
            RotationKey::form(),
        )
    })
}

// The comments on this type and its fields are the descriptions in the JSON Schema.
/// The `detail` of the event. An unknown member, and one that is null, is an error.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(
    test,
    schemars(title = "Role Rotation Command", extend("required" = ["command"]))
)]
struct CommandDetail {
    /// What to do.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "CommandName"))]
    command: Option<CommandName>,
    /// The rotation: its ID, `dry-run/<id>` for a dry run, or `rollback/<id>` for a rollback.
    /// Absent for `Freeze` and `Unfreeze`, which are about the whole stack.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(
        test,
        schemars(
            with = "String",
            regex(pattern = r"^(dry-run/)?(rollback/)?[A-Za-z0-9_-]{1,64}$")
        )
    )]
    rotation_id: Option<String>,
    /// The number of the last entry in the timeline that the sender has seen. If the timeline has a
    /// later entry, the command is refused.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "u64"))]
    expected_seq: Option<u64>,
    /// With `Change`: the new maximum of failed associations, in the form of a request.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "Value", extend("anyOf" = schema::max_errors())))]
    max_errors: Option<NumericText>,
    /// With `Change`: the new maximum of associations in flight, in the form of a request.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "Value", extend("anyOf" = schema::max_concurrency())))]
    max_concurrency: Option<NumericText>,
    /// With `Rollback`: also take back the roles of associations that have changed since in another
    /// way. Without it, they are left as they are.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "bool"))]
    include_changed: Option<bool>,
    /// With `Rollback`: only find out what would be taken back, and what has changed since. The
    /// result is under `dry-run/rollback/<id>`.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "bool"))]
    dry_run: Option<bool>,
    /// Who sends the command. A claim: it is recorded and shown, but not checked.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = schema::CLAIM_PATTERN)))]
    requested_by: Option<String>,
    /// Why, for example an incident. A claim, as `requestedBy`.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = schema::CLAIM_PATTERN)))]
    reason: Option<String>,
}

#[cfg(test)]
mod tests;
