//! The way of one call, the same for both transports: the request arrives, the hook chooses a
//! fault, latency passes, the service responds, and latency passes again.
//!
//! All of it happens inside the caller's future, except for a call that arrives late. If the client
//! drops the future before the effect (a timeout, a crash), the call is not applied. If the client
//! drops it later, the call is applied and the client does not learn the response.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use crate::call::{Call, Service};
use crate::call_log::{CallLog, RecordId};
use crate::clock::VirtualClock;
use crate::cloudtrail::{CloudTrail, CompletedCall, EventIds};
use crate::dynamodb::{self, DynamoDb};
use crate::eks::{self, EksState};
use crate::fault::{Fault, FaultInjector};
use crate::options::Options;
use crate::rng::Rng;
use crate::service_request::ServiceRequest;
use crate::services::Services;
use crate::sync::lock;
use crate::wire::{Response, WireRequest, bare_throttle};

/// The connection broke before the response arrived.
#[derive(Debug)]
pub(crate) struct ConnectionLost;

/// A request on its way to the service.
struct Arrived {
    record: RecordId,
    request: WireRequest,
    parsed: ServiceRequest,
}

/// The services, and everything that a call passes on its way to them.
pub(crate) struct Pipeline {
    pub(crate) options: Options,
    pub(crate) clock: VirtualClock,
    pub(crate) eks: Mutex<EksState>,
    pub(crate) dynamodb: Mutex<DynamoDb>,
    pub(crate) services: Services,
    pub(crate) log: Mutex<CallLog>,
    pub(crate) faults: FaultInjector,
    pub(crate) cloudtrail: CloudTrail,
    pub(crate) rng: Mutex<Rng>,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pipeline")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    pub(crate) fn new(options: Options) -> Self {
        let clock = VirtualClock::starting_at(options.starts_at);
        Self {
            eks: Mutex::new(EksState::new(&options)),
            dynamodb: Mutex::new(DynamoDb::new(&options, &clock)),
            services: Services::new(&options),
            log: Mutex::new(CallLog::new(&options)),
            faults: FaultInjector::new(),
            cloudtrail: CloudTrail::default(),
            rng: Mutex::new(Rng::from_seed(options.seed)),
            clock,
            options,
        }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Responds to a request, with latency and injected faults, and logs the call.
    pub(crate) async fn handle(
        self: &Arc<Self>,
        request: WireRequest,
    ) -> Result<http::Response<Vec<u8>>, ConnectionLost> {
        let account = request.caller.account(&self.options.account);
        let parsed = ServiceRequest::parse(&request, account);
        let (record, fault) = self.admit(self.call(&request, &parsed));
        let latency = self.draw_latency(parsed.service());
        match &fault {
            Fault::FreezeBefore => return self.faults.freeze().await,
            Fault::Delay(extra) => pause(latency / 2 + *extra).await,
            _ => pause(latency / 2).await,
        }
        if fault == Fault::LoseRequest {
            pause(latency / 2).await;
            return Err(ConnectionLost);
        }
        let arrived = Arrived {
            record,
            request,
            parsed,
        };
        if let Fault::ArriveLate(delay) = fault {
            let pipeline = Arc::clone(self);
            tokio::spawn(async move {
                sleep(delay).await;
                pipeline.process(&arrived, &Fault::None).await;
            });
            pause(latency / 2).await;
            return Err(ConnectionLost);
        }
        let (response, request_id) = self.process(&arrived, &fault).await;
        match &fault {
            Fault::FreezeAfter => return self.faults.freeze().await,
            Fault::DelayResponse(extra) => pause(latency / 2 + *extra).await,
            _ => pause(latency / 2).await,
        }
        if fault == Fault::LoseResponse {
            return Err(ConnectionLost);
        }
        let now = self.now();
        if let Some(record) = lock(&self.log).record_mut(record) {
            record.received_at = Some(now);
        }
        Ok(to_http(&response, arrived.parsed.service(), &request_id))
    }

    /// Lets the call take effect, unless the fault is an error. Returns the response and its
    /// request ID.
    async fn process(&self, arrived: &Arrived, fault: &Fault) -> (Response, String) {
        let Arrived {
            record,
            request,
            parsed,
        } = arrived;
        let response = self.respond(parsed, fault).await;
        let request_id = self.draw_request_id(parsed.service());
        self.log_response(*record, &response);
        if let ServiceRequest::Eks(parsed) = parsed {
            self.deliver_event(&CompletedCall {
                at: self.now(),
                request,
                parsed,
                response: &response,
                request_id: &request_id,
            });
        }
        self.services.notify_listeners();
        (response, request_id)
    }

