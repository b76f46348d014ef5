//! The five operations on Pod Identity associations.

use serde_json::{Value, json};

use crate::eks::error::EksError;
use crate::eks::members::{flag, required, tags, text};
use crate::eks::query::next_token;
use crate::eks::request::EksRequest;
use crate::eks::resources::Association;
use crate::eks::roles::{account_of_role, check_role};
use crate::eks::state::{EksState, NewAssociation};
use crate::eks::times::epoch_seconds;
use crate::options::{AddonUpdates, SameRoleUpdates};
use crate::rng::uuid;

/// The quota of associations per cluster.
const ASSOCIATIONS_MAX: usize = 5_000;

pub(crate) fn list(
    state: &mut EksState,
    request: &EksRequest,
    cluster: &str,
) -> Result<Value, EksError> {
    state.cluster(request.scope(), cluster)?;
    let query = &request.query;
    let page_len = query.page_len()?;
    let prefix = request.scope().association_arn_prefix(cluster);
    let start_after = query.start_after()?;
    let is_after = |it: &&Association| {
        let after = start_after.as_ref();
        after.is_none_or(|after| it.association_arn > *after)
    };
    let listed = state.list_associations(&prefix);
    let mut rest = listed
        .into_iter()
        .filter(is_after)
        .filter(|it| query.filter_accepts("namespace", &it.namespace))
        .filter(|it| query.filter_accepts("serviceAccount", &it.service_account));
    let page: Vec<&Association> = rest.by_ref().take(page_len).collect();
    let summaries: Vec<Value> = page.iter().map(|it| summary(it)).collect();
    let mut body = json!({ "associations": summaries });
    if let (Some(last), Some(_)) = (page.last(), rest.next()) {
        body["nextToken"] = json!(next_token(&last.association_arn));
    }
    Ok(body)
}

pub(crate) fn describe(
    state: &mut EksState,
    request: &EksRequest,
    cluster: &str,
    id: &str,
) -> Result<Value, EksError> {
    state.cluster(request.scope(), cluster)?;
    let arn = request.scope().association_arn_prefix(cluster) + id;
    let shown = state.describe_association(&arn);
    let shown = shown.ok_or_else(|| EksError::no_association(id, cluster))?;
    Ok(association_body(shown))
}

pub(crate) fn create(
    state: &mut EksState,
    request: &EksRequest,
    cluster: &str,
) -> Result<Value, EksError> {
    let (scope, body) = (request.scope(), &request.body);
    state.cluster(scope, cluster)?;
    let namespace = required(body, "namespace")?;
    let service_account = required(body, "serviceAccount")?;
    let role_arn = required(body, "roleArn")?;
    let changes = Changes::parse(body)?;
    let tags = tags(body)?;
    check_role(state, scope, role_arn)?;
    if state
        .with_prefix(&scope.association_arn_prefix(cluster))
        .count()
        >= ASSOCIATIONS_MAX
    {
        let message = "Maximum number of associations in this cluster reached";
        return Err(EksError::limit_exceeded(message).in_cluster(cluster));
    }
    let new = NewAssociation {
        scope,
        cluster,
        namespace,
        service_account,
        role_arn,
    };
    let mut association = Association {
        tags,
        ..state.new_association(new)
    };
    apply(&changes, &mut association, &mut state.ids)?;
    let response = association_body(&association);
    state.insert(association)?;
    Ok(response)
}

pub(crate) fn update(
    state: &mut EksState,
    request: &EksRequest,
    cluster: &str,
    id: &str,
) -> Result<Value, EksError> {
    let before = find(state, request, cluster, id)?.clone();
    let is_owned = before
        .owner_arn
        .as_deref()
        .is_some_and(|owner| !owner.is_empty());
    if is_owned && state.options.addon_updates == AddonUpdates::Rejected {
        let message = format!(
            "Association {id} is owned by an Amazon EKS add-on. Update the add-on instead."
        );
        return Err(EksError::invalid_request(message).in_cluster(cluster));
    }
    let changes = Changes::parse(&request.body)?;
    if changes.is_empty() {
        return Err(no_changes());
    }
    if let Some(role_arn) = &changes.role_arn {
        check_role(state, request.scope(), role_arn)?;
    }
    let mut after = before.clone();
    apply(&changes, &mut after, &mut state.ids)?;
    if after == before && state.options.same_role_updates == SameRoleUpdates::Rejected {
        return Err(no_changes());
    }
    after.modified_at = state.modification_time().max(before.modified_at);
    if state.options.reformat_policies {
        after.policy = after.policy.map(|policy| reformatted(&policy));
    }
    let response = association_body(&after);
    state.put(after);
    Ok(response)
}

