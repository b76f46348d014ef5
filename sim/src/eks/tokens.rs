//! The results that EKS keeps for each `clientRequestToken`. AWS does not document how long it
//! keeps them; here it is forever.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use serde_json::Value;

use crate::eks::error::EksError;
use crate::eks::request::EksRequest;

/// EKS refuses tokens of other lengths (ansible community.aws issue 817), although its model has no
/// limits.
const TOKEN_LEN: RangeInclusive<usize> = 33..=126;

/// The parameters and the result of the first request with each token. Bodies are kept as text: for
/// a large fleet the parsed values would take several times the memory.
#[derive(Default)]
pub(crate) struct TokenStore(HashMap<TokenKey, (String, Result<String, EksError>)>);

/// A token is unique within an account, region and operation.
#[derive(PartialEq, Eq, Hash)]
struct TokenKey {
    account: String,
    region: String,
    operation: &'static str,
    token: String,
}

impl TokenStore {
    /// The result of the first request with this token, if there was one. It is an error if that
    /// request had other parameters.
    pub(crate) fn get(
        &self,
        request: &EksRequest,
        token: &str,
    ) -> Result<Option<Result<Value, EksError>>, EksError> {
        match self.0.get(&key(request, token)) {
            None => Ok(None),
            Some((first, result)) if *first == parameters(request) => {
                let parse = |body| serde_json::from_str(body).expect("a body was stored as JSON");
                Ok(Some(result.as_deref().map(parse).map_err(EksError::clone)))
            }
            Some(_) => Err(EksError::invalid_parameter(
                "The clientRequestToken was used before, with other parameters. Use another token for another request.",
            )),
        }
    }

    pub(crate) fn put(
        &mut self,
        request: &EksRequest,
        token: &str,
        result: Result<&Value, EksError>,
    ) {
        let result = result.map(Value::to_string);
        self.0
            .insert(key(request, token), (parameters(request), result));
    }
}

/// The request's token, if it has one, with a length that EKS accepts.
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
        Some(_) => Err(EksError::serialization(
            "clientRequestToken must be a string",
        )),
    }
}

fn key(request: &EksRequest, token: &str) -> TokenKey {
    TokenKey {
        account: request.account.clone(),
        region: request.region.clone(),
        operation: request.route.operation(),
        token: token.to_owned(),
    }
}

/// Everything in the request except its token. The order in which a client writes the members does
/// not matter.
fn parameters(request: &EksRequest) -> String {
    let members = request.body.as_object().into_iter().flatten();
    let mut members: Vec<String> = members
        .filter(|(name, value)| *name != "clientRequestToken" && !value.is_null())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    members.sort();
    format!("{} {}", request.route.subject(), members.join("&"))
}
