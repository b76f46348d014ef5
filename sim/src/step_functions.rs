//! Step Functions, as far as a caller that starts Standard state machines and looks at their
//! executions sees it. The names of executions are unique.
//!
//! Executions do not run: an execution stays open until a test sets its status. A test that needs
//! the effects of a state machine interprets the definition itself.

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::clock::since_epoch;
use crate::protocol::{ApiError, ApiRequest, Paging};
use crate::rng::Rng;

const NAME_LEN_MAX: usize = 80;
/// What the name of an execution must not contain, beside white space and control characters.
const NOT_IN_NAMES: &str = "<>{}[]?*\"#%\\^|~`$&,;:/";
const PAGES: Paging = Paging {
    limit: "maxResults",
    token: "nextToken",
    default: 100,
};

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

impl ExecutionStatus {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }
}

/// All state machines and their executions.
#[derive(Default)]
pub(crate) struct StepFunctions {
    state_machines: BTreeSet<String>,
    /// In the order of their starts.
    executions: Vec<Execution>,
    /// How many of the executions `take_new` has returned.
    taken: usize,
}

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

    /// The executions that were started since the last call.
    pub(crate) fn take_new(&mut self) -> Vec<Execution> {
        let new = self.executions[self.taken..].to_vec();
        self.taken = self.executions.len();
        new
    }

    /// Responds to one request at `now`.
    pub(crate) fn respond(
        &mut self,
        now: SystemTime,
        request: &ApiRequest,
        rng: &mut Rng,
    ) -> Result<Value, ApiError> {
        match request.operation.as_str() {
            "StartExecution" => self.start_execution(now, request, rng),
            "DescribeExecution" => self.describe_execution(request),
            "ListExecutions" => self.list_executions(request),
            operation => Err(ApiError::not_simulated(operation)),
        }
    }

    fn describe_execution(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        let arn = request.required("executionArn")?;
        let mut executions = self.executions.iter();
        let execution = executions.find(|execution| execution.execution_arn == arn);
        let Some(execution) = execution else {
            let message = format!("Execution Does Not Exist: '{arn}'");
            return Err(ApiError::new("ExecutionDoesNotExist", message));
        };
        let mut members = entry(execution);
        members["input"] = json!(execution.input.to_string());
        Ok(members)
    }

    /// The executions of a state machine, the latest first.
    fn list_executions(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        let state_machine = request.required("stateMachineArn")?;
        self.check_exists(state_machine)?;
        let status = request.text("statusFilter");
        let wanted = self.executions.iter().rev().filter(|execution| {
            execution.state_machine_arn == state_machine
                && status.is_none_or(|status| execution.status.as_str() == status)
        });
        let (executions, next) = PAGES.page(request, wanted.map(entry).collect())?;
        Ok(json!({ "executions": executions, "nextToken": next }))
    }

    fn check_exists(&self, state_machine: &str) -> Result<(), ApiError> {
        if self.state_machines.contains(state_machine) {
            return Ok(());
        }
        let message = format!("State Machine Does Not Exist: '{state_machine}'");
        Err(ApiError::new("StateMachineDoesNotExist", message))
    }

    fn start_execution(
        &mut self,
        now: SystemTime,
        request: &ApiRequest,
        rng: &mut Rng,
    ) -> Result<Value, ApiError> {
        let execution = self.new_execution(now, request, rng)?;
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
            let message = format!("Execution Already Exists: '{arn}'");
            Err(ApiError::new("ExecutionAlreadyExists", message))
        }
    }

    /// The execution that a valid request asks for.
    fn new_execution(
        &self,
        now: SystemTime,
        request: &ApiRequest,
        rng: &mut Rng,
    ) -> Result<Execution, ApiError> {
        let text = |member: &str| request.text(member);
        let state_machine = text("stateMachineArn").unwrap_or_default();
        let Some((arn_prefix, machine_name)) = state_machine.split_once(":stateMachine:") else {
            let message = format!("Invalid Arn: '{state_machine}'");
            return Err(ApiError::new("InvalidArn", message));
        };
        self.check_exists(state_machine)?;
        let name = text("name").map_or_else(|| rng.uuid(), str::to_owned);
        if !is_valid_name(&name) {
            let message = format!("Invalid Name: '{name}'");
            return Err(ApiError::new("InvalidName", message));
        }
        let Ok(input) = serde_json::from_str(text("input").unwrap_or("{}")) else {
            let message = "Invalid State Machine Execution Input";
            return Err(ApiError::new("InvalidExecutionInput", message));
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

/// What the request is about: `<state machine>/<execution>`.
pub(crate) fn subject(request: &ApiRequest) -> String {
    if let Some((_, subject)) = request
        .text("executionArn")
        .and_then(|arn| arn.split_once(":execution:"))
    {
        return subject.replace(':', "/");
    }
    let text = |member: &str| request.text(member).unwrap_or_default();
    let state_machine = text("stateMachineArn");
    let state_machine = state_machine.rsplit(':').next().unwrap_or_default();
    format!("{state_machine}/{}", text("name"))
}

/// The members that descriptions and lists have in common.
fn entry(execution: &Execution) -> Value {
    let seconds = |time| since_epoch(time).as_secs_f64();
    json!({
        "executionArn": execution.execution_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": execution.status.as_str(),
        "startDate": seconds(execution.started_at),
        "stopDate": execution.stopped_at.map(seconds),
    })
}

fn started(execution: &Execution) -> Value {
    let start_date = since_epoch(execution.started_at).as_secs_f64();
    json!({ "executionArn": execution.execution_arn, "startDate": start_date })
}

fn is_valid_name(name: &str) -> bool {
    let is_allowed = |c: char| !c.is_whitespace() && !c.is_control() && !NOT_IN_NAMES.contains(c);
    (1..=NAME_LEN_MAX).contains(&name.chars().count()) && name.chars().all(is_allowed)
}
