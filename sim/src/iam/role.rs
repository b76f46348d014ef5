//! A role, as a test creates it, and what each operation shows of it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::clock::rfc3339_secs;
use crate::iam::wire::{encoded, no_such_entity, page};
use crate::protocol::{ApiError, ApiRequest};
use crate::rng::{stream_of, uppercase_alphanumerics};

/// Who gets a role's credentials for pods.
const PODS: &str = "pods.eks.amazonaws.com";
/// The trust policy of EKS's user guide.
const POD_IDENTITY_TRUST: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "AllowEksAuthToAssumeRoleForPodIdentity",
            "Effect": "Allow",
            "Principal": {
                "Service": "pods.eks.amazonaws.com"
            },
            "Action": [
                "sts:AssumeRole",
                "sts:TagSession"
            ]
        }
    ]
}"#;
/// A trust policy that does not name pods.
const OTHER_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// A role. Policies are texts, so that a test can have any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// It has account, path and name: `arn:aws:iam::111122223333:role/teams/app`.
    pub arn: String,
    pub trust_policy: String,
    pub max_session_duration: Duration,
    pub description: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// The ARN of a managed policy.
    pub permissions_boundary: Option<String>,
    /// By their names.
    pub inline_policies: BTreeMap<String, String>,
    /// The ARNs of managed policies, in the order in which they are listed. Each needs a
    /// `SimulatedAws::put_policy` of its own.
    pub attached_policies: Vec<String>,
    /// `RoleLastUsed`. AWS shows a use up to 4 hours later.
    pub last_used: Option<LastUse>,
    /// The services that the role's policies allow, as `GetServiceLastAccessedDetails` lists them.
    pub services: Vec<ServiceUse>,
}

/// When and where something was used last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    pub at: SystemTime,
    pub region: String,
}

/// A service that a role's policies allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUse {
    /// As in actions: `s3`.
    pub namespace: String,
    /// As people know it: `Amazon S3`.
    pub name: String,
    /// None if the role has not used the service in the tracking period.
    pub last_used: Option<LastUse>,
}

impl Role {
    /// A role that trusts EKS Pod Identity, and may do nothing.
    pub fn new(arn: &str) -> Self {
        Self {
            arn: arn.to_owned(),
            trust_policy: POD_IDENTITY_TRUST.to_owned(),
            max_session_duration: Duration::from_hours(1),
            description: None,
            tags: BTreeMap::new(),
            permissions_boundary: None,
            inline_policies: BTreeMap::new(),
            attached_policies: Vec::new(),
            last_used: None,
            services: Vec::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    /// The path, with a slash at both ends.
    fn path(&self) -> &str {
        let resource = self.arn.split_once(":role").map_or("/", |(_, path)| path);
        &resource[..resource.len() - self.name().len()]
    }

    /// Whether EKS accepts the trust policy. It is said to look for its own principal only.
    pub(crate) fn trusts_pods(&self) -> bool {
        self.trust_policy.contains(PODS)
    }

    /// The role as EKS does not accept it.
    pub(super) fn without_pods(self) -> Self {
        Self {
            trust_policy: OTHER_TRUST.to_owned(),
            ..self
        }
    }
}

/// A role that exists.
#[derive(Clone, Debug)]
pub(super) struct RoleEntry {
    pub(super) role: Role,
    pub(super) created_at: SystemTime,
}

impl RoleEntry {
    /// The members of `GetRole`. IAM shows an empty description, and no empty list of tags.
    pub(super) fn shown(&self) -> Value {
        let Role {
            arn,
            trust_policy,
            max_session_duration,
            description,
            permissions_boundary,
            last_used,
            ..
        } = &self.role;
        let boundary = permissions_boundary.as_ref().map(
            |arn| json!({ "PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": arn }),
        );
        let tags = Some(self.tags()).filter(|tags| !tags.is_empty());
        // The member is there, without members of its own, if the role was never used.
        let last_used = last_used.as_ref().map_or(
            json!({}),
            |it| json!({ "LastUsedDate": rfc3339_secs(it.at), "Region": it.region }),
        );
        json!({
            "Path": self.role.path(),
            "RoleName": self.role.name(),
            "RoleId": role_id(arn),
            "Arn": arn,
            "CreateDate": rfc3339_secs(self.created_at),
            "AssumeRolePolicyDocument": encoded(trust_policy),
            "Description": description,
            "MaxSessionDuration": max_session_duration.as_secs(),
            "PermissionsBoundary": boundary,
            "Tags": tags,
            "RoleLastUsed": last_used,
        })
    }

    pub(super) fn list_tags(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        page(request, "Tags", self.tags())
    }

    pub(super) fn list_attached_policies(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        let entries = self.role.attached_policies.iter().map(|arn| {
            let name = arn.rsplit('/').next();
            json!({ "PolicyName": name, "PolicyArn": arn })
        });
        page(request, "AttachedPolicies", entries.collect())
    }

    pub(super) fn list_inline_policies(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        let names = self.role.inline_policies.keys();
        let names = names.map(|name| json!(name)).collect();
        page(request, "PolicyNames", names)
    }

    pub(super) fn inline_policy(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        let name = request.required("PolicyName")?;
        let document = self.role.inline_policies.get(name).ok_or_else(|| {
            no_such_entity(format!("The role policy with name {name} cannot be found."))
        })?;
        Ok(json!({
            "RoleName": self.role.name(),
            "PolicyName": name,
            "PolicyDocument": encoded(document),
        }))
    }

    /// The entries of `GetServiceLastAccessedDetails`.
    pub(super) fn services(&self) -> Vec<Value> {
        let mut services = self.role.services.clone();
        services.sort_by(|a, b| a.namespace.cmp(&b.namespace));
        let shown = services.iter().map(|service| {
            let used = service.last_used.as_ref();
            json!({
                "ServiceName": service.name,
                "ServiceNamespace": service.namespace,
                "LastAuthenticated": used.map(|it| rfc3339_secs(it.at)),
                "LastAuthenticatedEntity": used.map(|_| &self.role.arn),
                "LastAuthenticatedRegion": used.map(|it| &it.region),
                "TotalAuthenticatedEntities": u8::from(used.is_some()),
            })
        });
        shown.collect()
    }

    fn tags(&self) -> Vec<Value> {
        let tags = self.role.tags.iter();
        tags.map(|(key, value)| json!({ "Key": key, "Value": value }))
            .collect()
    }
}

/// The ID of the role with this ARN, also in the records of CloudTrail.
pub(crate) fn role_id(arn: &str) -> String {
    let mut stream = stream_of(0, arn);
    format!("AROA{}", uppercase_alphanumerics(&mut stream, 17))
}
