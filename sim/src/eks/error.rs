//! The responses of EKS, as REST-JSON puts them on the wire. An error has its code in
//! `x-amzn-errortype` and its members in the body.

use serde_json::{Map, Value, json};

use crate::wire::Response;

const JSON: &str = "application/json";

/// An error: HTTP status, code, and the members that the model gives this error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EksError {
    status: u16,
    code: &'static str,
    message: String,
    cluster: Option<String>,
}

impl EksError {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            cluster: None,
        }
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

    pub(crate) fn no_cluster(name: &str) -> Self {
        Self::not_found(format!("No cluster found for name: {name}.")).in_cluster(name)
    }

    pub(crate) fn no_association(id: &str, cluster: &str) -> Self {
        Self::not_found(format!("No association found with ID: {id}")).in_cluster(cluster)
    }

    pub(crate) fn in_use(message: impl Into<String>) -> Self {
        Self::new(409, "ResourceInUseException", message)
    }

    pub(crate) fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::new(400, "ResourceLimitExceededException", message)
    }

    /// A member has a type that the model does not give it. The protocol layer responds with this
    /// error, which the model of EKS does not have.
    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::new(400, "SerializationException", message)
    }

    /// No operation has this method and path.
    pub(crate) fn unknown_operation(message: impl Into<String>) -> Self {
        Self::new(404, "UnknownOperationException", message)
    }

    /// IAM responds with this error before EKS sees the request, so the model of EKS does not have
    /// it either.
    pub(crate) fn access_denied(message: impl Into<String>) -> Self {
        Self::new(403, "AccessDeniedException", message)
    }

    /// Names the cluster in the modeled member `clusterName`.
    pub(crate) fn in_cluster(self, cluster: &str) -> Self {
        Self {
            cluster: Some(cluster.to_owned()),
            ..self
        }
    }

    pub(crate) fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("message".to_owned(), Value::String(self.message));
        if let Some(cluster) = self.cluster {
            body.insert("clusterName".to_owned(), Value::String(cluster));
        }
        with_code(self.status, self.code, body)
    }
}

pub(crate) fn ok(body: Value) -> Response {
    Response::ok(JSON, body)
}

/// The throttling error, which the model of EKS does not have.
pub(crate) fn throttled() -> Response {
    let mut body = Map::new();
    body.insert("message".to_owned(), json!("Too Many Requests"));
    with_code(429, "TooManyRequestsException", body).rejected()
}

/// An error that a hook injects. Without a code, the one that EKS models for this status.
pub(crate) fn injected(status: u16, code: Option<&str>, message: &str) -> Response {
    let default = if status == 503 {
        "ServiceUnavailableException"
    } else {
        "ServerException"
    };
    let mut body = Map::new();
    body.insert("message".to_owned(), json!(message));
    with_code(status, code.unwrap_or(default), body).rejected()
}

fn with_code(status: u16, code: &str, body: Map<String, Value>) -> Response {
    let mut response = Response::error(JSON, status, Some(code), body);
    response.headers.push(("x-amzn-errortype", code.to_owned()));
    response
}
