//! Puts requests and commands on the bus of the stack, and waits until the ledger shows what came
//! of them. The CLI never writes to EKS or to the tables by itself.

use std::time::Duration;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_eventbridge::types::builders::PutEventsRequestEntryBuilder;
use aws_smithy_types::retry::RetryConfig;
use rerole::aws::call_error::call_error;
use rerole::aws::ledger::RejectedEvent;
use rerole_core::call::{CallError, Operation};
use rerole_core::command::CommandRecord;
use rerole_core::keys::{LedgerKey, RotationKey};
use rerole_core::request::{Scope, event_id};
use rerole_core::rotation::RotationRecord;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::failure::Failure;
use crate::request::Roles;
use crate::stack::{Name, Stack};

/// How long to wait for a verdict. EventBridge and Lambda take about a second.
pub const VERDICT_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two looks into the ledger.
const POLL: Duration = Duration::from_millis(500);
/// What the functions assume if nothing else is set.
const DEFAULT_SOURCE: &str = "platform.iam";

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetailType {
    Request,
    Command,
}

/// An event that is on the bus.
#[derive(Debug, Clone)]
pub struct Sent {
    pub event_id: String,
    /// The whole event, as the function gets it.
    pub event: Value,
}

/// What a request asks for, as far as it makes a rotation what it is.
#[derive(Debug, Clone)]
pub struct Requested {
    pub key: RotationKey,
    pub roles: Roles,
    pub scope: Scope,
}

impl Requested {
    /// Whether this rotation was asked for in the same way. Under its ID, there may be another one.
    pub fn is_asked_for_by(&self, record: &RotationRecord) -> bool {
        record.key == self.key
            && record.old_role_arn == self.roles.old
            && record.new_role_arn == self.roles.new
            && record.request.scope == self.scope
    }
}

/// What came of a request.
#[derive(Debug)]
pub enum RequestResult {
    /// The ledger has the rotation.
    Recorded,
    Rejected(Box<RejectedEvent>),
    /// The ledger shows nothing of it after [`VERDICT_TIMEOUT`].
    Silence,
}

/// What came of a command.
#[derive(Debug)]
pub enum CommandResult {
    Decided(Box<CommandRecord>),
    Rejected(Box<RejectedEvent>),
    Silence,
}

impl DetailType {
    fn text(self) -> &'static str {
        match self {
            Self::Request => "Role Rotation Requested",
            Self::Command => "Role Rotation Command",
        }
    }
}

/// The source of the events that request rotations and command them.
pub fn source(stack: &Stack) -> &str {
    let source = stack.outputs.get(Name::RotationEventSource);
    source.unwrap_or(DEFAULT_SOURCE)
}

/// Puts an event on the bus.
///
/// # Errors
/// If the caller may not put it, or `EventBridge` does not take it.
pub async fn put(stack: &Stack, detail_type: DetailType, detail: &Value) -> Result<Sent, Failure> {
    let source = source(stack);
    let entry = PutEventsRequestEntry::builder()
        .source(source)
        .detail_type(detail_type.text())
        .detail(detail.to_string());
    let event_id = put_entry(stack, entry).await?;
    let event = json!({
        "version": "0",
        "id": event_id,
        "detail-type": detail_type.text(),
        "source": source,
        "account": stack.origin.account,
        "time": stack.aws.now(),
        "region": stack.origin.region,
        "resources": [],
        "detail": detail,
    });
    Ok(Sent { event_id, event })
}

/// Puts an entry on the bus of the stack. Returns the ID of the event.
///
/// # Errors
/// As [`put`].
pub async fn put_entry(
    stack: &Stack,
    entry: PutEventsRequestEntryBuilder,
) -> Result<String, Failure> {
    let bus = stack.output(Name::RotationEventBusName)?;
    let client = aws_sdk_eventbridge::Client::new(&stack.sdk);
    let operation = Operation::on("put an event on bus", &bus);
    let entry = entry.event_bus_name(&bus).build();
    let output = client.put_events().entries(entry).customize();
    // A second attempt would be a second event, with another ID than the one that is waited for.
    let once =
        aws_sdk_eventbridge::config::Builder::default().retry_config(RetryConfig::disabled());
    let output = output.config_override(once).send().await;
    let output = output.map_err(|error| call_error(operation, &error))?;
    let result = output.entries.unwrap_or_default().into_iter().next();
    let result = result
        .unwrap_or_else(|| aws_sdk_eventbridge::types::PutEventsResultEntry::builder().build());
    result.event_id.ok_or_else(|| {
        let code = result.error_code.unwrap_or_default();
        let message = result.error_message.unwrap_or_default();
        Failure::Refused(format!(
            "put an event on bus {bus}: EventBridge does not take it: {code}: {message}"
        ))
    })
}

/// Waits until the ledger has the rotation that the event requests.
///
/// # Errors
/// If the ledger cannot be read.
pub async fn await_request(
    stack: &Stack,
    sent: &Sent,
    requested: &Requested,
) -> Result<RequestResult, CallError> {
    let rotations = stack.aws.ledger.rotations();
    let found = poll(async || {
        let record = rotations.read(&requested.key).await?;
        if record.is_some_and(|record| requested.is_asked_for_by(&record)) {
            return Ok(Some(RequestResult::Recorded));
        }
        let rejected = rejection(stack, sent).await?;
        Ok(rejected.map(RequestResult::Rejected))
    });
    Ok(found.await?.unwrap_or(RequestResult::Silence))
}

/// Waits until the ledger has the verdict of the command.
///
/// # Errors
/// If the ledger cannot be read.
pub async fn await_verdict(
    stack: &Stack,
    key: &LedgerKey,
    sent: &Sent,
) -> Result<CommandResult, CallError> {
    let commands = stack.aws.ledger.commands();
    let found = poll(async || {
        if let Some(record) = commands.read(key, &recorded_id(sent)).await? {
            return Ok(Some(CommandResult::Decided(Box::new(record))));
        }
        let rejected = rejection(stack, sent).await?;
        Ok(rejected.map(CommandResult::Rejected))
    });
    Ok(found.await?.unwrap_or(CommandResult::Silence))
}

async fn rejection(stack: &Stack, sent: &Sent) -> Result<Option<Box<RejectedEvent>>, CallError> {
    let rejected = stack
        .aws
        .ledger
        .rejections()
        .read(&recorded_id(sent))
        .await?;
    Ok(rejected.map(Box::new))
}

/// The ID under which the ledger records the event.
fn recorded_id(sent: &Sent) -> String {
    event_id(&sent.event)
}

/// Looks until something is found, or the time is over.
async fn poll<T>(
    mut look: impl AsyncFnMut() -> Result<Option<T>, CallError>,
) -> Result<Option<T>, CallError> {
    let until = Instant::now() + VERDICT_TIMEOUT;
    loop {
        let found = look().await?;
        if found.is_some() || Instant::now() >= until {
            return Ok(found);
        }
        sleep(POLL).await;
    }
}
