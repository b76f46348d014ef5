//! From a method and a path to an operation of Lambda and its members.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::call::Service;
use crate::protocol::{Api, ApiRequest};
use crate::wire::WireRequest;

/// What the paths of Lambda's operations start with.
const VERSION: &str = "/2015-03-31/";

/// The request, if its path is one of Lambda.
pub(crate) fn parse(request: &WireRequest, account: &str) -> Option<ApiRequest> {
    let path = request.path.strip_prefix(VERSION)?.trim_end_matches('/');
    let api = Api::of(Service::Lambda)?;
    let query = form_urlencoded::parse(request.query.as_bytes());
    let mut members: Map<String, Value> = query
        .map(|(name, text)| (name.into_owned(), json!(text)))
        .collect();
    let segments: Vec<&str> = path.split('/').collect();
    if let ["functions", name, ..] = segments.as_slice() {
        let name = percent_decode_str(name).decode_utf8_lossy();
        members.insert("FunctionName".to_owned(), json!(name));
    }
    let operation = match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["functions", _, "invocations"]) => {
            if let Some(kind) = request.header("x-amz-invocation-type") {
                members.insert("InvocationType".to_owned(), json!(kind));
            }
            if let Ok(payload) = serde_json::from_slice(&request.body) {
                members.insert("Payload".to_owned(), payload);
            } else if request.body.is_empty() {
                members.insert("Payload".to_owned(), json!({}));
            }
            "Invoke".to_owned()
        }
        ("GET", ["functions", _]) => "GetFunction".to_owned(),
        ("GET", ["functions", _, "configuration"]) => "GetFunctionConfiguration".to_owned(),
        ("GET", ["event-source-mappings"]) => "ListEventSourceMappings".to_owned(),
        (method, _) => format!("{method} {path}"),
    };
    let members = Value::Object(members);
    Some(ApiRequest::new(api, &operation, members, request, account))
}
