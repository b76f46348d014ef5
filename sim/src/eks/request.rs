//! One EKS request, parsed.

use serde_json::Value;

use crate::arn::Scope;
use crate::eks::query::Query;
use crate::eks::route::Route;
use crate::wire::WireRequest;

pub(crate) struct EksRequest {
    pub(crate) account: String,
    pub(crate) caller_arn: String,
    pub(crate) region: String,
    pub(crate) route: Route,
    pub(crate) query: Query,
    pub(crate) body: Value,
}

impl EksRequest {
    /// The request of a caller in `account`.
    pub(crate) fn new(request: &WireRequest, account: &str, body: Value) -> Self {
        Self {
            account: account.to_owned(),
            caller_arn: request.caller.arn(account),
            region: request.caller.region.clone(),
            route: Route::parse(&request.method, &request.path),
            query: Query::parse(&request.query),
            body,
        }
    }

    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope {
            account: &self.account,
            region: &self.region,
        }
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.body.get("clientRequestToken").and_then(Value::as_str)
    }

    /// The resource that the request is about. `CreateCluster` has the cluster's name in the body.
    pub(crate) fn subject(&self) -> String {
        match (&self.route, self.body.get("name").and_then(Value::as_str)) {
            (Route::CreateCluster, Some(name)) => name.to_owned(),
            (route, _) => route.subject(),
        }
    }
}
