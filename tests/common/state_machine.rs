//! Runs the state machine of `template.yaml` in virtual time against the real handlers, so the
//! tests exercise the definition that is deployed. This interpreter knows only the part of the
//! Amazon States Language that the definition uses. Any other state or choice panics.

use std::time::Duration;

use lambda_runtime::Diagnostic;
use rerole_sim::ExecutionStatus;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::common::template::properties;

/// The functions that the state machine invokes.
pub trait Functions {
    /// Invokes a function by its name in the template.
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, Failure>;
}

/// An error's name and its cause.
pub type Failure = (String, String);

/// An execution that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    pub end: End,
    /// The states in the order in which the execution entered them, and in parentheses the errors
    /// of its tasks.
    pub path: Vec<String>,
    /// The number of events in its history, as Step Functions counts them.
    pub events: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum End {
    Succeeded(Value),
    /// With the error's name and its cause.
    Failed(String, String),
    TimedOut,
}

impl Played {
    /// The output of an execution that succeeded.
    pub fn output(&self) -> &Value {
        match &self.end {
            End::Succeeded(output) => output,
            end => panic!("the execution ended with {end:?} after {:?}", self.path),
        }
    }

    /// How many slices it ran, without retries.
    pub fn slices(&self) -> usize {
        let is_task = |state: &&String| ["Rotate", "Reconcile"].contains(&state.as_str());
        self.path.iter().filter(is_task).count()
    }
}

impl End {
    /// The status of an execution that ended like this.
    pub fn status(&self) -> ExecutionStatus {
        match self {
            Self::Succeeded(_) => ExecutionStatus::Succeeded,
            Self::Failed(..) => ExecutionStatus::Failed,
            Self::TimedOut => ExecutionStatus::TimedOut,
        }
    }
}

/// Plays an execution with this input to its end.
pub async fn play(functions: &impl Functions, input: Value) -> Played {
    let mut player = Player {
        functions,
        path: Vec::new(),
        events: 1,
    };
    let definition = &properties("StateMachine")["Definition"];
    let walk = player.walk(definition, input);
    let end = match timeout(seconds(&definition["TimeoutSeconds"]), walk).await {
        Ok(Ok(output)) => End::Succeeded(output),
        Ok(Err((error, cause))) => End::Failed(error, cause),
        Err(_) => End::TimedOut,
    };
    Played {
        end,
        path: player.path,
        events: player.events + 1,
    }
}

/// The failure of a task whose function's process ended.
pub fn killed() -> Failure {
    (
        "Lambda.Unknown".to_owned(),
        "the function's process ended".to_owned(),
    )
}

/// How a task ended that did not fail the execution.
struct TaskResult<'s> {
    next: &'s str,
    /// Where in the data the result goes.
    result_path: &'s str,
    result: Value,
}

impl<'s> TaskResult<'s> {
    /// `rule` is the state itself, or the rule that caught an error.
    fn new(rule: &'s Value, result: Value) -> Self {
        Self {
            next: text(&rule["Next"]),
            result_path: text(&rule["ResultPath"]),
            result,
        }
    }
}

/// A running execution.
struct Player<'a, F> {
    functions: &'a F,
    path: Vec<String>,
    events: u32,
}

