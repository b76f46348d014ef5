//! The life of one call, the same for both doors: it arrives, a hook may decide its fate, it travels, takes effect,
//! travels back.
//!
//! All of it happens inside the caller's future. A client that drops the future (a timeout, a crash) before the effect
//! leaves nothing applied; after it, the call is applied and nobody got the answer.

use crate::call::{Call, Fault, Service, Ticket};
use crate::eks::EksRequest;
use crate::trail::AnsweredCall;
use crate::wire::{Answer, WireRequest};
use crate::{SimulatedAws, dynamodb, eks, locked, states};
use http::Response;
use serde_json::Value;
use std::time::Duration;

/// The connection broke before the answer was there.
#[derive(Debug)]
pub(crate) struct ConnectionLost;

/// A request for one of the services, taken apart.
enum Parsed {
    Eks(EksRequest),
    DynamoDb { operation: String, body: Value },
    StepFunctions { operation: String, body: Value },
}

impl SimulatedAws {
    /// Answers a request, with its latency, whatever was injected, and a line in the log.
    pub(crate) async fn handle(&self, request: WireRequest) -> Result<Response<Vec<u8>>, ConnectionLost> {
        let (call, parsed) = self.parse(&request);
        let (ticket, fault) = self.arrive(call);
        let latency = locked(&self.0.chance).latency(&self.0.options.latency);
        match &fault {
            Fault::FreezeBefore => return self.freeze().await,
            Fault::Delay(extra) => pass(latency / 2 + *extra).await,
            _ => pass(latency / 2).await,
        }
        if fault == Fault::FailBefore {
            pass(latency / 2).await;
            return Err(ConnectionLost);
        }
        let answer = self.decide(&parsed, &fault);
        let request_id = self.request_id(parsed.service());
        self.note_decision(ticket, &answer);
        if let Parsed::Eks(parsed) = &parsed {
            self.note_in_trail(&AnsweredCall {
                at: self.now(),
                request: &request,
                parsed,
                answer: &answer,
                request_id: &request_id,
            });
        }
        match &fault {
            Fault::FreezeAfter => return self.freeze().await,
            Fault::DelayAnswer(extra) => pass(latency / 2 + *extra).await,
            _ => pass(latency / 2).await,
        }
        if fault == Fault::LoseAnswer {
            return Err(ConnectionLost);
        }
        let now = self.now();
        if let Some(record) = locked(&self.0.log).record(ticket) {
            record.answered_at = Some(now);
        }
        Ok(written(&answer, parsed.service(), &request_id))
    }

    fn parse(&self, request: &WireRequest) -> (Call, Parsed) {
        let account = request.caller.account(&self.0.options.account).to_owned();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let states_operation = request.target.as_deref().and_then(states::operation);
        let (operation, subject, token, parsed) = if let Some(operation) = states_operation {
            let operation = operation.to_owned();
            let subject = states::subject(&body);
            (operation.clone(), subject, None, Parsed::StepFunctions { operation, body: body.clone() })
        } else if let Some(target) = &request.target {
            let operation = dynamodb::operation(target).to_owned();
            let subject = locked(&self.0.dynamodb).subject(&operation, &body);
            let token = body.get("ClientRequestToken").and_then(Value::as_str).map(str::to_owned);
            (operation.clone(), subject, token, Parsed::DynamoDb { operation, body: body.clone() })
        } else {
            let request = EksRequest::parse(request, &account, &body);
            let operation = request.route.operation();
            let subject = match body.get("name").and_then(Value::as_str) {
                Some(name) if operation == "CreateCluster" => name.to_owned(),
                _ => request.route.subject(),
            };
            (operation.to_owned(), subject, request.token().map(str::to_owned), Parsed::Eks(request))
        };
        let region = request.caller.region.clone();
        let access_key = request.caller.access_key.clone();
        let service = parsed.service();
        let call = Call { index: 0, service, operation, account, access_key, region, subject, token, body };
        (call, parsed)
    }

