//! Everything that happens in a stack by itself: the loops of its sources, schedules and alarms,
//! and its executions.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use tokio::task::{JoinSet, spawn_local};
use tokio::time::sleep;

use crate::deployment::functions::Functions;
use crate::deployment::metrics::MetricId;
use crate::deployment::schedules::Schedule;
use crate::deployment::stack::{DeployedStack, Inbox};
use crate::lambda::{FunctionError, FunctionInvocation, InvocationKind};
use crate::rng::Rng;
use crate::state_machine::play;
use crate::step_functions::{Execution, ExecutionStatus};

/// A stack with the code of its functions.
pub(super) struct Runner<F> {
    pub(super) stack: Rc<DeployedStack>,
    pub(super) functions: F,
    rng: RefCell<Rng>,
}

impl<F: Functions> Runner<F> {
    pub(super) fn new(stack: Rc<DeployedStack>, functions: F) -> Rc<Self> {
        let seed = stack.aws.options().seed;
        Rc::new(Self {
            stack,
            functions,
            rng: RefCell::new(Rng::from_seed(seed)),
        })
    }

    /// Draws the ID of an invocation.
    pub(super) fn draw_id(&self) -> String {
        self.rng.borrow_mut().uuid()
    }

    /// Runs the stack until the future is dropped.
    pub(super) async fn run(self: Rc<Self>, mut inbox: Inbox) -> Infallible {
        let stack = Rc::clone(&self.stack);
        let mut loops = JoinSet::new();
        for index in 0..stack.queue_sources.len() {
            loops.spawn_local(Rc::clone(&self).poll_queue(index));
        }
        for index in 0..stack.stream_sources.len() {
            loops.spawn_local(Rc::clone(&self).poll_stream(index));
        }
        for index in 0..stack.schedules.len() {
            loops.spawn_local(Rc::clone(&self).keep_schedule(index));
        }
        loops.spawn_local(Rc::clone(&self).evaluate_alarms());
        loop {
            tokio::select! {
                // A panic in a loop is a panic of the stack. That of a cron schedule ends at once.
                Some(ended) = loops.join_next() => {
                    ended.expect("no loop of a stack panics");
                }
                Some(event) = inbox.bus_events.recv() => self.route_bus_event(&event),
                Some(event) = inbox.cloudtrail.recv() => self.route_cloudtrail_event(event),
                Some(execution) = inbox.executions.recv() => {
                    spawn_local(Rc::clone(&self).execute(execution));
                }
                Some(invocation) = inbox.invocations.recv() => {
                    spawn_local(Rc::clone(&self).respond(invocation));
                }
                Some(name) = inbox.fired.recv() => {
                    let schedule = stack.schedules.iter().find(|it| it.name == name);
                    self.fire(schedule.unwrap_or_else(|| panic!("there is no schedule {name}")));
                }
            }
        }
    }

    /// Plays an execution to its end.
    async fn execute(self: Rc<Self>, execution: Execution) {
        let arn = execution.state_machine_arn.as_str();
        let Some(definition) = self.stack.definitions.get(arn) else {
            return;
        };
        let invoke = async |function_arn: &str, payload| match self.stack.function_of(function_arn)
        {
            Some(function) => self.invoke(&function, payload).await,
            None => Err((
                "Lambda.ResourceNotFoundException".to_owned(),
                format!("Function not found: {function_arn}"),
            )),
        };
        let played = play(definition, execution.input, invoke).await;
        let status = played.end.status();
        self.stack.aws.set_execution_status(&execution.name, status);
        let metric = match status {
            ExecutionStatus::Failed => "ExecutionsFailed",
            ExecutionStatus::TimedOut => "ExecutionsTimedOut",
            ExecutionStatus::Aborted => "ExecutionsAborted",
            ExecutionStatus::Succeeded | ExecutionStatus::Running => "ExecutionsSucceeded",
        };
        let metric = MetricId::of_service(["AWS/States", metric], "StateMachineArn", arn);
        self.stack.record(metric, self.stack.aws.now(), 1.0);
    }

    /// Responds to a caller of Lambda's `Invoke`.
    async fn respond(self: Rc<Self>, invocation: FunctionInvocation) {
        let FunctionInvocation {
            arn,
            payload,
            kind,
            reply,
            ..
        } = invocation;
        let Some(function) = self.stack.function_of(&arn) else {
            return;
        };
        match kind {
            InvocationKind::Event => self.deliver(function, payload).await,
            InvocationKind::RequestResponse => {
                let result = self.invoke(&function, payload).await;
                let result = result.map_err(|(error_type, error_message)| FunctionError {
                    error_type,
                    error_message,
                });
                // The caller may have gone.
                let _ = reply.send(result);
            }
        }
    }

    async fn evaluate_alarms(self: Rc<Self>) {
        loop {
            sleep(self.stack.pace.alarms).await;
            self.stack.evaluate_alarms();
        }
    }

    /// Fires the schedule with this index, for the first time after its period.
    async fn keep_schedule(self: Rc<Self>, index: usize) {
        let schedule = &self.stack.schedules[index];
        let Some(period) = schedule.period() else {
            return;
        };
        loop {
            sleep(period).await;
            self.fire(schedule);
        }
    }

    fn fire(self: &Rc<Self>, schedule: &Schedule) {
        let (function, input) = (schedule.function.clone(), schedule.input.clone());
        spawn_local(Rc::clone(self).deliver(function, input));
    }
}
