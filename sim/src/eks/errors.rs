//! The errors EKS answers with, as REST-JSON puts them on the wire: code in `x-amzn-errortype`, members in the body.

use super::EksRequest;
use crate::wire::Answer;
use serde_json::{Map, Value, json};

const JSON: &str = "application/json";

/// A refusal: HTTP status, code, and the members that the model gives this error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EksError {
    status: u16,
    code: &'static str,
    message: String,
    cluster: Option<String>,
}

impl EksError {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), cluster: None }
    }

    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidParameterException", message)
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidRequestException", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "ResourceNotFoundException", message)
    }

    pub(crate) fn in_use(message: impl Into<String>) -> Self {
        Self::new(409, "ResourceInUseException", message)
    }

    pub(crate) fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::new(400, "ResourceLimitExceededException", message)
    }

    /// A member of a type that the model does not give it. Not modelled: the protocol layer answers it.
    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::new(400, "SerializationException", message)
    }

    pub(crate) fn unknown_operation(method: &str, path: &str) -> Self {
        Self::new(404, "UnknownOperationException", format!("no operation answers {method} {path}"))
    }

    /// Not modelled either: IAM answers before EKS does.
    pub(crate) fn access_denied(request: &EksRequest) -> Self {
        let action = request.route.operation();
        let resource = request.route.subject();
        let caller = &request.caller_arn;
        let message = format!("User: {caller} is not authorized to perform: eks:{action} on resource: {resource}");
        Self::new(403, "AccessDeniedException", message)
    }

    /// Names the cluster in the modelled member `clusterName`.
    pub(crate) fn in_cluster(mut self, cluster: &str) -> Self {
        self.cluster = Some(cluster.to_owned());
        self
    }

    pub(crate) fn into_answer(self) -> Answer {
        let mut body = Map::new();
        body.insert("message".to_owned(), Value::String(self.message));
        if let Some(cluster) = self.cluster {
            body.insert("clusterName".to_owned(), Value::String(cluster));
        }
        with_code(self.status, self.code, body)
    }
}

pub(crate) fn ok(body: Value) -> Answer {
    Answer::ok(JSON, body)
}

/// An empty bucket's answer. EKS does not model it; `bare` leaves out the code, which SDKs then do not retry.
pub(crate) fn throttled(bare: bool) -> Answer {
    let mut body = Map::new();
    body.insert("message".to_owned(), json!("Too Many Requests"));
    let answer =
        if bare { Answer::error(JSON, 429, None, body) } else { with_code(429, "TooManyRequestsException", body) };
    answer.turned_away()
}

/// An error that a hook injects. Without a code, the one that EKS models for this status.
pub(crate) fn injected(status: u16, code: Option<&str>, message: &str) -> Answer {
    let code = code.unwrap_or(if status == 503 { "ServiceUnavailableException" } else { "ServerException" });
    let mut body = Map::new();
    body.insert("message".to_owned(), json!(message));
    with_code(status, code, body).turned_away()
}

fn with_code(status: u16, code: &str, body: Map<String, Value>) -> Answer {
    let mut answer = Answer::error(JSON, status, Some(code), body);
    answer.headers.push(("x-amzn-errortype", code.to_owned()));
    answer
}