    /// Enters the call into the log and asks the hook.
    fn arrive(&self, mut call: Call) -> (Ticket, Fault) {
        let ticket = locked(&self.0.log).arrive(&mut call, self.now());
        // No lock is held while the hook runs, except its own: it may use this SimulatedAws, even replace itself.
        let hook = locked(&self.0.hook).clone();
        let fault = hook.map_or(Fault::None, |hook| {
            let mut hook = locked(&hook);
            (*hook)(&call)
        });
        (ticket, fault)
    }

    /// The answer, with its effect.
    fn decide(&self, parsed: &Parsed, fault: &Fault) -> Answer {
        let throttled = |bare| match parsed.service() {
            Service::Eks => eks::throttled(bare),
            Service::DynamoDb => dynamodb::throttled(bare),
            Service::StepFunctions => states::throttled(bare),
        };
        let injected = |status, code, message: &str| match parsed.service() {
            Service::Eks => eks::injected(status, code, message),
            Service::DynamoDb => dynamodb::injected(status, code, message),
            Service::StepFunctions => states::injected(status, code, message),
        };
        match fault {
            Fault::Throttle => throttled(false),
            Fault::BareThrottle => throttled(true),
            Fault::ServerError(status) => injected(*status, None, "Internal server error"),
            Fault::Error { status, code, message } => injected(*status, Some(code), message),
            _ => self.serve_parsed(parsed),
        }
    }

    fn serve_parsed(&self, parsed: &Parsed) -> Answer {
        let now = self.now();
        match parsed {
            Parsed::Eks(request) => locked(&self.0.eks).respond(now, request),
            Parsed::DynamoDb { operation, body } => {
                let mut chance = locked(&self.0.chance);
                locked(&self.0.dynamodb).respond(now, operation, body, &mut chance)
            }
            Parsed::StepFunctions { operation, body } => {
                let mut chance = locked(&self.0.chance);
                locked(&self.0.states).respond(now, operation, body, &mut chance)
            }
        }
    }

    fn note_decision(&self, ticket: Ticket, answer: &Answer) {
        let now = self.now();
        if let Some(record) = locked(&self.0.log).record(ticket) {
            record.applied_at = (answer.status < 300 && !answer.turned_away).then_some(now);
            record.status = Some(answer.status);
            record.error_code.clone_from(&answer.error_code);
            record.response = answer.body.clone();
            record.replayed = answer.replayed;
        }
    }

    async fn freeze(&self) -> Result<Response<Vec<u8>>, ConnectionLost> {
        self.0.frozen.send_modify(|calls| *calls += 1);
        std::future::pending().await
    }

    fn request_id(&self, service: Service) -> String {
        let mut chance = locked(&self.0.chance);
        match service {
            Service::Eks | Service::StepFunctions => chance.uuid(),
            Service::DynamoDb => chance.dynamodb_request_id(),
        }
    }
}

impl Parsed {
    fn service(&self) -> Service {
        match self {
            Self::Eks(_) => Service::Eks,
            Self::DynamoDb { .. } => Service::DynamoDb,
            Self::StepFunctions { .. } => Service::StepFunctions,
        }
    }
}

/// The answer as bytes, with the headers that each service adds.
fn written(answer: &Answer, service: Service, request_id: &str) -> Response<Vec<u8>> {
    let body = serde_json::to_vec(&answer.body).expect("a JSON value can be written");
    let mut response = Response::builder().status(answer.status).header("content-type", answer.content_type);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    response = response.header("x-amzn-requestid", request_id);
    if service == Service::DynamoDb {
        response = response.header("x-amz-crc32", crc32fast::hash(&body).to_string());
    }
    response.body(body).expect("headers made of letters, digits and hyphens are valid")
}

/// Time on the wire. None at all where the latency is zero, so that such a call takes effect without giving way.
async fn pass(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
