//! The functions that ship, each with the environment that the template gives it. As in Lambda, an
//! invocation runs in a sandbox with an initialised handler, and the next one may reuse it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use aws_smithy_async::time::SharedTimeSource;
use lambda_runtime::Diagnostic;
use rerole::aws::http::http_client;
use rerole::indexer::handler::IndexerHandler;
use rerole::lambda::invocation::Invocation;
use rerole::lambda::metrics::Metrics;
use rerole::publisher::handler::PublisherHandler;
use rerole::rotate::handler::RotateHandler;
use rerole::settings::{ClientSettings, IndexerSettings, PublisherSettings, RotateSettings};
use rerole_core::resource::OwnAccount;
use rerole_core::timestamp::Timestamp;
use rerole_sim::deployment::{Deployment, FunctionCall, Functions};
use rerole_sim::state_machine::Failure;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use crate::playground::error::PlaygroundError;

/// The functions of the stack, by their names in the template.
const FUNCTIONS: [&str; 3] = ["RotateFunction", "IndexerFunction", "PublisherFunction"];

/// What the functions have responded to events from the bus, by the IDs of the events.
#[derive(Clone, Default)]
pub struct Responses(Rc<RefCell<BTreeMap<String, Result<Value, Failure>>>>);

/// The code of the stack.
pub struct Handlers {
    /// That of the simulated AWS, with which the functions compare their times.
    clock: SharedTimeSource,
    environments: BTreeMap<String, BTreeMap<String, String>>,
    own_account: Option<OwnAccount>,
    /// Where the lines with metrics go.
    metrics: UnboundedSender<String>,
    /// The sandboxes in which no invocation runs, with the names of their functions.
    idle: RefCell<Vec<(String, Handler)>>,
    responses: Responses,
}

enum Handler {
    Rotate(Box<RotateHandler>),
    Indexer(Box<IndexerHandler>),
    Publisher(Box<PublisherHandler>),
}

impl Responses {
    /// The last response to an event, or the error that the function has ended with.
    pub fn to_event(&self, id: &str) -> Option<Result<Value, Failure>> {
        self.0.borrow().get(id).cloned()
    }
}

impl Handlers {
    /// The functions of a deployment, each with one sandbox, on this clock.
    ///
    /// # Errors
    /// If the environment of a function is invalid.
    pub fn of(deployment: &Deployment, clock: SharedTimeSource) -> Result<Self, PlaygroundError> {
        let environments = FUNCTIONS.map(|name| (name.to_owned(), deployment.environment(name)));
        let handlers = Self {
            clock,
            environments: environments.into(),
            own_account: OwnAccount::of_function(&deployment.rendered().arn(FUNCTIONS[0])),
            metrics: deployment.metrics_sink(),
            idle: RefCell::default(),
            responses: Responses::default(),
        };
        for name in FUNCTIONS {
            let handler = handlers.create(name)?;
            handlers.idle.borrow_mut().push((name.to_owned(), handler));
        }
        Ok(handlers)
    }

    pub fn responses(&self) -> Responses {
        self.responses.clone()
    }

    /// An idle sandbox of the function, or a new one.
    fn take(&self, function: &str) -> Result<Handler, PlaygroundError> {
        let mut idle = self.idle.borrow_mut();
        match idle.iter().position(|(name, _)| name == function) {
            Some(at) => Ok(idle.swap_remove(at).1),
            None => self.create(function),
        }
    }

    fn create(&self, function: &str) -> Result<Handler, PlaygroundError> {
        let environment = self.environments.get(function);
        // An empty variable is as good as none.
        let lookup = |name: &str| {
            let value = environment?.get(name)?;
            (!value.is_empty()).then(|| value.clone())
        };
        let clock = self.clock.clone();
        let metrics = |clients: &ClientSettings| {
            let lines = self.metrics.clone();
            // The deployment lives as long as its functions.
            Metrics::new(clients.function_name.clone(), move |line| {
                drop(lines.send(line));
            })
        };
        let client = |clients: &ClientSettings| {
            http_client(clients).map_err(|error| PlaygroundError::HttpClient(error.to_string()))
        };
        Ok(match function {
            "RotateFunction" => {
                let settings = RotateSettings::from_lookup(lookup)?;
                let clients = &settings.common.clients;
                let (client, metrics) = (client(clients)?, metrics(clients));
                let handler = RotateHandler::new(&settings, client, clock, metrics);
                Handler::Rotate(Box::new(handler))
            }
            "IndexerFunction" => {
                let settings = IndexerSettings::from_lookup(lookup)?;
                let clients = &settings.common.clients;
                let (client, metrics) = (client(clients)?, metrics(clients));
                let handler = IndexerHandler::new(&settings, client, clock, metrics);
                Handler::Indexer(Box::new(handler))
            }
            "PublisherFunction" => {
                let settings = PublisherSettings::from_lookup(lookup)?;
                let (client, metrics) = (client(&settings.clients)?, metrics(&settings.clients));
                let handler = PublisherHandler::new(&settings, client, clock, metrics);
                Handler::Publisher(Box::new(handler))
            }
            other => return Err(PlaygroundError::UnknownFunction(other.to_owned())),
        })
    }
}

impl Functions for Handlers {
    async fn invoke(&self, call: FunctionCall) -> Result<Value, Failure> {
        let handler = self.take(&call.function);
        let handler =
            handler.map_err(|error| ("Runtime.InitError".to_owned(), error.to_string()))?;
        let invocation = Invocation {
            request_id: call.request_id,
            own_account: self.own_account.clone(),
            deadline: Timestamp::from(call.deadline),
        };
        let event_id = call.payload["id"].as_str().map(str::to_owned);
        // Boxed, since the compiler limits how deeply futures nest.
        let result = match &handler {
            Handler::Rotate(handler) => {
                let result = Box::pin(handler.handle(&call.payload, &invocation)).await;
                to_wire(result)
            }
            Handler::Indexer(handler) => {
                let result = Box::pin(handler.handle(call.payload, &invocation)).await;
                to_wire(result)
            }
            Handler::Publisher(handler) => {
                let result = Box::pin(handler.handle(call.payload)).await;
                to_wire(result)
            }
        };
        self.idle.borrow_mut().push((call.function, handler));
        if let Some(id) = event_id {
            self.responses.0.borrow_mut().insert(id, result.clone());
        }
        result
    }
}

/// The result as Lambda passes it on: the response, or the error as the runtime reports it.
fn to_wire<T: Serialize, E: Into<Diagnostic>>(result: Result<T, E>) -> Result<Value, Failure> {
    match result {
        Ok(response) => serde_json::to_value(response)
            .map_err(|error| ("Runtime.MarshalError".to_owned(), error.to_string())),
        Err(error) => {
            let report = error.into();
            Err((report.error_type, report.error_message))
        }
    }
}
