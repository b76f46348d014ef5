//! A request as a service sees it, and the responses to it.

use serde_json::{Map, Value};

use crate::arn::Scope;
use crate::protocol::api::Api;
use crate::protocol::encoding::Encoding;
use crate::protocol::error::ApiError;
use crate::protocol::members::without_nulls;
use crate::protocol::{cbor, query};
use crate::wire::{Response, WireRequest};

/// A request: the operation, its members, and who calls it.
pub(crate) struct ApiRequest {
    pub(crate) api: &'static Api,
    pub(crate) operation: String,
    pub(crate) parameters: Value,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) caller_arn: String,
    pub(crate) access_key: String,
    encoding: Encoding,
}

impl ApiRequest {
    /// Parses a request of `account`; none if it is for a service that is not among the `Api`s, or
    /// for Lambda or Access Analyzer, whose operations have paths.
    pub(crate) fn parse(request: &WireRequest, account: &str) -> Option<Self> {
        if let Some(target) = &request.target {
            let (api, operation) = Api::of_target(target)?;
            let parameters = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
            let encoding = Encoding::Json;
            return Some(Self {
                encoding,
                ..Self::new(api, operation, parameters, request, account)
            });
        }
        if let Some((api, operation)) = Api::of_rpc_path(&request.path) {
            let parameters = cbor::decode(&request.body);
            return Some(Self {
                encoding: Encoding::Cbor,
                ..Self::new(api, operation, parameters, request, account)
            });
        }
        let is_form = request
            .content_type
            .starts_with("application/x-www-form-urlencoded");
        let api = Api::of_scope(&request.caller.service).filter(|_| is_form)?;
        let parameters = query::decode(&request.body);
        let operation = parameters["Action"].as_str().unwrap_or_default().to_owned();
        let encoding = Encoding::Xml {
            xmlns: api.xmlns,
            operation: operation.clone(),
        };
        Some(Self {
            encoding,
            ..Self::new(api, &operation, parameters, request, account)
        })
    }

    /// A request with these members, whose response is in JSON.
    pub(crate) fn new(
        api: &'static Api,
        operation: &str,
        parameters: Value,
        request: &WireRequest,
        account: &str,
    ) -> Self {
        Self {
            api,
            operation: operation.to_owned(),
            parameters,
            account: account.to_owned(),
            region: request.caller.region.clone(),
            caller_arn: request.caller.arn(account),
            access_key: request.caller.access_key.clone(),
            encoding: Encoding::Json,
        }
    }

    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope {
            account: &self.account,
            region: &self.region,
        }
    }

    /// The last part of the ARN, URL or name that the request is about.
    pub(crate) fn subject(&self) -> String {
        let mut members = self.api.subjects.iter();
        let subject = members.find_map(|member| self.text(member));
        let last = subject.and_then(|subject| subject.rsplit(['/', ':']).next());
        last.unwrap_or_default().to_owned()
    }
}

/// The members of the request.
impl ApiRequest {
    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.parameters.get(member)?.as_str()
    }

    pub(crate) fn required(&self, member: &str) -> Result<&str, ApiError> {
        let text = self.text(member).filter(|text| !text.is_empty());
        text.ok_or_else(|| self.invalid(format!("The request must contain {member}.")))
    }

    /// A number, which forms have as text.
    pub(crate) fn count(&self, member: &str) -> Option<u64> {
        let value = self.parameters.get(member)?;
        let from_text = || value.as_str()?.parse().ok();
        value.as_u64().or_else(from_text)
    }

    pub(crate) fn flag(&self, member: &str) -> Option<bool> {
        let value = self.parameters.get(member)?;
        let from_text = || value.as_str()?.parse().ok();
        value.as_bool().or_else(from_text)
    }

    /// The texts of a list; empty if it is absent.
    pub(crate) fn texts(&self, member: &str) -> Vec<&str> {
        let list = self.parameters.get(member).and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }
}

/// Responses.
impl ApiRequest {
    /// A success, without the members that are null.
    pub(crate) fn ok(&self, body: Value) -> Response {
        self.success(without_nulls(body))
    }

    /// A success with exactly this body.
    pub(crate) fn success(&self, body: Value) -> Response {
        Response {
            encoding: self.encoding.clone(),
            headers: self.encoding.headers(),
            ..Response::ok(self.encoding.content_type(self.api.content_type), body)
        }
    }

    pub(crate) fn error(&self, error: &ApiError) -> Response {
        let mut body = Map::new();
        let kind = format!("{}{}", self.api.error_prefix, error.code);
        let mut headers = self.encoding.headers();
        if self.api.content_type == "application/json" {
            headers.push(("x-amzn-errortype", error.code.clone()));
        } else {
            body.insert("__type".to_owned(), Value::String(kind));
        }
        if let Some(code) = error.query_code {
            headers.push(("x-amzn-query-error", format!("{code};Sender")));
        }
        body.insert("message".to_owned(), Value::String(error.message.clone()));
        let content_type = self.encoding.content_type(self.api.content_type);
        Response {
            encoding: self.encoding.clone(),
            headers,
            ..Response::error(content_type, error.status, Some(&error.code), body)
        }
    }

    /// The throttling error.
    pub(crate) fn throttled(&self) -> Response {
        let (status, code) = self.api.throttle;
        let error = ApiError::with_status(status, code, "Rate exceeded");
        self.error(&error).rejected()
    }

    /// An error that a hook injects. Without a code, the one for a 5xx status.
    pub(crate) fn injected(&self, status: u16, code: Option<&str>, message: &str) -> Response {
        let code = code.unwrap_or(self.api.failure);
        let error = ApiError::with_status(status, code, message);
        self.error(&error).rejected()
    }

    /// The error of a request that lacks a member or has an invalid one.
    pub(crate) fn invalid(&self, message: impl Into<String>) -> ApiError {
        ApiError::new(self.api.invalid, message)
    }
}
