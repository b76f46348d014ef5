//! Lambda: one invocation, and the retries of an asynchronous one.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::clock::rfc3339_millis;
use crate::deployment::functions::{FunctionCall, Functions};
use crate::deployment::metrics::MetricId;
use crate::deployment::runner::Runner;
use crate::state_machine::Failure;

/// Lambda's own timeout, if the template has none.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(3);
/// How long Lambda retries an event at most, if the template does not say.
const EVENT_AGE_MAX: Duration = Duration::from_hours(6);
/// How often Lambda retries an event, if the template does not say.
const RETRIES: u64 = 2;

impl<F: Functions> Runner<F> {
    /// Invokes a function once.
    pub(super) async fn invoke(&self, function: &str, payload: Value) -> Result<Value, Failure> {
        self.invoke_as(&self.draw_id(), function, payload).await
    }

    async fn invoke_as(
        &self,
        request_id: &str,
        function: &str,
        payload: Value,
    ) -> Result<Value, Failure> {
        let stack = &self.stack;
        let started_at = stack.aws.now();
        let limit = stack.properties(function)["Timeout"].as_u64();
        let limit = limit.map_or(TIMEOUT_DEFAULT, Duration::from_secs);
        let call = FunctionCall {
            function: function.to_owned(),
            request_id: request_id.to_owned(),
            payload,
            deadline: started_at + limit,
        };
        let result = timeout(limit, self.functions.invoke(call)).await;
        let result = result.unwrap_or_else(|_| {
            let secs = limit.as_secs_f64();
            let cause =
                format!("RequestId: {request_id} Error: Task timed out after {secs:.2} seconds");
            Err(("Sandbox.Timedout".to_owned(), cause))
        });
        let took = stack.aws.now().duration_since(started_at);
        let took_ms = took.unwrap_or_default().as_secs_f64() * 1_000.0;
        let errors = if result.is_err() { 1.0 } else { 0.0 };
        for (name, value) in [("Duration", took_ms), ("Errors", errors)] {
            self.record_of_function(function, name, value, started_at);
        }
        result
    }

    /// Records a metric that Lambda has about a function.
    pub(super) fn record_of_function(
        &self,
        function: &str,
        name: &str,
        value: f64,
        at: SystemTime,
    ) {
        let function_name = self.stack.rendered.name(function);
        let metric = MetricId::of_service(["AWS/Lambda", name], "FunctionName", &function_name);
        self.stack.record(metric, at, value);
    }

    /// Invokes a function with an event, and again after errors. An event that has failed for the
    /// last time goes to the function's destination.
    pub(super) async fn deliver(self: Rc<Self>, function: String, payload: Value) {
        let config = self.stack.properties(&function)["EventInvokeConfig"].clone();
        let retries = config["MaximumRetryAttempts"].as_u64().unwrap_or(RETRIES);
        let age_max = config["MaximumEventAgeInSeconds"].as_u64();
        let age_max = age_max.map_or(EVENT_AGE_MAX, Duration::from_secs);
        let received_at = self.stack.aws.now();
        let request_id = self.draw_id();
        let mut attempts = 1;
        let (failure, condition) = loop {
            let payload = payload.clone();
            let Err(failure) = self.invoke_as(&request_id, &function, payload).await else {
                return;
            };
            if attempts > retries {
                break (failure, "RetriesExhausted");
            }
            let pause = self.stack.pace.retry_pauses;
            sleep(pause[usize::from(attempts > 1)]).await;
            let age = self.stack.aws.now().duration_since(received_at);
            if age.unwrap_or_default() > age_max {
                break (failure, "EventAgeExceeded");
            }
            attempts += 1;
        };
        let Some(queue) = config["DestinationConfig"]["OnFailure"]["Destination"].as_str() else {
            return;
        };
        let arn = self.stack.rendered.arn(&function);
        let (error_type, error_message) = failure;
        let message = json!({
            "version": "1.0",
            "timestamp": rfc3339_millis(self.stack.aws.now()),
            "requestContext": {
                "requestId": request_id,
                "functionArn": format!("{arn}:$LATEST"),
                "condition": condition,
                "approximateInvokeCount": attempts,
            },
            "requestPayload": payload,
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            },
            "responsePayload": { "errorType": error_type, "errorMessage": error_message },
        });
        self.stack.send(queue, &message.to_string());
    }
}
