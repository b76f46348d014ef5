//! From a request to a response: throttling, denied clusters, idempotency tokens, and the operation
//! itself.

use std::time::SystemTime;

use serde_json::Value;

use crate::eks::error::{self, EksError, throttled};
use crate::eks::request::EksRequest;
use crate::eks::route::Route;
use crate::eks::state::EksState;
use crate::eks::{associations, clusters, tokens};
use crate::wire::{Response, bare_throttle};

/// Responds to one request at `now`.
pub(crate) fn respond(state: &mut EksState, now: SystemTime, request: &EksRequest) -> Response {
    state.now = now;
    let operation = request.route.operation();
    if !state.buckets.try_acquire(request.scope(), operation, now) {
        let mut response = if state.options.bare_throttle {
            bare_throttle()
        } else {
            throttled()
        };
        let retry_after = state.options.retry_after_secs;
        response
            .headers
            .extend(retry_after.map(|secs| ("retry-after", secs.to_string())));
        return response;
    }
    if let Some(cluster) = request.route.cluster()
        && state.denied_clusters.contains(cluster)
    {
        return access_denied(request).into_response();
    }
    run_once(state, request).unwrap_or_else(EksError::into_response)
}

/// Runs the operation, unless its `clientRequestToken` belongs to an earlier request: then it
/// repeats the result of that.
fn run_once(state: &mut EksState, request: &EksRequest) -> Result<Response, EksError> {
    let Some(token) = tokens::checked(request)? else {
        return run(state, request).map(error::ok);
    };
    match state.tokens.get(request, token)? {
        Some(Ok(body)) => {
            return Ok(Response {
                replayed: true,
                ..error::ok(body)
            });
        }
        Some(Err(error)) => return Err(error),
        None => {}
    }
    let result = run(state, request);
    if result.is_ok() || state.options.replay_refusals {
        state
            .tokens
            .put(request, token, result.as_ref().map_err(EksError::clone));
    }
    result.map(error::ok)
}

fn run(state: &mut EksState, request: &EksRequest) -> Result<Value, EksError> {
    match &request.route {
        Route::ListClusters => clusters::list(state, request),
        Route::CreateCluster => clusters::create(state, request),
        Route::DescribeCluster { cluster } => clusters::describe(state, request, cluster),
        Route::DeleteCluster { cluster } => clusters::delete(state, request, cluster),
        Route::ListAssociations { cluster } => associations::list(state, request, cluster),
        Route::CreateAssociation { cluster } => associations::create(state, request, cluster),
        Route::DescribeAssociation { cluster, id } => {
            associations::describe(state, request, cluster, id)
        }
        Route::UpdateAssociation { cluster, id } => {
            associations::update(state, request, cluster, id)
        }
        Route::DeleteAssociation { cluster, id } => {
            associations::delete(state, request, cluster, id)
        }
        Route::Unknown { method, path } => Err(EksError::unknown_operation(format!(
            "no operation matches {method} {path}"
        ))),
    }
}

fn access_denied(request: &EksRequest) -> EksError {
    let EksRequest {
        caller_arn, route, ..
    } = request;
    let (action, resource) = (route.operation(), route.subject());
    EksError::access_denied(format!(
        "User: {caller_arn} is not authorized to perform: eks:{action} on resource: {resource}"
    ))
}
