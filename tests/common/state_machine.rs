//! Executions of the state machine of `template.yaml` against the real handlers, so the tests
//! exercise the definition that is deployed.

use std::sync::OnceLock;

use lambda_runtime::Diagnostic;
use rerole_sim::state_machine::{Failure, Played, play as play_definition};
use serde_json::Value;

use crate::common::template::stack;

/// The functions that the state machine invokes.
const FUNCTIONS: [&str; 2] = ["RotateFunction", "IndexerFunction"];

/// What invokes the functions.
pub trait Functions {
    /// Invokes a function by its name in the template.
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, Failure>;
}

/// Plays an execution with this input to its end.
pub async fn play(functions: &impl Functions, input: Value) -> Played {
    static STACK: OnceLock<(Value, [String; 2])> = OnceLock::new();
    let (definition, arns) = STACK.get_or_init(|| {
        let stack = stack(&[]);
        let state_machine = stack.properties("StateMachine").unwrap();
        let arns = FUNCTIONS.map(|function| stack.arn(function));
        (state_machine["Definition"].clone(), arns)
    });
    let invoke = async |arn: &str, payload| {
        let named = arns.iter().position(|known| known == arn);
        let named = named.unwrap_or_else(|| panic!("the definition names the function {arn}"));
        functions.invoke(FUNCTIONS[named], payload).await
    };
    play_definition(definition, input, invoke).await
}

/// How many slices an execution ran, without retries.
pub fn slices(played: &Played) -> usize {
    let is_task = |state: &&String| ["Rotate", "Reconcile"].contains(&state.as_str());
    played.path.iter().filter(is_task).count()
}

/// The failure of a task whose function's process ended.
pub fn killed() -> Failure {
    (
        "Lambda.Unknown".to_owned(),
        "the function's process ended".to_owned(),
    )
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
