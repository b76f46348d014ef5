//! Which service a request is for, and the request as that service sees it.

use serde_json::Value;

use crate::access_analyzer;
use crate::call::Service;
use crate::dynamodb;
use crate::eks::EksRequest;
use crate::lambda;
use crate::protocol::ApiRequest;
use crate::wire::{JsonRequest, WireRequest};

/// A request for one of the services.
pub(crate) enum ServiceRequest {
    Eks(EksRequest),
    DynamoDb(JsonRequest),
    /// For any other service.
    Api(ApiRequest),
}

impl ServiceRequest {
    /// Parses a request of `account`. The operations of EKS, Lambda and Access Analyzer
    /// have paths. Of all other
    /// services that a header names, DynamoDB is the default.
    pub(crate) fn parse(request: &WireRequest, account: &str) -> Self {
        let by_path = || {
            let of_lambda = lambda::parse(request, account);
            of_lambda.or_else(|| access_analyzer::parse(request, account))
        };
        if let Some(request) = ApiRequest::parse(request, account).or_else(by_path) {
            return Self::Api(request);
        }
        let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        match &request.target {
            None => Self::Eks(EksRequest::new(request, account, body)),
            Some(target) => Self::DynamoDb(JsonRequest {
                operation: dynamodb::operation(target).to_owned(),
                body,
            }),
        }
    }

    pub(crate) fn service(&self) -> Service {
        match self {
            Self::Eks(_) => Service::Eks,
            Self::DynamoDb(_) => Service::DynamoDb,
            Self::Api(request) => request.api.service,
        }
    }

    pub(crate) fn operation(&self) -> &str {
        match self {
            Self::Eks(request) => request.route.operation(),
            Self::DynamoDb(request) => &request.operation,
            Self::Api(request) => &request.operation,
        }
    }

    pub(crate) fn body(&self) -> &Value {
        match self {
            Self::Eks(request) => &request.body,
            Self::DynamoDb(request) => &request.body,
            Self::Api(request) => &request.parameters,
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
            Self::Api(_) => None,
        }
    }
}
