//! The functions of the stack, as Lambda shows them.

use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use futures_util::future::join_all;
use rerole::aws::call_error::call_error;
use rerole_core::call::{CallError, Operation};
use serde::Serialize;

use crate::stack::{Name, Stack};

/// The functions, with the outputs that have their ARNs.
const FUNCTIONS: [(&str, Name); 3] = [
    ("rotate", Name::RotateFunctionArn),
    ("indexer", Name::IndexerFunctionArn),
    ("publisher", Name::PublisherFunctionArn),
];

/// A function of the stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FunctionView {
    /// `rotate`, `indexer` or `publisher`.
    pub name: &'static str,
    /// Null if the stack does not say.
    pub arn: Option<String>,
    /// `Active` if it can be invoked.
    pub state: Option<String>,
    /// Whether the last update of its code or settings was successful.
    pub last_update_status: Option<String>,
    /// Why its state or last update is not as it should be.
    pub reason: Option<String>,
    /// When its code or settings were last changed.
    pub last_modified: Option<String>,
    pub runtime: Option<String>,
    pub architecture: Option<String>,
    /// The digest of its code.
    pub code_sha256: Option<String>,
}

/// A function, or why it could not be looked at.
pub type Looked = Result<FunctionView, CallError>;

/// Looks at all functions of the stack.
pub async fn all(stack: &Stack) -> Vec<(&'static str, Looked)> {
    let functions = FUNCTIONS.map(async |(name, output)| (name, look(stack, name, output).await));
    join_all(functions).await
}

impl FunctionView {
    /// Whether it can be invoked, and its last update was successful. A state that Lambda does not
    /// tell is none to worry about.
    pub fn is_active(&self) -> bool {
        let is = |state: &Option<String>, good: &str| state.as_deref().is_none_or(|it| it == good);
        is(&self.state, "Active") && is(&self.last_update_status, "Successful")
    }
}

async fn look(stack: &Stack, name: &'static str, output: Name) -> Looked {
    let Some(arn) = stack.outputs.get(output) else {
        return Ok(FunctionView::unnamed(name));
    };
    let described = configuration(stack, arn).await?;
    Ok(FunctionView::new(name, described, arn))
}

/// Reads the configuration of a function.
///
/// # Errors
/// If Lambda does not tell it.
pub async fn configuration(
    stack: &Stack,
    arn: &str,
) -> Result<GetFunctionConfigurationOutput, CallError> {
    let operation = Operation::on("look at function (lambda:GetFunctionConfiguration)", &arn);
    let client = aws_sdk_lambda::Client::new(&stack.sdk);
    let described = client.get_function_configuration().function_name(arn);
    let described = described.send().await;
    described.map_err(|error| call_error(operation, &error))
}

impl FunctionView {
    fn unnamed(name: &'static str) -> Self {
        Self {
            name,
            arn: None,
            state: None,
            last_update_status: None,
            reason: None,
            last_modified: None,
            runtime: None,
            architecture: None,
            code_sha256: None,
        }
    }

    fn new(name: &'static str, it: GetFunctionConfigurationOutput, arn: &str) -> Self {
        let architecture = it.architectures.unwrap_or_default().into_iter().next();
        Self {
            arn: Some(arn.to_owned()),
            state: it.state.map(|state| state.as_str().to_owned()),
            last_update_status: it.last_update_status.map(|it| it.as_str().to_owned()),
            reason: it.state_reason.or(it.last_update_status_reason),
            last_modified: it.last_modified,
            runtime: it.runtime.map(|runtime| runtime.as_str().to_owned()),
            architecture: architecture.map(|it| it.as_str().to_owned()),
            code_sha256: it.code_sha256,
            ..Self::unnamed(name)
        }
    }
}
