//! EKS: Pod Identity associations and the clusters they belong to, as a pure `(state, now, request) → answer`.
//!
//! Not here: latency, injected faults and the call log (those are the same for every service), and signatures.

mod associations;
mod clusters;
mod errors;
mod routes;
mod throttle;
mod tokens;
mod world;

pub(crate) use world::partition;
pub use world::{Association, Cluster, EksWorld, RoleState};

use crate::wire::{Answer, WireRequest};
pub(crate) use errors::{EksError, injected, throttled};
use routes::Query;
pub(crate) use routes::Route;
use serde_json::Value;
use std::time::SystemTime;
use tokens::Remembered;

/// One EKS request, taken apart.
pub(crate) struct EksRequest {
    pub(crate) account: String,
    pub(crate) caller_arn: String,
    pub(crate) region: String,
    pub(crate) route: Route,
    pub(crate) query: Query,
    pub(crate) body: Value,
}

impl EksRequest {
    pub(crate) fn parse(request: &WireRequest, account: &str, body: &Value) -> Self {
        Self {
            account: account.to_owned(),
            caller_arn: request.caller.arn(account),
            region: request.caller.region.clone(),
            route: Route::parse(&request.method, &request.path),
            query: Query::parse(&request.query),
            body: body.clone(),
        }
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.body.get("clientRequestToken").and_then(Value::as_str)
    }
}

impl EksWorld {
    /// Answers one request at `now`.
    pub(crate) fn respond(&mut self, now: SystemTime, request: &EksRequest) -> Answer {
        self.now = now;
        if !self.buckets.admits(&request.account, &request.region, now) {
            let mut answer = throttled(self.rules.bare_throttle);
            let retry_after = self.rules.retry_after_secs.map(|secs| ("retry-after", secs.to_string()));
            answer.headers.extend(retry_after);
            return answer;
        }
        if let Some(cluster) = request.route.cluster()
            && self.denied.contains(cluster)
        {
            return EksError::access_denied(request).into_answer();
        }
        match self.answered_once(request) {
            Ok(answer) => answer,
            Err(error) => error.into_answer(),
        }
    }

    /// The part of a request that its `clientRequestToken` makes idempotent.
    fn answered_once(&mut self, request: &EksRequest) -> Result<Answer, EksError> {
        let Some(token) = tokens::checked(request)? else {
            return self.answer(request);
        };
        match self.tokens.recall(request, token)? {
            Remembered::Success(body) => {
                let mut answer = errors::ok(body);
                answer.replayed = true;
                return Ok(answer);
            }
            Remembered::Refusal(error) if self.rules.replay_refusals => return Err(error),
            Remembered::Refusal(_) | Remembered::Nothing => {}
        }
        let outcome = self.answer(request);
        match &outcome {
            Ok(answer) => self.tokens.remember(request, token, Ok(answer.body.clone())),
            Err(refusal) if self.rules.replay_refusals => self.tokens.remember(request, token, Err(refusal.clone())),
            Err(_) => {}
        }
        outcome
    }

    fn answer(&mut self, request: &EksRequest) -> Result<Answer, EksError> {
        let body = match &request.route {
            Route::ListClusters => self.list_clusters(request),
            Route::CreateCluster => self.create_cluster_as_asked(request),
            Route::DescribeCluster { cluster } => self.describe_cluster(request, cluster),
            Route::DeleteCluster { cluster } => self.delete_cluster_as_asked(request, cluster),
            Route::ListAssociations { cluster } => self.list_associations(request, cluster),
            Route::CreateAssociation { cluster } => self.create_association(request, cluster),
            Route::DescribeAssociation { cluster, id } => self.describe_association(request, cluster, id),
            Route::UpdateAssociation { cluster, id } => self.update_association(request, cluster, id),
            Route::DeleteAssociation { cluster, id } => self.delete_association(request, cluster, id),
            Route::Unknown { method, path } => Err(EksError::unknown_operation(method, path)),
        };
        body.map(errors::ok)
    }
}
