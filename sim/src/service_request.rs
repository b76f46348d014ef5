//! Which service a request is for, and the request as that service sees it.

use serde_json::Value;

use crate::call::Service;
use crate::dynamodb;
use crate::eks::EksRequest;
use crate::event_bridge;
use crate::step_functions;
use crate::wire::{JsonRequest, WireRequest};

/// A request for one of the services.
pub(crate) enum ServiceRequest {
    Eks(EksRequest),
    DynamoDb(JsonRequest),
    StepFunctions(JsonRequest),
    EventBridge(JsonRequest),
}

impl ServiceRequest {
    /// Parses a request of `account`. The clients of most services name the operation in a header;
    /// EKS's operations have paths.
    pub(crate) fn parse(request: &WireRequest, account: &str) -> Self {
        let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let Some(target) = &request.target else {
            return Self::Eks(EksRequest::new(request, account, body));
        };
        let request = |operation: &str| JsonRequest {
            operation: operation.to_owned(),
            body,
        };
        if let Some(operation) = step_functions::operation(target) {
            Self::StepFunctions(request(operation))
        } else if let Some(operation) = event_bridge::operation(target) {
            Self::EventBridge(request(operation))
        } else {
            Self::DynamoDb(request(dynamodb::operation(target)))
        }
    }

    pub(crate) fn service(&self) -> Service {
        match self {
            Self::Eks(_) => Service::Eks,
            Self::DynamoDb(_) => Service::DynamoDb,
            Self::StepFunctions(_) => Service::StepFunctions,
            Self::EventBridge(_) => Service::EventBridge,
        }
    }

    pub(crate) fn operation(&self) -> &str {
        match self {
            Self::Eks(request) => request.route.operation(),
            Self::DynamoDb(request) | Self::StepFunctions(request) | Self::EventBridge(request) => {
                &request.operation
            }
        }
    }

    pub(crate) fn body(&self) -> &Value {
        match self {
            Self::Eks(request) => &request.body,
            Self::DynamoDb(request) | Self::StepFunctions(request) | Self::EventBridge(request) => {
                &request.body
            }
        }
    }

    /// The idempotency token. In Step Functions the name of an execution takes its place.
    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            Self::Eks(request) => request.token(),
            Self::DynamoDb(request) => request
                .body
                .get("ClientRequestToken")
                .and_then(Value::as_str),
            Self::StepFunctions(_) | Self::EventBridge(_) => None,
        }
    }
}
