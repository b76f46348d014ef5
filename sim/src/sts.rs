//! STS, as far as `GetCallerIdentity` and `AssumeRole`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::arn::partition;
use crate::protocol::{ApiError, ApiRequest};

/// The default of `AssumeRole`.
const SESSION_LIFETIME: Duration = Duration::from_hours(1);

/// Responds to one request.
pub(crate) fn respond(now: SystemTime, request: &ApiRequest) -> Result<Value, ApiError> {
    match request.operation.as_str() {
        "GetCallerIdentity" => Ok(json!({
            "UserId": format!("{}:session", request.access_key),
            "Account": request.account,
            "Arn": request.caller_arn,
        })),
        "AssumeRole" => assume_role(now, request),
        operation => Err(ApiError::not_simulated(operation)),
    }
}

/// Every caller may assume every role, since only IAM, which is not simulated, has trust policies.
/// The access key has the name of the role, so calls with it come from a session of that role.
fn assume_role(now: SystemTime, request: &ApiRequest) -> Result<Value, ApiError> {
    let role_arn = request.required("RoleArn")?;
    let session = request.required("RoleSessionName")?;
    let name = role_arn.rsplit('/').next().unwrap_or_default();
    let (account, partition) = (&request.account, partition(&request.region));
    let expires_at = (now + SESSION_LIFETIME).duration_since(UNIX_EPOCH);
    Ok(json!({
        "AssumedRoleUser": {
            "AssumedRoleId": format!("{name}:{session}"),
            "Arn": format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}"),
        },
        "Credentials": {
            "AccessKeyId": name,
            "SecretAccessKey": "secret",
            "SessionToken": "session",
            "Expiration": expires_at.unwrap_or_default().as_secs_f64(),
        },
    }))
}
