//! The state machine of `template.yaml`, played in virtual time against the real handlers: the definition that is tested is
//! the one that is deployed. Only what that definition uses of the Amazon States Language is known here: a state or a choice of
//! another kind panics.

use std::time::Duration;

use lambda_runtime::Diagnostic;
use rerole_sim::{Execution, ExecutionStatus};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::stack::properties;
use crate::world::World;

/// What became of an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    pub end: End,
    /// What it went through: states as they were entered, and errors of their tries in parentheses.
    pub path: Vec<String>,
    /// How many events its history has, as Step Functions counts them.
    pub events: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum End {
    Succeeded(Value),
    /// With the error's name and its message.
    Failed(String, String),
    TimedOut,
}

impl Played {
    /// What it ended with.
    pub fn output(&self) -> &Value {
        match &self.end {
            End::Succeeded(output) => output,
            end => panic!("the execution ended in {end:?}, after {:?}", self.path),
        }
    }

    /// How often it had a function do a slice.
    pub fn slices(&self) -> usize {
        self.path.iter().filter(|state| ["Rotate", "Reconcile"].contains(&state.as_str())).count()
    }
}

/// An error's name and its message.
type Failure = (String, String);

/// An execution at work.
struct Player<'a> {
    world: &'a World,
    /// What Lambda gives each invocation.
    function_timeout: Duration,
    path: Vec<String>,
    events: u32,
}

impl World {
    /// Plays the one execution that runs, with this timeout of the functions.
    pub async fn play(&self, function_timeout: Duration) -> Played {
        let running = |execution: &Execution| execution.status == ExecutionStatus::Running;
        let mut running: Vec<_> = self.aws.executions().into_iter().filter(running).collect();
        assert_eq!(running.len(), 1, "{running:?}");
        let execution = running.remove(0);
        let mut player = Player { world: self, function_timeout, path: Vec::new(), events: 1 };
        let definition = &properties("Slices")["Definition"];
        let in_time = timeout(seconds(&definition["TimeoutSeconds"]), player.walk(definition, execution.input)).await;
        let end = match in_time {
            Ok(Ok(output)) => End::Succeeded(output),
            Ok(Err((error, cause))) => End::Failed(error, cause),
            Err(_) => End::TimedOut,
        };
        let status = match end {
            End::Succeeded(_) => ExecutionStatus::Succeeded,
            End::Failed(..) => ExecutionStatus::Failed,
            End::TimedOut => ExecutionStatus::TimedOut,
        };
        self.aws.set_execution(&execution.name, status);
        Played { end, path: player.path, events: player.events + 1 }
    }
}

