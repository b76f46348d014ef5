//! Invocations on their way to the test that runs the functions, and its replies.

use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::protocol::{ApiError, ApiRequest};
use crate::sync::lock;
use crate::wire::Response;

/// An invocation of a function.
#[derive(Debug)]
pub struct FunctionInvocation {
    /// The function's name.
    pub function: String,
    pub arn: String,
    pub payload: Value,
    pub kind: InvocationKind,
    /// What the function returns. For an asynchronous invocation, the reply is ignored.
    pub reply: oneshot::Sender<Result<Value, FunctionError>>,
}

/// Whether the caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvocationKind {
    /// The caller waits for the reply.
    RequestResponse,
    /// The caller does not wait. Lambda's retries of asynchronous invocations are not simulated.
    Event,
}

/// An error that the code of a function returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    pub error_type: String,
    pub error_message: String,
}

/// The way to the test that runs the functions.
#[derive(Default)]
pub(crate) struct Invoker(Mutex<Option<UnboundedSender<FunctionInvocation>>>);

/// Whether the request is an invocation.
pub(crate) fn is_invocation(request: &ApiRequest) -> bool {
    request.operation == "Invoke"
}

impl Invoker {
    /// The invocations from now on, instead of for the previous receiver.
    pub(crate) fn receiver(&self) -> UnboundedReceiver<FunctionInvocation> {
        let (sender, receiver) = unbounded_channel();
        *lock(&self.0) = Some(sender);
        receiver
    }

    /// Passes an invocation of the function with this ARN on, and waits for the reply if the
    /// caller waits for it.
    pub(crate) async fn invoke(&self, request: &ApiRequest, arn: String) -> Response {
        let kind = match request.text("InvocationType") {
            None | Some("RequestResponse") => InvocationKind::RequestResponse,
            Some("Event") => InvocationKind::Event,
            Some("DryRun") => return with_status(204, request.success(Value::Null)),
            Some(other) => {
                let error = request.invalid(format!("InvocationType is not valid: {other}"));
                return request.error(&error);
            }
        };
        let Some(payload) = request.parameters.get("Payload") else {
            let message = "Could not parse request body into json";
            let error = ApiError::new("InvalidRequestContentException", message);
            return request.error(&error);
        };
        let (reply, replied) = oneshot::channel();
        let invocation = FunctionInvocation {
            function: arn.rsplit(':').next().unwrap_or_default().to_owned(),
            arn,
            payload: payload.clone(),
            kind,
            reply,
        };
        let sender = lock(&self.0).clone();
        let is_sent = sender.is_some_and(|sender| sender.send(invocation).is_ok());
        if !is_sent {
            let error = ApiError::with_status(500, "ServiceException", "no code is deployed");
            return request.error(&error);
        }
        if kind == InvocationKind::Event {
            return with_status(202, request.success(Value::Null));
        }
        match replied.await {
            Ok(result) => response(request, result),
            // The test dropped the invocation, as if the process of the function had died.
            Err(_) => response(
                request,
                Err(FunctionError {
                    error_type: "Runtime.ExitError".to_owned(),
                    error_message: "Error: Runtime exited without providing a reason".to_owned(),
                }),
            ),
        }
    }
}

/// What the function returned. An error of its code is a success of the call.
fn response(request: &ApiRequest, result: Result<Value, FunctionError>) -> Response {
    let mut response = match result {
        Ok(value) => request.success(value),
        Err(error) => {
            let body = json!({
                "errorType": error.error_type,
                "errorMessage": error.error_message,
            });
            let mut response = request.success(body);
            let header = ("x-amz-function-error", "Unhandled".to_owned());
            response.headers.push(header);
            response
        }
    };
    let version = ("x-amz-executed-version", "$LATEST".to_owned());
    response.headers.push(version);
    response
}

fn with_status(status: u16, response: Response) -> Response {
    Response { status, ..response }
}
