//! Executions of the state machine, which invoke the handlers of the harness.

use std::time::Duration;

use rerole_sim::state_machine::{Failure, Played};
use rerole_sim::{Execution, ExecutionStatus};
use serde_json::Value;
use tokio::time::sleep;

use crate::common::state_machine::{Functions, killed, play, to_wire};
use crate::harness::Harness;

impl Harness {
    /// Plays the one running execution to its end. Each invocation of a function has
    /// `function_timeout`.
    pub async fn play(&self, function_timeout: Duration) -> Played {
        let is_running = |execution: &Execution| execution.status == ExecutionStatus::Running;
        let mut running: Vec<_> = self
            .aws
            .executions()
            .into_iter()
            .filter(is_running)
            .collect();
        assert_eq!(running.len(), 1, "{running:?}");
        let execution = running.remove(0);
        self.play_one(execution, function_timeout).await
    }

    /// Plays the execution of this name to its end.
    pub async fn play_execution(&self, name: &str, function_timeout: Duration) -> Played {
        let mut executions = self.aws.executions().into_iter();
        let execution = executions.find(|execution| execution.name == name);
        self.play_one(execution.unwrap(), function_timeout).await
    }

    async fn play_one(&self, execution: Execution, function_timeout: Duration) -> Played {
        let handlers = Handlers {
            harness: self,
            function_timeout,
        };
        let played = play(&handlers, execution.input).await;
        self.aws
            .set_execution_status(&execution.name, played.end.status());
        played
    }
}

/// The handlers of the harness, as the functions of an execution.
struct Handlers<'a> {
    harness: &'a Harness,
    function_timeout: Duration,
}

impl Functions for Handlers<'_> {
    /// Invokes a function. Lambda kills it when its timeout is over. Here it is also killed at the
    /// first frozen call.
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, Failure> {
        let harness = self.harness;
        let invocation = harness.invocation(self.function_timeout);
        let Harness {
            rotate, indexer, ..
        } = harness;
        let handle = async {
            // Boxed, since the compiler limits how deeply futures nest.
            match function {
                "RotateFunction" => {
                    let run = harness.run_rotate(rotate, &payload, &invocation);
                    to_wire(Box::pin(run).await)
                }
                "IndexerFunction" => {
                    let run = harness.run_indexer(indexer, payload.clone(), &invocation);
                    to_wire(Box::pin(run).await)
                }
                other => panic!("the definition names the unknown function {other}"),
            }
        };
        tokio::select! {
            biased;
            () = harness.aws.wait_for_frozen_call() => {
                harness.aws.clear_hook();
                Err(killed())
            }
            () = sleep(self.function_timeout) => Err(killed()),
            result = handle => result,
        }
    }
}