impl<F: Functions> Player<'_, F> {
    async fn walk(&mut self, definition: &Value, input: Value) -> Result<Value, Failure> {
        let mut name = text(&definition["StartAt"]);
        let mut data = input;
        loop {
            let state = &definition["States"][name];
            self.path.push(name.to_owned());
            // Entered and exited.
            self.events += 2;
            name = match text(&state["Type"]) {
                "Choice" => choose(state, &data),
                "Wait" => {
                    sleep(seconds(&state["Seconds"])).await;
                    text(&state["Next"])
                }
                "Task" => {
                    let task = self.run_task(state, &data).await?;
                    data[task.result_path.strip_prefix("$.").unwrap()] = task.result;
                    task.next
                }
                "Succeed" => return Ok(at(&data, text(&state["OutputPath"])).unwrap().clone()),
                "Fail" => {
                    return Err((
                        text(&state["Error"]).to_owned(),
                        text(&state["Cause"]).to_owned(),
                    ));
                }
                other => panic!("the definition has the unknown state type {other}"),
            };
        }
    }

    async fn run_task<'s>(
        &mut self,
        state: &'s Value,
        data: &Value,
    ) -> Result<TaskResult<'s>, Failure> {
        let resource = json!({ "Fn::Sub": "arn:${AWS::Partition}:states:::lambda:invoke" });
        assert_eq!(state["Resource"], resource);
        let function = text(&state["Parameters"]["FunctionName"]["Fn::GetAtt"]);
        let function = function.strip_suffix(".Arn").unwrap();
        let payload = resolve(&state["Parameters"]["Payload"], data);
        let retriers = rules(state, "Retry");
        let mut retry_counts = vec![0; retriers.len()];
        loop {
            // Scheduled, started, and succeeded or failed.
            self.events += 3;
            let invoke = self.functions.invoke(function, payload.clone());
            let result = timeout(seconds(&state["TimeoutSeconds"]), invoke).await;
            let result =
                result.unwrap_or_else(|_| Err(("States.Timeout".to_owned(), String::new())));
            let (error, cause) = match result {
                Ok(response) => return Ok(TaskResult::new(state, json!({ "Payload": response }))),
                Err(failure) => failure,
            };
            self.path.push(format!("({error})"));
            let retrier = retriers.iter().position(|rule| applies_to(rule, &error));
            let is_left =
                |at: &usize| retry_counts[*at] < retriers[*at]["MaxAttempts"].as_i64().unwrap();
            if let Some(at) = retrier.filter(is_left) {
                sleep(retry_delay(&retriers[at], retry_counts[at])).await;
                retry_counts[at] += 1;
                continue;
            }
            let mut catchers = rules(state, "Catch").iter();
            return match catchers.find(|rule| applies_to(rule, &error)) {
                Some(rule) => Ok(TaskResult::new(
                    rule,
                    json!({ "Error": error, "Cause": cause }),
                )),
                None => Err((error, cause)),
            };
        }
    }
}

/// The result as Lambda passes it on: the response, or the error as the runtime reports it.
pub fn to_wire<T, E>(result: Result<T, E>) -> Result<Value, Failure>
where
    T: serde::Serialize,
    E: Into<Diagnostic>,
{
    result
        .map(|response| serde_json::to_value(response).unwrap())
        .map_err(|error| {
            let Diagnostic {
                error_type,
                error_message,
            } = error.into();
            (error_type, error_message)
        })
}

/// The state that a choice leads to.
pub fn choose<'s>(state: &'s Value, data: &Value) -> &'s str {
    let applies = |rule: &&Value| {
        let found = at(data, text(&rule["Variable"]));
        match (rule.get("IsPresent"), rule.get("StringEquals")) {
            (Some(is_present), None) => found.is_some() == is_present.as_bool().unwrap(),
            (None, Some(expected)) => found.expect("a choice compares a missing value") == expected,
            _ => panic!("the definition has a choice of unknown form: {rule}"),
        }
    };
    let rule = state["Choices"].as_array().unwrap().iter().find(applies);
    text(rule.map_or(&state["Default"], |rule| &rule["Next"]))
}

/// A state's rules for errors, `Retry` or `Catch`.
fn rules<'s>(state: &'s Value, name: &str) -> &'s [Value] {
    state
        .get(name)
        .map_or(&[], |rules| rules.as_array().unwrap())
}

fn applies_to(rule: &Value, error: &str) -> bool {
    let errors = rule["ErrorEquals"].as_array().unwrap();
    errors.iter().any(|name| name == error)
}

/// The delay before the next retry, after `retries` earlier ones.
fn retry_delay(rule: &Value, retries: i64) -> Duration {
    let number = |name: &str| rule[name].as_f64();
    let factor = number("BackoffRate")
        .unwrap()
        .powi(i32::try_from(retries).unwrap());
    let delay = number("IntervalSeconds").unwrap() * factor;
    Duration::from_secs_f64(delay.min(number("MaxDelaySeconds").unwrap_or(f64::MAX)))
}

/// A payload with the values that its members named `….$` point at.
fn resolve(template: &Value, data: &Value) -> Value {
    let member = |(name, value): (&String, &Value)| match name.strip_suffix(".$") {
        Some(name) => {
            let value = at(data, text(value)).expect("a payload points at a missing value");
            (name.to_owned(), value.clone())
        }
        None => (name.clone(), value.clone()),
    };
    Value::Object(template.as_object().unwrap().iter().map(member).collect())
}

/// The value at a path `$.a.b`.
fn at<'d>(data: &'d Value, path: &str) -> Option<&'d Value> {
    path.strip_prefix("$.")
        .unwrap()
        .split('.')
        .try_fold(data, |data, member| data.get(member))
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("the definition has {value} in place of a string"))
}

/// The value of a field of the definition that counts seconds.
pub fn seconds(value: &Value) -> Duration {
    let seconds = value.as_u64();
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("{value} is not a number of seconds")))
}
