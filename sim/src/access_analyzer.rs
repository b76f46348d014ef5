//! IAM Access Analyzer, as far as `CheckNoNewAccess`. It evaluates no policy: a test says what each
//! check finds.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::call::Service;
use crate::protocol::{Api, ApiError, ApiRequest};
use crate::sync::lock;
use crate::wire::WireRequest;

/// What a check finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessCheck {
    /// The new policy grants nothing that the existing one does not.
    Pass,
    /// The new policy grants more, for these reasons.
    Fail(Vec<AccessCheckReason>),
}

/// Why a check fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessCheckReason {
    pub description: String,
    /// Which statement of the new policy grants more, from 0.
    pub statement_index: Option<u32>,
    /// Its `Sid`.
    pub statement_id: Option<String>,
}

type Check = Arc<Mutex<dyn FnMut(&Value, &Value) -> AccessCheck + Send>>;

/// What checks find: what the test says, or that policies differ.
#[derive(Default)]
pub(crate) struct AccessAnalyzer(Mutex<Option<Check>>);

impl AccessAnalyzer {
    pub(crate) fn set_check(
        &self,
        check: impl FnMut(&Value, &Value) -> AccessCheck + Send + 'static,
    ) {
        *lock(&self.0) = Some(Arc::new(Mutex::new(check)));
    }

    /// Responds to one request.
    pub(crate) fn respond(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        match request.operation.as_str() {
            "CheckNoNewAccess" => self.check(request),
            operation => Err(ApiError::not_simulated(operation)),
        }
    }

    fn check(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        let policy_type = request.required("policyType")?;
        if !["IDENTITY_POLICY", "RESOURCE_POLICY"].contains(&policy_type) {
            return Err(request.invalid(format!("policyType is not valid: {policy_type}")));
        }
        let existing = document(request, "existingPolicyDocument")?;
        let new = document(request, "newPolicyDocument")?;
        // While the check runs, only its own lock is held: it may use the simulated AWS.
        let check = lock(&self.0).clone();
        let found = match check {
            Some(check) => (*lock(&check))(&existing, &new),
            None => compare(&existing, &new),
        };
        Ok(response(found))
    }
}

/// Equal policies pass.
fn compare(existing: &Value, new: &Value) -> AccessCheck {
    if existing == new {
        return AccessCheck::Pass;
    }
    AccessCheck::Fail(vec![AccessCheckReason {
        description: "New access in the statement with index: 0.".to_owned(),
        statement_index: Some(0),
        statement_id: None,
    }])
}

fn response(found: AccessCheck) -> Value {
    match found {
        AccessCheck::Pass => json!({
            "result": "PASS",
            "message": "The modified permissions do not grant new access compared to your \
                        existing policy.",
        }),
        AccessCheck::Fail(reasons) => {
            let reasons = reasons.into_iter().map(|reason| {
                json!({
                    "description": reason.description,
                    "statementIndex": reason.statement_index,
                    "statementId": reason.statement_id,
                })
            });
            json!({
                "result": "FAIL",
                "message": "The modified permissions grant new access compared to your existing \
                            policy.",
                "reasons": reasons.collect::<Vec<_>>(),
            })
        }
    }
}

/// The policy in this member, which has its text.
fn document(request: &ApiRequest, member: &str) -> Result<Value, ApiError> {
    let text = request.required(member)?;
    let document = serde_json::from_str(text).ok().filter(Value::is_object);
    document.ok_or_else(|| {
        let message = format!("{member} is not a valid policy document.");
        ApiError::new("InvalidParameterException", message)
    })
}

/// The request, if its path is one of Access Analyzer.
pub(crate) fn parse(request: &WireRequest, account: &str) -> Option<ApiRequest> {
    let path = request.path.strip_prefix("/policy/")?;
    let api = Api::of(Service::AccessAnalyzer)?;
    let operation = match (request.method.as_str(), path) {
        ("POST", "check-no-new-access") => "CheckNoNewAccess".to_owned(),
        (method, _) => format!("{method} {}", request.path),
    };
    let members = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    Some(ApiRequest::new(api, &operation, members, request, account))
}
