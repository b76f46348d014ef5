//! The five operations on Pod Identity associations.

use super::EksRequest;
use super::errors::EksError;
use super::routes::next_token;
use super::world::{Association, EksWorld, RoleState, arn, epoch_seconds};
use crate::chance::uuid;
use crate::options::{AddonUpdates, SameRole};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Associations in one cluster.
const ASSOCIATIONS_MAX: usize = 5_000;
/// Tags on one resource, and the length of their keys and values in characters.
const TAGS_MAX: usize = 50;
const TAG_KEY_LEN_MAX: usize = 128;
const TAG_VALUE_LEN_MAX: usize = 256;

impl EksWorld {
    pub(crate) fn list_associations(&self, request: &EksRequest, cluster: &str) -> Result<Value, EksError> {
        self.cluster(&request.account, &request.region, cluster)?;
        let page_len = request.query.page_len()?;
        let prefix = association_arn(request, cluster, "");
        let start = request.query.start_after()?.map_or(Bound::Included(prefix.clone()), Bound::Excluded);
        let is_wanted = |name: &str, value: &str| request.query.get(name).is_none_or(|wanted| wanted == value);
        let mut rest =
            self.associations.range((start, Bound::Unbounded)).take_while(|(arn, _)| arn.starts_with(&prefix)).filter(
                |(_, it)| is_wanted("namespace", &it.namespace) && is_wanted("serviceAccount", &it.service_account),
            );
        let page: Vec<(&String, &Association)> = rest.by_ref().take(page_len).collect();
        let summaries: Vec<Value> = page.iter().map(|(_, association)| summary(association)).collect();
        let mut body = json!({ "associations": summaries });
        if let (Some((last, _)), Some(_)) = (page.last(), rest.next()) {
            body["nextToken"] = json!(next_token(last));
        }
        Ok(body)
    }

    pub(crate) fn describe_association(
        &self,
        request: &EksRequest,
        cluster: &str,
        id: &str,
    ) -> Result<Value, EksError> {
        self.existing(request, cluster, id).map(body_of)
    }

    pub(crate) fn create_association(&mut self, request: &EksRequest, cluster: &str) -> Result<Value, EksError> {
        self.cluster(&request.account, &request.region, cluster)?;
        let body = &request.body;
        let (namespace, service_account) = (required(body, "namespace")?, required(body, "serviceAccount")?);
        let role_arn = required(body, "roleArn")?;
        let changes = Changes::parse(body)?;
        let tags = tags(body)?;
        self.check_role(role_arn, &request.account)?;
        let prefix = association_arn(request, cluster, "");
        let in_cluster = self.associations.range(prefix.clone()..).take_while(|(arn, _)| arn.starts_with(&prefix));
        if in_cluster.count() >= ASSOCIATIONS_MAX {
            return Err(
                EksError::limit_exceeded("Maximum number of associations in this cluster reached").in_cluster(cluster)
            );
        }
        let (account, region) = (request.account.clone(), request.region.clone());
        let mut association = self.fresh_association(&account, &region, cluster, namespace, service_account, role_arn);
        association.tags = tags;
        self.apply(&mut association, &changes)?;
        let answer = body_of(&association);
        self.insert(association)?;
        Ok(answer)
    }

    pub(crate) fn update_association(
        &mut self,
        request: &EksRequest,
        cluster: &str,
        id: &str,
    ) -> Result<Value, EksError> {
        let before = self.existing(request, cluster, id)?.clone();
        let is_owned = before.owner_arn.as_deref().is_some_and(|owner| !owner.is_empty());
        if is_owned && self.rules.addon_updates == AddonUpdates::Refused {
            let message = format!("Association {id} is owned by an Amazon EKS add-on. Update the add-on instead.");
            return Err(EksError::invalid_request(message).in_cluster(cluster));
        }
        let changes = Changes::parse(&request.body)?;
        if changes.is_empty() {
            return Err(nothing_to_change());
        }
        if let Some(role_arn) = &changes.role_arn {
            self.check_role(role_arn, &request.account)?;
        }
        let mut after = before.clone();
        self.apply(&mut after, &changes)?;
        if after == before && self.rules.same_role_update == SameRole::Refused {
            return Err(nothing_to_change());
        }
        after.modified_at = self.modified_now().max(before.modified_at);
        let answer = body_of(&after);
        self.associations.insert(after.association_arn.clone(), after);
        Ok(answer)
    }

    pub(crate) fn delete_association(
        &mut self,
        request: &EksRequest,
        cluster: &str,
        id: &str,
    ) -> Result<Value, EksError> {
        let arn = self.existing(request, cluster, id)?.association_arn.clone();
        let deleted = self.remove(&arn).expect("an association that was just found is there");
        Ok(body_of(&deleted))
    }

