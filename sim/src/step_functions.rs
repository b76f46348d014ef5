//! Step Functions, as far as a caller that starts Standard state machines sees it:
//! `StartExecution`, whose names are unique.
//!
//! Executions do not run: an execution stays open until a test sets its status. A test that needs
//! the effects of a state machine interprets the definition itself.

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::clock::since_epoch;
use crate::rng::Rng;
use crate::wire::{JsonRequest, Response};

const JSON: &str = "application/x-amz-json-1.0";
/// What the `x-amz-target` header of Step Functions clients starts with.
const TARGET_PREFIX: &str = "AWSStepFunctions.";
const NAME_LEN_MAX: usize = 80;
/// What the name of an execution must not contain, beside white space and control characters.
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

/// The status of an execution, as in the API.
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
pub(crate) struct StepFunctions {
    state_machines: BTreeSet<String>,
    /// In the order of their starts.
    executions: Vec<Execution>,
}

/// An error's code and message.
type StepFunctionsError = (&'static str, String);

impl StepFunctions {
    pub(crate) fn create_state_machine(&mut self, arn: &str) {
        self.state_machines.insert(arn.to_owned());
    }

    pub(crate) fn executions(&self) -> &[Execution] {
        &self.executions
    }

    /// Sets the status of the execution with this name.
    ///
    /// # Panics
    /// If the execution does not exist.
    pub(crate) fn set_status(&mut self, name: &str, status: ExecutionStatus, now: SystemTime) {
        let execution = self
            .executions
            .iter_mut()
            .find(|execution| execution.name == name)
            .unwrap_or_else(|| panic!("a test sets executions that exist, not {name}"));
        execution.status = status;
        execution.stopped_at = (status != ExecutionStatus::Running).then_some(now);
    }

    /// Responds to one request at `now`.
    pub(crate) fn respond(
        &mut self,
        now: SystemTime,
        request: &JsonRequest,
        rng: &mut Rng,
    ) -> Response {
        let result = match request.operation.as_str() {
            "StartExecution" => self.start_execution(now, &request.body, rng),
            operation => Err((
                "UnknownOperationException",
                format!("{operation} is not simulated"),
            )),
        };
        match result {
            Ok(body) => Response::ok(JSON, body),
            Err((code, message)) => error(400, Some(code), &message),
        }
    }

    fn start_execution(
        &mut self,
        now: SystemTime,
        body: &Value,
        rng: &mut Rng,
    ) -> Result<Value, StepFunctionsError> {
        let execution = self.new_execution(now, body, rng)?;
        let arn = &execution.execution_arn;
        let Some(earlier) = self
            .executions
            .iter()
            .find(|earlier| earlier.execution_arn == *arn)
        else {
            let response = started(&execution);
            self.executions.push(execution);
            return Ok(response);
        };
        // To start a running execution again is a success without an effect.
        if earlier.status == ExecutionStatus::Running && earlier.input == execution.input {
            Ok(started(earlier))
        } else {
            Err((
                "ExecutionAlreadyExists",
                format!("Execution Already Exists: '{arn}'"),
            ))
        }
    }

    /// The execution that a valid request asks for.
    fn new_execution(
        &self,
        now: SystemTime,
        body: &Value,
        rng: &mut Rng,
    ) -> Result<Execution, StepFunctionsError> {
        let text = |member: &str| body.get(member).and_then(Value::as_str);
        let state_machine = text("stateMachineArn").unwrap_or_default();
        let Some((arn_prefix, machine_name)) = state_machine.split_once(":stateMachine:") else {
            return Err(("InvalidArn", format!("Invalid Arn: '{state_machine}'")));
        };
        if !self.state_machines.contains(state_machine) {
            let message = format!("State Machine Does Not Exist: '{state_machine}'");
            return Err(("StateMachineDoesNotExist", message));
        }
        let name = text("name").map_or_else(|| rng.uuid(), str::to_owned);
        if !is_valid_name(&name) {
            return Err(("InvalidName", format!("Invalid Name: '{name}'")));
        }
        let Ok(input) = serde_json::from_str(text("input").unwrap_or("{}")) else {
            let message = "Invalid State Machine Execution Input".to_owned();
            return Err(("InvalidExecutionInput", message));
        };
        Ok(Execution {
            execution_arn: format!("{arn_prefix}:execution:{machine_name}:{name}"),
            state_machine_arn: state_machine.to_owned(),
            name,
            input,
            status: ExecutionStatus::Running,
            started_at: now,
            stopped_at: None,
        })
    }
}

/// The operation that an `x-amz-target` header names; none if it is not one of Step Functions.
pub(crate) fn operation(target: &str) -> Option<&str> {
    target.strip_prefix(TARGET_PREFIX)
}

/// What the request is about: `<state machine>/<execution>`.
pub(crate) fn subject(request: &JsonRequest) -> String {
    let text = |member: &str| {
        request
            .body
            .get(member)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let state_machine = text("stateMachineArn")
        .rsplit(':')
        .next()
        .unwrap_or_default();
    format!("{state_machine}/{}", text("name"))
}

/// The throttling error.
pub(crate) fn throttled() -> Response {
    error(400, Some("ThrottlingException"), "Rate exceeded").rejected()
}

/// An error that a hook injects. Without a code, the one for a 5xx status.
pub(crate) fn injected(status: u16, code: Option<&str>, message: &str) -> Response {
    error(status, code.or(Some("InternalFailure")), message).rejected()
}

fn started(execution: &Execution) -> Value {
    let start_date = since_epoch(execution.started_at).as_secs_f64();
    json!({ "executionArn": execution.execution_arn, "startDate": start_date })
}

fn is_valid_name(name: &str) -> bool {
    let is_allowed = |c: char| !c.is_whitespace() && !c.is_control() && !NOT_IN_NAMES.contains(c);
    (1..=NAME_LEN_MAX).contains(&name.chars().count()) && name.chars().all(is_allowed)
}

/// An error without a code has an empty body.
fn error(status: u16, code: Option<&str>, message: &str) -> Response {
    let mut members = Map::new();
    if let Some(code) = code {
        let kind = format!("com.amazonaws.swf.service.v2.model#{code}");
        members.insert("__type".to_owned(), json!(kind));
        members.insert("message".to_owned(), json!(message));
    }
    Response::error(JSON, status, code, members)
}