pub(crate) fn delete(
    state: &mut EksState,
    request: &EksRequest,
    cluster: &str,
    id: &str,
) -> Result<Value, EksError> {
    let arn = find(state, request, cluster, id)?.association_arn.clone();
    let deleted = state
        .remove(&arn)
        .expect("the association was found just now");
    Ok(association_body(&deleted))
}

fn find<'a>(
    state: &'a EksState,
    request: &EksRequest,
    cluster: &str,
    id: &str,
) -> Result<&'a Association, EksError> {
    state.cluster(request.scope(), cluster)?;
    let arn = request.scope().association_arn_prefix(cluster) + id;
    state
        .association(&arn)
        .ok_or_else(|| EksError::no_association(id, cluster))
}

/// The fields that an update can change. An absent field is kept; an empty `targetRoleArn` or
/// `policy` is removed.
#[derive(Default)]
struct Changes {
    role_arn: Option<String>,
    target_role_arn: Option<String>,
    disable_session_tags: Option<bool>,
    policy: Option<String>,
}

impl Changes {
    fn parse(body: &Value) -> Result<Self, EksError> {
        let owned = |name| Ok(text(body, name)?.map(str::to_owned));
        let disable_session_tags = flag(body, "disableSessionTags")?;
        Ok(Self {
            role_arn: owned("roleArn")?,
            target_role_arn: owned("targetRoleArn")?,
            disable_session_tags,
            policy: owned("policy")?,
        })
    }

    fn is_empty(&self) -> bool {
        self.role_arn.is_none()
            && self.target_role_arn.is_none()
            && self.disable_session_tags.is_none()
            && self.policy.is_none()
    }
}

/// Applies the changes to the association, except for `modifiedAt`. A new target role draws an
/// external id from `ids`.
fn apply(
    changes: &Changes,
    association: &mut Association,
    ids: &mut fastrand::Rng,
) -> Result<(), EksError> {
    if let Some(role_arn) = &changes.role_arn {
        association.role_arn.clone_from(role_arn);
    }
    if let Some(disable) = changes.disable_session_tags {
        association.disable_session_tags = disable;
    }
    if let Some(policy) = &changes.policy {
        association.policy = Some(policy.clone()).filter(|policy| !policy.is_empty());
    }
    match changes.target_role_arn.as_deref() {
        None => {}
        Some("") => (association.target_role_arn, association.external_id) = (None, None),
        Some(target) => {
            if account_of_role(target).is_none() {
                let message = format!("Target role ARN {target} is not valid.");
                return Err(EksError::invalid_parameter(message));
            }
            association.target_role_arn = Some(target.to_owned());
            association.external_id.get_or_insert_with(|| uuid(ids));
        }
    }
    if association.policy.is_some() && !association.disable_session_tags {
        let message = "disableSessionTags must be true where a policy is given.";
        return Err(EksError::invalid_parameter(message));
    }
    Ok(())
}

/// The same document in another form: indented, and with sorted members.
fn reformatted(policy: &str) -> String {
    let document: Option<Value> = serde_json::from_str(policy).ok();
    document.map_or_else(|| policy.to_owned(), |document| format!("{document:#}"))
}

fn no_changes() -> EksError {
    EksError::invalid_parameter(
        "You must change at least one of roleArn, targetRoleArn, disableSessionTags or policy.",
    )
}

/// The members that a list shows. It shows neither roles nor times.
fn summary(association: &Association) -> Value {
    let mut body = json!({
        "clusterName": association.cluster_name,
        "namespace": association.namespace,
        "serviceAccount": association.service_account,
        "associationArn": association.association_arn,
        "associationId": association.association_id,
    });
    if let Some(owner) = &association.owner_arn {
        body["ownerArn"] = json!(owner);
    }
    body
}

fn association_body(association: &Association) -> Value {
    let mut body = summary(association);
    body["roleArn"] = json!(association.role_arn);
    body["tags"] = json!(association.tags);
    body["createdAt"] = epoch_seconds(association.created_at);
    body["modifiedAt"] = epoch_seconds(association.modified_at);
    body["disableSessionTags"] = json!(association.disable_session_tags);
    let optional = [
        ("targetRoleArn", &association.target_role_arn),
        ("externalId", &association.external_id),
        ("policy", &association.policy),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    json!({ "association": body })
}
