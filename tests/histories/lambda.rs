//! Lambda: sandboxes that are reused, asynchronous invocations that are retried, and the state
//! machine that invokes the functions. What an invocation does is up to the real handlers.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use rerole::indexer::handler::IndexerHandler;
use rerole::lambda::invocation::Invocation;
use rerole::lambda::metrics::Metrics;
use rerole::rotate::handler::RotateHandler;
use rerole_core::resource::OwnAccount;
use rerole_core::timestamp::Timestamp;
use rerole_sim::ExecutionStatus;
use rerole_sim::state_machine::{End, Failure};
use serde_json::{Value, json};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use crate::common::environment::{
    FUNCTION_ARN, INDEXER_ACCESS_KEY, ROTATE_ACCESS_KEY, STATE_MACHINE, TIMEOUT, indexer_settings,
    rotate_settings,
};
use crate::common::liveness::check_liveness;
use crate::common::state_machine::{Functions, killed, play, to_wire};
use crate::history::{Function, History, Quirk};
use crate::sandbox::{Sandboxed, Sandboxes};
use crate::situations::Situations;
use crate::world::World;

/// The pauses before Lambda's two retries of an asynchronous invocation.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];
/// EventBridge delivers at least once: again, while the first delivery stands still. By then, the
/// lease of that delivery has expired.
const REDELIVERED_AFTER: Duration = Duration::from_secs(50);

/// The functions of the stack, and everything that invokes them.
pub struct Lambda {
    world: Rc<World>,
    pub sandboxes: Sandboxes,
    situations: Situations,
    /// The functions' timeouts that are not Lambda's longest.
    timeouts: BTreeMap<Function, Duration>,
    /// The sandboxes that no invocation runs in.
    idle: RefCell<Vec<Sandbox>>,
    sandbox_count: Cell<usize>,
    /// The names of the executions that have been taken up.
    played: RefCell<BTreeSet<String>>,
    /// Deliveries, retries and executions that are not at their end.
    pub pending: Cell<usize>,
    /// Since when faults are over. From then on, each invocation that succeeds must be quick.
    pub calm_since: Cell<Option<SystemTime>>,
}

/// A sandbox with an initialised handler.
struct Sandbox {
    access_key: String,
    handler: Handler,
}

enum Handler {
    Rotate(Box<RotateHandler>),
    Indexer(Box<IndexerHandler>),
}

impl Lambda {
    pub fn new(world: &Rc<World>, history: &History, situations: &Situations) -> Rc<Self> {
        world.aws.create_state_machine(STATE_MACHINE);
        let timeouts = history.quirks.iter().filter_map(|quirk| match quirk {
            Quirk::Timeout { function, secs } => Some((*function, Duration::from_secs(*secs))),
            _ => None,
        });
        Rc::new(Self {
            world: Rc::clone(world),
            sandboxes: Sandboxes::default(),
            situations: situations.clone(),
            timeouts: timeouts.collect(),
            idle: RefCell::default(),
            sandbox_count: Cell::new(0),
            played: RefCell::default(),
            pending: Cell::new(0),
            calm_since: Cell::default(),
        })
    }

    /// Invokes a function asynchronously, as EventBridge and the schedules do: at most three times,
    /// until it succeeds. Returns its response.
    pub async fn deliver(self: &Rc<Self>, function: Function, payload: Value) -> Option<Value> {
        let _pending = Pending::new(self);
        for pause in RETRY_PAUSES.map(Some).into_iter().chain([None]) {
            match self.invoke(function, payload.clone()).await {
                Ok(response) => return Some(response),
                Err(_) => match pause {
                    Some(pause) => sleep(pause).await,
                    None => self.situations.note(&format!("{function:?} dead-lettered")),
                },
            }
        }
        None
    }

    /// Invokes a function once, in a sandbox of its own.
    pub async fn invoke(
        self: &Rc<Self>,
        function: Function,
        payload: Value,
    ) -> Result<Value, Failure> {
        let started_at = self.world.aws.now();
        let sandbox = self.sandbox(function);
        let timeout = self.timeouts.get(&function).copied().unwrap_or(TIMEOUT);
        let invocation = Invocation {
            request_id: sandbox.access_key.clone(),
            own_account: OwnAccount::of_function(FUNCTION_ARN),
            deadline: Timestamp::from(started_at) + timeout,
        };
        let key = &sandbox.access_key;
        self.sandboxes.open(key, Instant::now() + timeout);
        let handle = async {
            match &sandbox.handler {
                Handler::Rotate(handler) => to_wire(handler.handle(&payload, &invocation).await),
                Handler::Indexer(handler) => {
                    to_wire(handler.handle(payload.clone(), &invocation).await)
                }
            }
        };
        let ended = Sandboxed {
            inner: Box::pin(handle),
            sandboxes: &self.sandboxes,
            key,
            on_freeze: Some(Box::new(|| self.redeliver(function, payload.clone()))),
            timer: None,
        }
        .await;
        let was_frozen = self.sandboxes.close(key);
        let result = ended.unwrap_or_else(|| Err(killed()));
        for kind in result_kinds(&result) {
            let thawed = if was_frozen { "thawed " } else { "" };
            self.situations
                .note(&format!("{thawed}{function:?}: {kind}"));
        }
        if let (Ok(_), Some(calm_since), false) = (&result, self.calm_since.get(), was_frozen) {
            check_liveness(&self.world.aws, started_at.max(calm_since));
        }
        let is_killed = matches!(&result, Err(failure) if *failure == killed());
        if !is_killed {
            self.idle.borrow_mut().push(sandbox);
        }
        self.run_executions();
        result
    }

