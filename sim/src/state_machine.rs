//! An interpreter for state machines: plays an execution of a definition in tokio's time. It knows
//! only the part of the Amazon States Language that the product uses. Any other state or choice
//! panics.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::step_functions::ExecutionStatus;

/// An error's name and its cause, or the type and the message of an error of a function.
pub type Failure = (String, String);

/// By how much the delays of a rule grow that does not say it.
const BACKOFF_RATE: f64 = 2.0;

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
    ///
    /// # Panics
    /// If it did not succeed.
    pub fn output(&self) -> &Value {
        match &self.end {
            End::Succeeded(output) => output,
            end => panic!("the execution ended with {end:?} after {:?}", self.path),
        }
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

/// Plays an execution of a definition with this input to its end. `invoke` invokes the function
/// that a task names, by its ARN.
///
/// # Panics
/// If the definition has something that is not known here.
pub async fn play(
    definition: &Value,
    input: Value,
    invoke: impl AsyncFn(&str, Value) -> Result<Value, Failure>,
) -> Played {
    let mut player = Player {
        invoke,
        path: Vec::new(),
        events: 1,
    };
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
struct Player<F> {
    invoke: F,
    path: Vec<String>,
    events: u32,
}

impl<F: AsyncFn(&str, Value) -> Result<Value, Failure>> Player<F> {
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
                    data[member_of(task.result_path)] = task.result;
                    task.next
                }
                "Succeed" => {
                    let output = at(&data, text(&state["OutputPath"]));
                    return Ok(output.expect("an OutputPath points at a value").clone());
                }
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
        assert_eq!(state["Resource"], "arn:aws:states:::lambda:invoke");
        let function = text(&state["Parameters"]["FunctionName"]);
        let payload = resolve(&state["Parameters"]["Payload"], data);
        let retriers = rules(state, "Retry");
        let mut retry_counts = vec![0; retriers.len()];
        loop {
            // Scheduled, started, and succeeded or failed.
            self.events += 3;
            let invoke = (self.invoke)(function, payload.clone());
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
                |at: &usize| retry_counts[*at] < whole_number(&retriers[*at]["MaxAttempts"]);
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

/// The state that a choice leads to.
///
/// # Panics
/// If the choice has a comparison that is not known here, or compares a missing value.
pub fn choose<'s>(state: &'s Value, data: &Value) -> &'s str {
    let applies = |rule: &&Value| {
        let found = at(data, text(&rule["Variable"]));
        match (rule.get("IsPresent"), rule.get("StringEquals")) {
            (Some(is_present), None) => is_present.as_bool() == Some(found.is_some()),
            (None, Some(expected)) => found.expect("a choice compares a missing value") == expected,
            _ => panic!("the definition has a choice of unknown form: {rule}"),
        }
    };
    let rule = list(&state["Choices"]).iter().find(applies);
    text(rule.map_or(&state["Default"], |rule| &rule["Next"]))
}

/// A state's rules for errors, `Retry` or `Catch`.
fn rules<'s>(state: &'s Value, name: &str) -> &'s [Value] {
    state.get(name).map_or(&[], |rules| list(rules))
}

fn applies_to(rule: &Value, error: &str) -> bool {
    list(&rule["ErrorEquals"]).iter().any(|name| name == error)
}

/// The delay before the next retry, after `retries` earlier ones.
fn retry_delay(rule: &Value, retries: i64) -> Duration {
    let number = |name: &str| rule[name].as_f64();
    let rate = number("BackoffRate").unwrap_or(BACKOFF_RATE);
    let factor = rate.powi(i32::try_from(retries).unwrap_or(i32::MAX));
    let delay = number("IntervalSeconds").unwrap_or(1.0) * factor;
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
    let members = template.as_object().into_iter().flatten();
    Value::Object(members.map(member).collect())
}

/// The value at a path `$.a.b`.
fn at<'d>(data: &'d Value, path: &str) -> Option<&'d Value> {
    member_of(path)
        .split('.')
        .try_fold(data, |data, member| data.get(member))
}

/// A path without its `$.`.
fn member_of(path: &str) -> &str {
    path.strip_prefix("$.").unwrap_or_else(|| {
        panic!("the definition has the path {path}, which is not of the form $.a.b")
    })
}

fn whole_number(value: &Value) -> i64 {
    value
        .as_i64()
        .unwrap_or_else(|| panic!("the definition has {value} in place of a number"))
}

fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("the definition has {value} in place of a list"))
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("the definition has {value} in place of a string"))
}

/// The value of a field of the definition that counts seconds.
///
/// # Panics
/// If it is not a number.
pub fn seconds(value: &Value) -> Duration {
    let seconds = value.as_u64();
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("{value} is not a number of seconds")))
}
