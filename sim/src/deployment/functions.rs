//! The code of the functions of a stack, which is the caller's.

use std::time::SystemTime;

use serde_json::Value;

use crate::state_machine::Failure;

/// The code of the functions of a stack.
pub trait Functions: 'static {
    /// Runs one invocation to its end.
    fn invoke(&self, invocation: FunctionCall) -> impl Future<Output = Result<Value, Failure>>;
}

/// One invocation of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionCall {
    /// The function's name in the template.
    pub function: String,
    /// Retries of an event have the ID of the first invocation.
    pub request_id: String,
    pub payload: Value,
    /// When Lambda ends the invocation.
    pub deadline: SystemTime,
}
