//! Lambda, as far as an invoker and a reader of configurations see it.
//!
//! A test runs the functions: it receives the invocations, and its replies are the responses. A
//! timeout of a function is not simulated.

mod invocation;
mod route;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

pub use invocation::{FunctionError, FunctionInvocation, InvocationKind};
pub(crate) use invocation::{Invoker, is_invocation};
pub(crate) use route::parse;

use crate::arn::Scope;
use crate::clock::since_epoch;
use crate::protocol::{ApiError, ApiRequest};

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    /// The environment.
    pub variables: BTreeMap<String, String>,
    pub timeout: Duration,
    /// `Active`, or `Pending`, `Inactive` or `Failed`.
    pub state: String,
    pub memory_mb: u32,
    /// The ARN of the execution role.
    pub role_arn: Option<String>,
}

impl Default for Function {
    /// It still needs a name.
    fn default() -> Self {
        Self {
            name: String::new(),
            variables: BTreeMap::new(),
            timeout: Duration::from_secs(3),
            state: "Active".to_owned(),
            memory_mb: 128,
            role_arn: None,
        }
    }
}

/// A queue or stream whose records Lambda passes to a function. A test passes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSourceMapping {
    /// The function's name.
    pub function: String,
    pub source_arn: String,
    pub enabled: bool,
}

/// The functions of an account in a region.
#[derive(Default)]
pub(crate) struct Functions {
    by_name: BTreeMap<String, FunctionState>,
    mappings: Vec<MappingState>,
}

struct FunctionState {
    function: Function,
    arn: String,
    modified_at: SystemTime,
}

struct MappingState {
    mapping: EventSourceMapping,
    id: String,
    modified_at: SystemTime,
}

impl Functions {
    pub(crate) fn create(
        &mut self,
        now: SystemTime,
        scope: Scope<'_>,
        function: Function,
    ) -> String {
        let arn = scope.arn("lambda", &format!("function:{}", function.name));
        let state = FunctionState {
            arn: arn.clone(),
            modified_at: now,
            function,
        };
        self.by_name.insert(state.function.name.clone(), state);
        arn
    }

    pub(crate) fn map(&mut self, now: SystemTime, id: String, mapping: EventSourceMapping) {
        self.mappings.push(MappingState {
            mapping,
            id,
            modified_at: now,
        });
    }

    /// Responds to one request, except for an invocation.
    pub(crate) fn respond(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        match request.operation.as_str() {
            "GetFunctionConfiguration" => Ok(self.function(request)?.configuration()),
            "GetFunction" => Ok(json!({
                "Configuration": self.function(request)?.configuration(),
                "Code": { "RepositoryType": "S3" },
                "Tags": {},
            })),
            "ListEventSourceMappings" => Ok(self.list_mappings(request)),
            operation => Err(ApiError::not_simulated(operation)),
        }
    }

    /// The ARN of the function that the request names.
    pub(crate) fn arn_of(&self, request: &ApiRequest) -> Result<String, ApiError> {
        self.function(request).map(|state| state.arn.clone())
    }

    fn function(&self, request: &ApiRequest) -> Result<&FunctionState, ApiError> {
        let name = function_name(request.required("FunctionName")?);
        self.by_name.get(name).ok_or_else(|| {
            let arn = request.scope().arn("lambda", &format!("function:{name}"));
            let message = format!("Function not found: {arn}");
            ApiError::with_status(404, "ResourceNotFoundException", message)
        })
    }

    fn list_mappings(&self, request: &ApiRequest) -> Value {
        let function = request.text("FunctionName").map(function_name);
        let source = request.text("EventSourceArn");
        let wanted = self.mappings.iter().filter(|state| {
            function.is_none_or(|name| state.mapping.function == name)
                && source.is_none_or(|arn| state.mapping.source_arn == arn)
        });
        let entries = wanted.map(|state| {
            let MappingState { mapping, id, .. } = state;
            let function = self.by_name.get(&mapping.function);
            json!({
                "UUID": id,
                "EventSourceArn": mapping.source_arn,
                "FunctionArn": function.map(|function| &function.arn),
                "State": if mapping.enabled { "Enabled" } else { "Disabled" },
                "StateTransitionReason": "USER_INITIATED",
                "LastModified": since_epoch(state.modified_at).as_secs_f64(),
                "BatchSize": 10,
            })
        });
        json!({ "EventSourceMappings": entries.collect::<Vec<_>>() })
    }
}

impl FunctionState {
    fn configuration(&self) -> Value {
        let function = &self.function;
        json!({
            "FunctionName": function.name,
            "FunctionArn": self.arn,
            "Role": function.role_arn,
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Timeout": function.timeout.as_secs(),
            "MemorySize": function.memory_mb,
            "LastModified": lambda_time(self.modified_at),
            "LastUpdateStatus": "Successful",
            "Version": "$LATEST",
            "Environment": { "Variables": function.variables },
            "State": function.state,
            "PackageType": "Zip",
            "Architectures": ["arm64"],
        })
    }
}

/// Times of functions are texts with the offset `+0000`.
fn lambda_time(time: SystemTime) -> String {
    crate::clock::rfc3339_millis(time).replace('Z', "+0000")
}

/// The name in a name, a partial ARN or an ARN, without a qualifier.
fn function_name(function: &str) -> &str {
    let after = function.split_once("function:").map(|(_, name)| name);
    let name = after.unwrap_or(function);
    name.split_once(':').map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::function_name;

    #[test]
    fn a_function_has_several_names() {
        for name in [
            "f",
            "f:live",
            "111122223333:function:f",
            "arn:aws:lambda:eu-west-1:111122223333:function:f",
            "arn:aws:lambda:eu-west-1:111122223333:function:f:7",
        ] {
            assert_eq!(function_name(name), "f", "{name}");
        }
    }
}
