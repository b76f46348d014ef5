//! Managed policies and their versions.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::clock::rfc3339_secs;
use crate::iam::wire::{encoded, no_such_entity};
use crate::protocol::{ApiError, ApiRequest};
use crate::rng::{stream_of, uppercase_alphanumerics};

/// A managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `arn:aws:iam::111122223333:policy/app`, or `arn:aws:iam::aws:policy/…` of AWS's own.
    pub arn: String,
    pub description: Option<String>,
    /// The text of the default version.
    pub document: String,
}

/// All managed policies, by their ARNs.
#[derive(Default)]
pub(super) struct Policies(BTreeMap<String, PolicyState>);

struct PolicyState {
    policy: Policy,
    /// The texts of all versions, `v1` first, and when each was created. The last one is the
    /// default.
    versions: Vec<(String, SystemTime)>,
}

impl Policies {
    /// Creates the policy, or a new default version of it.
    pub(super) fn put(&mut self, now: SystemTime, policy: Policy) {
        let version = (policy.document.clone(), now);
        let new = || PolicyState {
            policy: policy.clone(),
            versions: Vec::new(),
        };
        let state = self.0.entry(policy.arn.clone()).or_insert_with(new);
        state.versions.push(version);
        state.policy = policy;
    }

    pub(super) fn delete(&mut self, arn: &str) {
        self.0.remove(arn);
    }

    /// `GetPolicy` of a policy that so many roles have.
    pub(super) fn get(&self, request: &ApiRequest, attachments: usize) -> Result<Value, ApiError> {
        let PolicyState { policy, versions } = self.find(request)?;
        let created = |it: Option<&(String, SystemTime)>| it.map(|(_, at)| rfc3339_secs(*at));
        let name = policy.arn.rsplit('/').next().unwrap_or_default();
        let path = policy.arn.split_once(":policy");
        let path = path.map_or("/", |(_, path)| &path[..path.len() - name.len()]);
        let mut stream = stream_of(0, &policy.arn);
        Ok(json!({ "Policy": {
            "PolicyName": name,
            "PolicyId": format!("ANPA{}", uppercase_alphanumerics(&mut stream, 17)),
            "Arn": policy.arn,
            "Path": path,
            "DefaultVersionId": format!("v{}", versions.len()),
            "AttachmentCount": attachments,
            "PermissionsBoundaryUsageCount": 0,
            "IsAttachable": true,
            "Description": policy.description,
            "CreateDate": created(versions.first()),
            "UpdateDate": created(versions.last()),
        }}))
    }

    pub(super) fn get_version(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        let PolicyState { policy, versions } = self.find(request)?;
        let id = request.required("VersionId")?;
        let number = id.strip_prefix('v').and_then(|it| it.parse::<usize>().ok());
        let version = number.and_then(|number| versions.get(number.checked_sub(1)?));
        let (document, created_at) = version.ok_or_else(|| {
            let arn = &policy.arn;
            no_such_entity(format!("Policy {arn} version {id} does not exist."))
        })?;
        Ok(json!({ "PolicyVersion": {
            "Document": encoded(document),
            "VersionId": id,
            "IsDefaultVersion": number == Some(versions.len()),
            "CreateDate": rfc3339_secs(*created_at),
        }}))
    }

    fn find(&self, request: &ApiRequest) -> Result<&PolicyState, ApiError> {
        let arn = request.required("PolicyArn")?;
        let message = || format!("Policy {arn} was not found.");
        self.0.get(arn).ok_or_else(|| no_such_entity(message()))
    }
}
