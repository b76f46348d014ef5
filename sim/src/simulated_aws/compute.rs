//! State machines and functions, as tests set them up and run them.

use tokio::sync::mpsc::UnboundedReceiver;

use crate::lambda::{EventSourceMapping, Function, FunctionInvocation};
use crate::simulated_aws::SimulatedAws;
use crate::step_functions::{Execution, ExecutionStatus};
use crate::sync::lock;

/// Step Functions.
impl SimulatedAws {
    /// Creates a Standard state machine that does nothing.
    pub fn create_state_machine(&self, arn: &str) {
        lock(&self.pipeline.services.step_functions).create_state_machine(arn);
    }

    /// All executions, in the order of their starts.
    pub fn executions(&self) -> Vec<Execution> {
        lock(&self.pipeline.services.step_functions)
            .executions()
            .to_vec()
    }

    /// Sets the status of the execution with this name: ends it, or redrives it.
    ///
    /// # Panics
    /// If the execution does not exist.
    pub fn set_execution_status(&self, name: &str, status: ExecutionStatus) {
        let now = self.now();
        lock(&self.pipeline.services.step_functions).set_status(name, status, now);
    }

    /// Passes each execution to `listener` when it has been started. The listener has it before
    /// the client has the response, and may read and change this `SimulatedAws`.
    pub fn on_execution_started(&self, listener: impl FnMut(&Execution) + Send + 'static) {
        self.pipeline.services.executions.add(listener);
    }
}

/// Lambda.
impl SimulatedAws {
    /// Creates a function, or replaces the one with the same name. Returns its ARN.
    pub fn create_function(&self, function: Function) -> String {
        let (now, scope) = (self.now(), self.scope());
        self.with(&self.pipeline.services.lambda, |functions| {
            functions.create(now, scope, function)
        })
    }

    /// Maps a queue or a stream to a function. Returns the UUID of the mapping. The test passes
    /// the records.
    pub fn create_event_source_mapping(&self, mapping: EventSourceMapping) -> String {
        let (now, id) = (self.now(), self.resource_id());
        self.with(&self.pipeline.services.lambda, |functions| {
            functions.map(now, id.clone(), mapping);
        });
        id
    }

    /// The invocations of all functions from now on. Whoever called this before receives no more.
    /// While there is no receiver, each invocation fails.
    pub fn invocations(&self) -> UnboundedReceiver<FunctionInvocation> {
        self.pipeline.services.invoker.receiver()
    }
}
