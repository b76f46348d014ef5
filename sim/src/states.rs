//! Step Functions, as far as somebody who starts a Standard state machine sees it: `StartExecution`, with names that are
//! used once.
//!
//! Nothing runs here: an execution is open until a test closes it. What a state machine does is its definition's business,
//! and a test that wants to see it done plays the definition itself.

use crate::chance::Chance;
use crate::clock::since_epoch;
use crate::wire::Answer;
use crate::{SimulatedAws, locked};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::SystemTime;

const JSON: &str = "application/x-amz-json-1.0";
/// The header with which clients name the operation.
const TARGET_PREFIX: &str = "AWSStepFunctions.";
const NAME_LEN_MAX: usize = 80;
/// What no name of an execution may have in it, beside white space and control characters.
const NOT_IN_NAMES: &str = "<>{}[]?*\"#%\\^|~`$&,;:/";

/// An execution of a state machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    pub execution_arn: String,
    pub state_machine_arn: String,
    pub name: String,
    pub input: Value,
    pub status: ExecutionStatus,
    pub started_at: SystemTime,
    pub stopped_at: Option<SystemTime>,
}

/// Where an execution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionStatus {
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
}

/// All state machines and their executions.
#[derive(Default)]
pub(crate) struct States {
    machines: BTreeSet<String>,
    /// In the order of their starts.
    executions: Vec<Execution>,
}

impl SimulatedAws {
    /// Creates a Standard state machine that does nothing.
    pub fn create_state_machine(&self, arn: &str) {
        locked(&self.0.states).machines.insert(arn.to_owned());
    }

    /// All executions, in the order of their starts.
    pub fn executions(&self) -> Vec<Execution> {
        locked(&self.0.states).executions.clone()
    }

    /// Sets where the execution of this name stands, as its end would, or a redrive.
    ///
    /// # Panics
    /// When there is no such execution.
    pub fn set_execution(&self, name: &str, status: ExecutionStatus) {
        let now = self.now();
        let mut all = locked(&self.0.states);
        let found = all.executions.iter_mut().find(|execution| execution.name == name);
        let execution = found.unwrap_or_else(|| panic!("a test sets executions that exist, not {name}"));
        execution.status = status;
        execution.stopped_at = (status != ExecutionStatus::Running).then_some(now);
    }
}

impl States {
    /// Answers one request at `now`.
    pub(crate) fn respond(&mut self, now: SystemTime, operation: &str, body: &Value, chance: &mut Chance) -> Answer {
        let answer = match operation {
            "StartExecution" => self.start(now, body, chance),
            _ => Err(("UnknownOperationException", format!("{operation} is not simulated"))),
        };
        answer.map_or_else(|(code, message)| refused(400, code, &message), |body| Answer::ok(JSON, body))
    }

    fn start(&mut self, now: SystemTime, body: &Value, chance: &mut Chance) -> Result<Value, (&'static str, String)> {
        let text = |member: &str| body.get(member).and_then(Value::as_str);
        let machine = text("stateMachineArn").unwrap_or_default();
        let Some((of_service, machine_name)) = machine.split_once(":stateMachine:") else {
            return Err(("InvalidArn", format!("Invalid Arn: '{machine}'")));
        };
        if !self.machines.contains(machine) {
            return Err(("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{machine}'")));
        }
        let name = text("name").map_or_else(|| chance.uuid(), str::to_owned);
        if !is_name(&name) {
            return Err(("InvalidName", format!("Invalid Name: '{name}'")));
        }
        let input = text("input").unwrap_or("{}");
        let Ok(input) = serde_json::from_str::<Value>(input) else {
            return Err(("InvalidExecutionInput", "Invalid State Machine Execution Input".to_owned()));
        };
        let execution_arn = format!("{of_service}:execution:{machine_name}:{name}");
        if let Some(found) = self.executions.iter().find(|execution| execution.execution_arn == execution_arn) {
            // Starting again what runs already starts nothing.
            return if found.status == ExecutionStatus::Running && found.input == input {
                Ok(started(found))
            } else {
                Err(("ExecutionAlreadyExists", format!("Execution Already Exists: '{execution_arn}'")))
            };
        }
        let state_machine_arn = machine.to_owned();
        let (status, started_at) = (ExecutionStatus::Running, now);
        let execution =
            Execution { execution_arn, state_machine_arn, name, input, status, started_at, stopped_at: None };
        let answer = started(&execution);
        self.executions.push(execution);
        Ok(answer)
    }
}

fn started(execution: &Execution) -> Value {
    let start_date = since_epoch(execution.started_at).as_secs_f64();
    json!({ "executionArn": execution.execution_arn, "startDate": start_date })
}

fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| !c.is_whitespace() && !c.is_control() && !NOT_IN_NAMES.contains(c);
    (1..=NAME_LEN_MAX).contains(&name.chars().count()) && name.chars().all(is_allowed)
}

/// The operation that an `x-amz-target` header names, where it is one of Step Functions.
pub(crate) fn operation(target: &str) -> Option<&str> {
    target.strip_prefix(TARGET_PREFIX)
}

/// What the request is about: `<state machine>/<execution>`.
pub(crate) fn subject(body: &Value) -> String {
    let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default();
    let machine = text("stateMachineArn").rsplit(':').next().unwrap_or_default();
    format!("{machine}/{}", text("name"))
}

pub(crate) fn throttled(bare: bool) -> Answer {
    let code = (!bare).then_some("ThrottlingException");
    error(if bare { 429 } else { 400 }, code, "Rate exceeded").turned_away()
}

/// An error that a hook injects. Without a code, the one that comes with a 5xx.
pub(crate) fn injected(status: u16, code: Option<&str>, message: &str) -> Answer {
    refused(status, code.unwrap_or("InternalFailure"), message).turned_away()
}

fn refused(status: u16, code: &str, message: &str) -> Answer {
    error(status, Some(code), message)
}

fn error(status: u16, code: Option<&str>, message: &str) -> Answer {
    let mut members = Map::new();
    if let Some(code) = code {
        members.insert("__type".to_owned(), json!(format!("com.amazonaws.swf.service.v2.model#{code}")));
        members.insert("message".to_owned(), json!(message));
    }
    Answer::error(JSON, status, code, members)
}