impl Player<'_> {
    async fn walk(&mut self, definition: &Value, input: Value) -> Result<Value, Failure> {
        let mut name = text(&definition["StartAt"]);
        let mut data = input;
        loop {
            let state = &definition["States"][name];
            self.path.push(name.to_owned());
            // Entered, and exited.
            self.events += 2;
            name = match text(&state["Type"]) {
                "Choice" => choice(state, &data),
                "Wait" => {
                    sleep(seconds(&state["Seconds"])).await;
                    text(&state["Next"])
                }
                "Task" => {
                    let (next, result_path, result) = self.task(state, &data).await?;
                    data[text(result_path).strip_prefix("$.").unwrap()] = result;
                    next
                }
                "Succeed" => return Ok(at(&data, text(&state["OutputPath"])).unwrap().clone()),
                "Fail" => return Err((text(&state["Error"]).to_owned(), text(&state["Cause"]).to_owned())),
                other => panic!("the definition has a {other}"),
            };
        }
    }

    /// Where to go on, where to put what came of it, and that.
    async fn task<'s>(&mut self, state: &'s Value, data: &Value) -> Result<(&'s str, &'s Value, Value), Failure> {
        assert_eq!(state["Resource"], json!({ "Fn::Sub": "arn:${AWS::Partition}:states:::lambda:invoke" }));
        let function = text(&state["Parameters"]["FunctionName"]["Fn::GetAtt"]).strip_suffix(".Arn").unwrap();
        let payload = filled_in(&state["Parameters"]["Payload"], data);
        let again = rules(state, "Retry");
        let mut counts = vec![0; again.len()];
        loop {
            // Scheduled, started, and succeeded or failed.
            self.events += 3;
            let tried = timeout(seconds(&state["TimeoutSeconds"]), self.invoke(function, payload.clone())).await;
            let tried = tried.unwrap_or_else(|_| Err(("States.Timeout".to_owned(), String::new())));
            let (error, cause) = match tried {
                Ok(reply) => return Ok((text(&state["Next"]), &state["ResultPath"], json!({ "Payload": reply }))),
                Err(failure) => failure,
            };
            self.path.push(format!("({error})"));
            let matches = |rule: &&Value| rule["ErrorEquals"].as_array().unwrap().contains(&json!(error));
            let rule = again.iter().position(|rule| matches(&rule));
            if let Some(at) = rule.filter(|at| counts[*at] < again[*at]["MaxAttempts"].as_i64().unwrap()) {
                sleep(pause(&again[at], counts[at])).await;
                counts[at] += 1;
                continue;
            }
            let Some(catcher) = rules(state, "Catch").iter().find(matches) else {
                return Err((error, cause));
            };
            let caught = json!({ "Error": error, "Cause": cause });
            return Ok((text(&catcher["Next"]), &catcher["ResultPath"], caught));
        }
    }

    /// Invokes a function as Lambda does: it is killed when its time is over, and here also at the first frozen call.
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, Failure> {
        let invocation = self.world.invocation(self.function_timeout);
        let handled = async {
            match function {
                "RotateFunction" => written(self.world.handler.handle(&payload, &invocation).await),
                "IndexFunction" => written(self.world.index.handle(payload.clone(), &invocation).await),
                other => panic!("the definition has a function {other}"),
            }
        };
        let killed = || Err(("Lambda.Unknown".to_owned(), "the function's process ended".to_owned()));
        tokio::select! {
            biased;
            () = self.world.aws.frozen() => {
                self.world.aws.clear_hook();
                killed()
            }
            () = sleep(self.function_timeout) => killed(),
            replied = handled => replied,
        }
    }
}

/// What goes over the wire: the reply, or the error as the runtime reports it.
fn written<T: serde::Serialize, E: Into<Diagnostic>>(result: Result<T, E>) -> Result<Value, Failure> {
    result.map(|reply| serde_json::to_value(reply).unwrap()).map_err(|error| {
        let Diagnostic { error_type, error_message } = error.into();
        (error_type, error_message)
    })
}

fn choice<'s>(state: &'s Value, data: &Value) -> &'s str {
    let applies = |rule: &&Value| {
        let found = at(data, text(&rule["Variable"]));
        match (rule.get("IsPresent"), rule.get("StringEquals")) {
            (Some(is_present), None) => found.is_some() == is_present.as_bool().unwrap(),
            (None, Some(expected)) => found.expect("what a choice compares is there") == expected,
            _ => panic!("the definition has a choice of another kind: {rule}"),
        }
    };
    let rule = state["Choices"].as_array().unwrap().iter().find(applies);
    text(rule.map_or(&state["Default"], |rule| &rule["Next"]))
}

/// What a state does about errors.
fn rules<'s>(state: &'s Value, name: &str) -> &'s [Value] {
    state.get(name).map_or(&[], |rules| rules.as_array().unwrap())
}

/// How long to wait after so many retries.
fn pause(rule: &Value, retries: i64) -> Duration {
    let number = |name: &str| rule[name].as_f64();
    let backoff = number("BackoffRate").unwrap().powi(i32::try_from(retries).unwrap());
    let pause = number("IntervalSeconds").unwrap() * backoff;
    Duration::from_secs_f64(pause.min(number("MaxDelaySeconds").unwrap_or(f64::MAX)))
}

/// A payload, with what its members named `….$` point at.
fn filled_in(template: &Value, data: &Value) -> Value {
    let member = |(name, value): (&String, &Value)| match name.strip_suffix(".$") {
        Some(name) => (name.to_owned(), at(data, text(value)).expect("what a payload is made of is there").clone()),
        None => (name.clone(), value.clone()),
    };
    Value::Object(template.as_object().unwrap().iter().map(member).collect())
}

/// What a path `$.a.b` leads to.
fn at<'d>(data: &'d Value, path: &str) -> Option<&'d Value> {
    path.strip_prefix("$.").unwrap().split('.').try_fold(data, |data, member| data.get(member))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("the definition has {value} where a text was expected"))
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs(value.as_u64().unwrap_or_else(|| panic!("the definition has no number of seconds in {value}")))
}