    fn existing(&self, request: &EksRequest, cluster: &str, id: &str) -> Result<&Association, EksError> {
        self.cluster(&request.account, &request.region, cluster)?;
        self.associations
            .get(&association_arn(request, cluster, id))
            .ok_or_else(|| EksError::not_found(format!("No association found with ID: {id}")).in_cluster(cluster))
    }

    /// What EKS checks of a role before it lets pods use it, in the words that AWS uses.
    fn check_role(&self, role_arn: &str, account: &str) -> Result<(), EksError> {
        let role_account = account_of_role(role_arn)
            .ok_or_else(|| EksError::invalid_parameter(format!("Role ARN {role_arn} is not valid.")))?;
        if role_account != account {
            return Err(EksError::invalid_parameter(
                "Role provided in the request must be in the same account as the cluster.",
            ));
        }
        let state = self.roles.get(role_arn).copied().unwrap_or(RoleState::Ready);
        let is_missing = match state {
            RoleState::Missing => true,
            RoleState::MissingUntil(until) => self.now < until,
            _ => false,
        };
        let is_distrusted = match state {
            RoleState::BadTrust => true,
            RoleState::BadTrustUntil(until) => self.now < until,
            _ => false,
        };
        if is_missing {
            return Err(EksError::invalid_parameter("Role provided in the request does not exist."));
        }
        if is_distrusted {
            return Err(EksError::invalid_parameter("Trust policy of the role provided is invalid."));
        }
        Ok(())
    }

    /// Puts the changes into the association; `modifiedAt` is the caller's business.
    fn apply(&mut self, association: &mut Association, changes: &Changes) -> Result<(), EksError> {
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
                    return Err(EksError::invalid_parameter(format!("Target role ARN {target} is not valid.")));
                }
                association.target_role_arn = Some(target.to_owned());
                let ids = &mut self.ids;
                association.external_id.get_or_insert_with(|| uuid(ids));
            }
        }
        if association.policy.is_some() && !association.disable_session_tags {
            return Err(EksError::invalid_parameter("disableSessionTags must be true where a policy is given."));
        }
        Ok(())
    }
}

/// The fields that an update can change. What is absent is kept; an empty `targetRoleArn` or `policy` clears it.
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
        let disable_session_tags = match body.get("disableSessionTags") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(disable)) => Some(*disable),
            Some(_) => return Err(EksError::serialization("disableSessionTags must be true or false")),
        };
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

fn nothing_to_change() -> EksError {
    EksError::invalid_parameter("You must change at least one of roleArn, targetRoleArn, disableSessionTags or policy.")
}

fn association_arn(request: &EksRequest, cluster: &str, id: &str) -> String {
    arn(&request.region, &request.account, &format!("podidentityassociation/{cluster}/{id}"))
}

/// The account of `arn:<partition>:iam::<account>:role/<path and name>`.
fn account_of_role(role_arn: &str) -> Option<&str> {
    let mut parts = role_arn.splitn(6, ':');
    let (arn, _partition, iam, _region) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (account, resource) = (parts.next()?, parts.next()?);
    let is_role = resource.strip_prefix("role/").is_some_and(|name| !name.is_empty());
    (arn == "arn" && iam == "iam" && account.len() == 12 && is_role).then_some(account)
}

/// A member that must be there and not empty.
pub(crate) fn required<'a>(body: &'a Value, name: &str) -> Result<&'a str, EksError> {
    text(body, name)?
        .filter(|text| !text.is_empty())
        .ok_or_else(|| EksError::invalid_parameter(format!("{name} is required and must not be empty")))
}

/// A member that is a string if it is there.
pub(crate) fn text<'a>(body: &'a Value, name: &str) -> Result<Option<&'a str>, EksError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(EksError::serialization(format!("{name} must be a string"))),
    }
}

/// The tags of a request, within AWS's limits.
pub(crate) fn tags(body: &Value) -> Result<BTreeMap<String, String>, EksError> {
    let tags = match body.get("tags") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(tags)) => tags,
        Some(_) => return Err(EksError::serialization("tags must be a map")),
    };
    if tags.len() > TAGS_MAX {
        return Err(EksError::invalid_parameter(format!("{} tags given; the most is {TAGS_MAX}", tags.len())));
    }
    let checked = tags.iter().map(|(key, value)| {
        let value = value.as_str().ok_or_else(|| EksError::serialization("a tag's value must be a string"))?;
        let refused = |why: &str| Err(EksError::invalid_parameter(format!("The tag {key} is refused: {why}")));
        match () {
            () if key.is_empty() || key.chars().count() > TAG_KEY_LEN_MAX => refused("keys have 1 to 128 characters"),
            () if value.chars().count() > TAG_VALUE_LEN_MAX => refused("values have at most 256 characters"),
            () if key.to_ascii_lowercase().starts_with("aws:") => refused("aws: is a reserved prefix"),
            () => Ok((key.clone(), value.to_owned())),
        }
    });
    checked.collect()
}

/// What List shows: no role, no times.
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

fn body_of(association: &Association) -> Value {
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
