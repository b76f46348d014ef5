//! STS, as far as `GetCallerIdentity`.

use serde_json::{Value, json};

use crate::protocol::{ApiError, ApiRequest};

/// Responds to one request.
pub(crate) fn respond(request: &ApiRequest) -> Result<Value, ApiError> {
    match request.operation.as_str() {
        "GetCallerIdentity" => Ok(json!({
            "UserId": format!("{}:session", request.access_key),
            "Account": request.account,
            "Arn": request.caller_arn,
        })),
        operation => Err(ApiError::not_simulated(operation)),
    }
}
