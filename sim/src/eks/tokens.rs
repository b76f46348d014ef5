//! What EKS remembers of each `clientRequestToken`. How long AWS remembers is not known; here it is forever.

use super::EksRequest;
use super::errors::EksError;
use serde_json::Value;
use std::collections::HashMap;

/// EKS has no length in its model, but refuses tokens outside this range (ansible community.aws issue 817).
const TOKEN_LEN: std::ops::RangeInclusive<usize> = 33..=126;

/// Tokens with what they were used for, and what came of it. Successes are kept as text: parsed, a fleet's worth of them
/// would take several times the memory.
#[derive(Default)]
pub(crate) struct TokenMemory(HashMap<TokenScope, (String, Result<String, EksError>)>);

/// A token means something within one account, region and operation.
#[derive(PartialEq, Eq, Hash)]
struct TokenScope {
    account: String,
    region: String,
    operation: &'static str,
    token: String,
}

/// What the memory says about a request.
pub(crate) enum Remembered {
    Nothing,
    Success(Value),
    Refusal(EksError),
}

impl TokenMemory {
    /// What this token brought the first time; an error where the parameters were others.
    pub(crate) fn recall(&self, request: &EksRequest, token: &str) -> Result<Remembered, EksError> {
        match self.0.get(&scope(request, token)) {
            None => Ok(Remembered::Nothing),
            Some((first, outcome)) if *first == parameters(request) => Ok(match outcome {
                Ok(body) => Remembered::Success(
                    serde_json::from_str(body).expect("a body that was written as JSON reads as JSON"),
                ),
                Err(refusal) => Remembered::Refusal(refusal.clone()),
            }),
            Some(_) => Err(EksError::invalid_parameter(
                "The clientRequestToken was used before, with other parameters. Use another token for another request.",
            )),
        }
    }

    pub(crate) fn remember(&mut self, request: &EksRequest, token: &str, outcome: Result<Value, EksError>) {
        let outcome = outcome.map(|body| body.to_string());
        self.0.insert(scope(request, token), (parameters(request), outcome));
    }
}

/// The request's token, if it has one of a length that EKS takes.
pub(crate) fn checked(request: &EksRequest) -> Result<Option<&str>, EksError> {
    match request.body.get("clientRequestToken") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(token)) if TOKEN_LEN.contains(&token.len()) => Ok(Some(token)),
        Some(Value::String(token)) => Err(EksError::invalid_parameter(format!(
            "clientRequestToken must be {} to {} characters long, not {}",
            TOKEN_LEN.start(),
            TOKEN_LEN.end(),
            token.len()
        ))),
        Some(_) => Err(EksError::serialization("clientRequestToken must be a string")),
    }
}

fn scope(request: &EksRequest, token: &str) -> TokenScope {
    TokenScope {
        account: request.account.clone(),
        region: request.region.clone(),
        operation: request.route.operation(),
        token: token.to_owned(),
    }
}

/// Everything the request says except its token, in one order whatever order the client wrote it in.
fn parameters(request: &EksRequest) -> String {
    let members = request.body.as_object().into_iter().flatten();
    let mut members: Vec<String> = members
        .filter(|(name, value)| *name != "clientRequestToken" && !value.is_null())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    members.sort();
    format!("{} {}", request.route.subject(), members.join("&"))
}
