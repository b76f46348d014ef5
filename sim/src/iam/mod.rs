//! IAM, as far as a reader of roles sees it: roles, their policies, and which services they use.
//!
//! A role that no test has created exists all the same if EKS accepts it. What EKS finds about a
//! role and what IAM shows of it are one truth: `SimulatedAws::put_role` and
//! `EksState::set_role_state` change both. Policies are texts here, and nothing evaluates them.

mod last_accessed;
mod policies;
mod role;
mod roles;
mod wire;

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::eks::EksState;
use crate::iam::last_accessed::Jobs;
use crate::iam::policies::Policies;
pub use crate::iam::policies::Policy;
pub(crate) use crate::iam::role::role_id;
pub use crate::iam::role::{LastUse, Role, ServiceUse};
use crate::iam::roles::Roles;
use crate::options::Options;
use crate::protocol::{ApiError, ApiRequest};
use crate::rng::Rng;

/// The roles and policies of all accounts. IAM has no regions.
pub(crate) struct Iam {
    roles: Roles,
    policies: Policies,
    jobs: Jobs,
}

impl Iam {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            roles: Roles::new(options),
            policies: Policies::default(),
            jobs: Jobs::default(),
        }
    }

    /// Creates the role, or replaces the one with the same name. Returns the ARN of that one if it
    /// had another path.
    pub(crate) fn put_role(&mut self, now: SystemTime, role: Role) -> Option<String> {
        self.roles.put(now, role)
    }

    /// The role as a test has created it.
    pub(crate) fn role(&self, arn: &str) -> Option<&Role> {
        self.roles.created(arn)
    }

    /// Forgets a role that a test has created.
    pub(crate) fn delete_role(&mut self, arn: &str) {
        self.roles.delete(arn);
    }

    pub(crate) fn put_policy(&mut self, now: SystemTime, policy: Policy) {
        self.policies.put(now, policy);
    }

    pub(crate) fn delete_policy(&mut self, arn: &str) {
        self.policies.delete(arn);
        self.roles.detach(arn);
    }

    /// Responds to one request.
    pub(crate) fn respond(
        &mut self,
        now: SystemTime,
        request: &ApiRequest,
        rng: &mut Rng,
        eks: &EksState,
    ) -> Result<Value, ApiError> {
        let role = || self.roles.requested(request, eks);
        match request.operation.as_str() {
            "GetRole" => Ok(json!({ "Role": role()?.shown() })),
            "ListRoleTags" => role()?.list_tags(request),
            "ListAttachedRolePolicies" => role()?.list_attached_policies(request),
            "ListRolePolicies" => role()?.list_inline_policies(request),
            "GetRolePolicy" => role()?.inline_policy(request),
            "GetPolicy" => {
                let arn = request.text("PolicyArn").unwrap_or_default();
                let attachments = self.roles.count_with_policy(arn);
                self.policies.get(request, attachments)
            }
            "GetPolicyVersion" => self.policies.get_version(request),
            "GenerateServiceLastAccessedDetails" => {
                let services = self.roles.with_arn(request, eks)?.services();
                let id = rng.resource_id();
                self.jobs.start(now, &id, services);
                Ok(json!({ "JobId": id }))
            }
            "GetServiceLastAccessedDetails" => self.jobs.read(request),
            operation => Err(ApiError::not_simulated(operation)),
        }
    }
}

/// What a request is about, as in `Call::subject`.
pub(crate) fn subject(request: &ApiRequest) -> String {
    let mut members = request.api.subjects.iter();
    let subject = members.find_map(|member| request.text(member));
    subject.unwrap_or_default().to_owned()
}
