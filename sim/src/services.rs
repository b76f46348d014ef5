//! The services that are simulated as `protocol` has them: their state, and which of them responds
//! to a request.

use std::sync::Mutex;
use std::time::SystemTime;

use serde_json::Value;

use crate::access_analyzer::AccessAnalyzer;
use crate::call::Service;
use crate::cloudformation::Stacks;
use crate::cloudwatch::Alarms;
use crate::eks::EksState;
use crate::event_bridge::{self, BusEvent, EventBridge};
use crate::event_history::{self, EventHistory};
use crate::iam::{self, Iam};
use crate::lambda::{self, Functions, Invoker};
use crate::listeners::Listeners;
use crate::options::Options;
use crate::protocol::{ApiError, ApiRequest};
use crate::regional::Regional;
use crate::rng::Rng;
use crate::sns::Topics;
use crate::sqs::Sqs;
use crate::step_functions::{self, Execution, StepFunctions};
use crate::sts;
use crate::sync::lock;
use crate::trails::Trails;
use crate::wire::Response;

/// The state of each service, and who hears of what happens in it.
pub(crate) struct Services {
    pub(crate) event_bridge: Mutex<EventBridge>,
    pub(crate) step_functions: Mutex<StepFunctions>,
    pub(crate) sqs: Mutex<Regional<Sqs>>,
    pub(crate) cloudwatch: Mutex<Regional<Alarms>>,
    pub(crate) cloudformation: Mutex<Regional<Stacks>>,
    pub(crate) sns: Mutex<Regional<Topics>>,
    pub(crate) lambda: Mutex<Regional<Functions>>,
    pub(crate) trails: Mutex<Trails>,
    pub(crate) event_history: Mutex<EventHistory>,
    pub(crate) iam: Mutex<Iam>,
    pub(crate) access_analyzer: AccessAnalyzer,
    pub(crate) invoker: Invoker,
    pub(crate) bus_events: Listeners<BusEvent>,
    pub(crate) executions: Listeners<Execution>,
}

impl Services {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            event_bridge: Mutex::new(EventBridge::new(options.refused_event_share)),
            step_functions: Mutex::default(),
            sqs: Mutex::default(),
            cloudwatch: Mutex::default(),
            cloudformation: Mutex::default(),
            sns: Mutex::default(),
            lambda: Mutex::default(),
            trails: Mutex::default(),
            event_history: Mutex::new(EventHistory::new(options)),
            iam: Mutex::new(Iam::new(options)),
            access_analyzer: AccessAnalyzer::default(),
            invoker: Invoker::default(),
            bus_events: Listeners::default(),
            executions: Listeners::default(),
        }
    }

    /// Responds to one request at `now`. Of all operations, only an invocation of a function
    /// waits, and it holds no lock then. What IAM and CloudTrail show follows from EKS.
    pub(crate) async fn respond(
        &self,
        now: SystemTime,
        request: &ApiRequest,
        rng: &Mutex<Rng>,
        eks: &Mutex<EksState>,
    ) -> Response {
        if request.api.service == Service::Lambda && lambda::is_invocation(request) {
            let arn = lock(&self.lambda).of(request.scope()).arn_of(request);
            return match arn {
                Ok(arn) => self.invoker.invoke(request, arn).await,
                Err(error) => request.error(&error),
            };
        }
        match self.respond_at_once(now, request, &mut lock(rng), eks) {
            Ok(body) => request.ok(body),
            Err(error) => request.error(&error),
        }
    }

    fn respond_at_once(
        &self,
        now: SystemTime,
        request: &ApiRequest,
        rng: &mut Rng,
        eks: &Mutex<EksState>,
    ) -> Result<Value, ApiError> {
        let scope = request.scope();
        match request.api.service {
            Service::EventBridge => lock(&self.event_bridge).respond(now, request, rng),
            Service::StepFunctions => lock(&self.step_functions).respond(now, request, rng),
            Service::Sqs => lock(&self.sqs).of(scope).respond(now, request, rng),
            Service::CloudWatch => lock(&self.cloudwatch).of(scope).respond(now, request),
            Service::CloudFormation => lock(&self.cloudformation).of(scope).respond(request),
            Service::Sns => lock(&self.sns).of(scope).respond(request),
            Service::Lambda => lock(&self.lambda).of(scope).respond(request),
            Service::CloudTrail if event_history::is_lookup(request) => {
                let mut history = lock(&self.event_history);
                history.lookup(now, request, &lock(eks))
            }
            Service::CloudTrail => lock(&self.trails).respond(request),
            Service::Iam => lock(&self.iam).respond(now, request, rng, &lock(eks)),
            Service::AccessAnalyzer => self.access_analyzer.respond(request),
            Service::Sts => sts::respond(now, request),
            // These have requests of their own.
            Service::Eks | Service::DynamoDb => Err(ApiError::not_simulated(&request.operation)),
        }
    }

    /// Tells the listeners what happened since the last call.
    pub(crate) fn notify_listeners(&self) {
        let events = lock(&self.event_bridge).take_new();
        self.bus_events.notify(&events);
        let started = lock(&self.step_functions).take_new();
        self.executions.notify(&started);
    }

    /// What a request is about, as in `Call::subject`.
    pub(crate) fn subject(request: &ApiRequest) -> String {
        match request.api.service {
            Service::EventBridge => event_bridge::subject(request),
            Service::StepFunctions => step_functions::subject(request),
            Service::Iam => iam::subject(request),
            Service::CloudTrail if event_history::is_lookup(request) => {
                event_history::subject(request)
            }
            _ => request.subject(),
        }
    }
}