    fn draw_latency(&self, service: Service) -> Duration {
        let of_eks = self.options.eks_latency.as_ref();
        let range = of_eks.filter(|_| service == Service::Eks);
        lock(&self.rng).latency(range.unwrap_or(&self.options.latency))
    }

    fn call(&self, request: &WireRequest, parsed: &ServiceRequest) -> Call {
        let subject = match parsed {
            ServiceRequest::Eks(request) => request.subject(),
            ServiceRequest::DynamoDb(request) => lock(&self.dynamodb).subject(request),
            ServiceRequest::Api(request) => Services::subject(request),
        };
        Call {
            index: 0,
            service: parsed.service(),
            operation: parsed.operation().to_owned(),
            account: request.caller.account(&self.options.account).to_owned(),
            access_key: request.caller.access_key.clone(),
            region: request.caller.region.clone(),
            subject,
            token: parsed.token().map(str::to_owned),
            body: Arc::new(parsed.body().clone()),
        }
    }

    /// Logs the call, and lets the hook choose its fault.
    fn admit(&self, mut call: Call) -> (RecordId, Fault) {
        let record = lock(&self.log).append(&mut call, self.now());
        (record, self.faults.choose(&call))
    }

    /// The response to the call. The call takes effect unless the fault is an error.
    async fn respond(&self, parsed: &ServiceRequest, fault: &Fault) -> Response {
        let injected = |status, code, message: &str| match parsed {
            ServiceRequest::Eks(_) => eks::injected(status, code, message),
            ServiceRequest::DynamoDb(_) => dynamodb::injected(status, code, message),
            ServiceRequest::Api(request) => request.injected(status, code, message),
        };
        match fault {
            Fault::Throttle => match parsed {
                ServiceRequest::Eks(_) => eks::throttled(),
                ServiceRequest::DynamoDb(_) => dynamodb::throttled(),
                ServiceRequest::Api(request) => request.throttled(),
            },
            Fault::BareThrottle => bare_throttle(),
            Fault::ServerError(status) => injected(*status, None, "Internal server error"),
            Fault::Error {
                status,
                code,
                message,
            } => injected(*status, Some(code), message),
            _ => self.dispatch(parsed).await,
        }
    }

    async fn dispatch(&self, parsed: &ServiceRequest) -> Response {
        let now = self.now();
        match parsed {
            ServiceRequest::Eks(request) => eks::respond(&mut lock(&self.eks), now, request),
            ServiceRequest::DynamoDb(request) => {
                let mut rng = lock(&self.rng);
                lock(&self.dynamodb).respond(now, request, &mut rng)
            }
            ServiceRequest::Api(request) => {
                let (rng, eks) = (&self.rng, &self.eks);
                self.services.respond(now, request, rng, eks).await
            }
        }
    }

    fn draw_request_id(&self, service: Service) -> String {
        let mut rng = lock(&self.rng);
        match service {
            Service::DynamoDb => rng.dynamodb_request_id(),
            _ => rng.uuid(),
        }
    }

    fn log_response(&self, record: RecordId, response: &Response) {
        let now = self.now();
        if let Some(record) = lock(&self.log).record_mut(record) {
            record.applied_at = (response.is_success() && !response.rejected).then_some(now);
            record.status = Some(response.status);
            record.error_code.clone_from(&response.error_code);
            record.response = Arc::new(response.body.clone());
            record.replayed = response.replayed;
        }
    }

    fn deliver_event(&self, call: &CompletedCall<'_>) {
        if call.is_logged(&self.options) {
            let ids = EventIds::draw(&mut lock(&self.rng));
            self.cloudtrail.deliver(call.event(&self.options, ids));
        }
    }
}

/// The response as bytes, with the headers that all responses of the service have.
fn to_http(response: &Response, service: Service, request_id: &str) -> http::Response<Vec<u8>> {
    let body = response.bytes(request_id);
    let mut builder = http::Response::builder()
        .status(response.status)
        .header("content-type", response.content_type);
    for (name, value) in &response.headers {
        builder = builder.header(*name, value);
    }
    builder = builder.header("x-amzn-requestid", request_id);
    if service == Service::DynamoDb {
        builder = builder.header("x-amz-crc32", crc32fast::hash(&body).to_string());
    }
    builder
        .body(body)
        .expect("headers made of letters, digits and hyphens are valid")
}

/// Time on the wire. A call without latency does not yield to other tasks.
async fn pause(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}