    /// Delivers the payload of an invocation that stands still once more.
    fn redeliver(self: &Rc<Self>, function: Function, payload: Value) {
        // A message of the queue is hidden for longer than an invocation stands still.
        if payload.get("Records").is_some() {
            return;
        }
        let lambda = Rc::clone(self);
        let pending = Pending::new(self);
        spawn_local(async move {
            let _pending = pending;
            sleep(REDELIVERED_AFTER).await;
            lambda.deliver(function, payload).await;
        });
    }

    /// Starts to play the executions that have been started since the last call.
    fn run_executions(self: &Rc<Self>) {
        for execution in self.world.aws.executions() {
            if execution.status != ExecutionStatus::Running
                || self.played.borrow().contains(&execution.name)
            {
                continue;
            }
            self.played.borrow_mut().insert(execution.name.clone());
            let lambda = Rc::clone(self);
            let pending = Pending::new(self);
            spawn_local(async move {
                let _pending = pending;
                let played = play(&lambda, execution.input).await;
                let status = played.end.status();
                lambda.situations.note(&format!("execution {status:?}"));
                if let End::Failed(error, _) = &played.end {
                    lambda
                        .situations
                        .note(&format!("execution failed: {error}"));
                }
                let aws = &lambda.world.aws;
                aws.set_execution_status(&execution.name, status);
            });
        }
    }

    /// An idle sandbox of the function, or a new one.
    fn sandbox(&self, function: Function) -> Sandbox {
        let mut idle = self.idle.borrow_mut();
        let is_of_function = |sandbox: &Sandbox| {
            matches!(
                (&sandbox.handler, function),
                (Handler::Rotate(_), Function::Rotate) | (Handler::Indexer(_), Function::Indexer)
            )
        };
        if let Some(at) = idle.iter().position(is_of_function) {
            return idle.remove(at);
        }
        let number = self.sandbox_count.get();
        self.sandbox_count.set(number + 1);
        self.new_sandbox(function, number)
    }

    fn new_sandbox(&self, function: Function, number: usize) -> Sandbox {
        let prefix = match function {
            Function::Rotate => ROTATE_ACCESS_KEY,
            Function::Indexer => INDEXER_ACCESS_KEY,
        };
        let access_key = format!("{prefix}-{number}");
        let variables = [
            ("AWS_ACCESS_KEY_ID", access_key.as_str()),
            ("STATE_MACHINE_ARN", STATE_MACHINE),
        ];
        let (http_client, clock) = (self.world.aws.http_client(), self.world.aws.time_source());
        let metrics = Metrics::new("rerole".to_owned(), drop);
        let handler = match function {
            Function::Rotate => {
                let settings = rotate_settings(&variables);
                let handler = RotateHandler::new(&settings, http_client, clock, metrics);
                Handler::Rotate(Box::new(handler))
            }
            Function::Indexer => {
                let settings = indexer_settings(&variables);
                let handler = IndexerHandler::new(&settings, http_client, clock, metrics);
                Handler::Indexer(Box::new(handler))
            }
        };
        Sandbox {
            access_key,
            handler,
        }
    }
}

/// What the result of an invocation says happened.
fn result_kinds(result: &Result<Value, Failure>) -> Vec<String> {
    let response = match result {
        Ok(response) => response,
        Err((error, _)) => return vec![format!("error {error}")],
    };
    if response.get("alreadyRunning").is_some() {
        return vec!["already running".to_owned()];
    }
    if let (Some(name), Some(verdict)) =
        (response["command"].as_str(), response["verdict"].as_str())
    {
        let key = response["ledgerKey"].as_str().unwrap_or_default();
        let of = if key.starts_with("dry-run/") {
            " for a dry run"
        } else {
            ""
        };
        return vec![format!("{name} {verdict}{of}")];
    }
    match response["batchItemFailures"].as_array() {
        Some(failures) if !failures.is_empty() => vec!["messages failed".to_owned()],
        Some(_) => vec!["messages followed".to_owned()],
        None => response["status"]
            .as_str()
            .map(str::to_owned)
            .into_iter()
            .collect(),
    }
}

impl Functions for Rc<Lambda> {
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, Failure> {
        let function = [Function::Rotate, Function::Indexer]
            .into_iter()
            .find(|known| known.resource() == function)
            .unwrap_or_else(|| panic!("the definition names the unknown function {function}"));
        Lambda::invoke(self, function, payload).await
    }
}

/// Counts something that is not at its end yet.
pub struct Pending(Rc<Lambda>);

impl Pending {
    pub fn new(lambda: &Rc<Lambda>) -> Self {
        lambda.pending.set(lambda.pending.get() + 1);
        Self(Rc::clone(lambda))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.set(self.0.pending.get() - 1);
    }
}

/// The schedule's payload that starts or resumes an index run.
pub fn reconcile(mode: &str) -> Value {
    json!({ "reconcile": { "mode": mode } })
}
