//! Roles, policies, what Access Analyzer finds, and the events about credentials, as tests set
//! them up.

use serde_json::Value;

use crate::access_analyzer::AccessCheck;
use crate::eks::{EksState, RoleState};
use crate::event_history::{CredentialEvent, PodFleet};
use crate::iam::{Policy, Role};
use crate::simulated_aws::SimulatedAws;
use crate::sync::lock;

/// IAM.
impl SimulatedAws {
    /// Creates a role, or replaces the one with the same account and name. From then on, EKS
    /// accepts it if its trust policy names `pods.eks.amazonaws.com`, whatever the conditions are.
    ///
    /// A role that no test has created exists as well, unless its state in EKS is
    /// `RoleState::Missing`: its trust policy allows EKS Pod Identity, unless that state is
    /// `RoleState::BadTrust`, and it has no policies. Its path is that of the ARN by which EKS
    /// knows it, or `Options::role_path`.
    ///
    /// # Panics
    /// If the ARN is not that of a role.
    pub fn put_role(&self, role: Role) {
        let now = self.now();
        let (arn, trusts_pods) = (role.arn.clone(), role.trusts_pods());
        let replaced = lock(&self.pipeline.services.iam).put_role(now, role);
        self.eks(|eks| {
            if let Some(replaced) = replaced {
                eks.set_role_state(&replaced, RoleState::Missing);
            }
            let state = if trusts_pods {
                RoleState::Ready
            } else {
                RoleState::BadTrust
            };
            eks.set_role_state(&arn, state);
        });
    }

    /// Changes a role; one that no test has created is created first.
    pub fn edit_role(&self, arn: &str, change: impl FnOnce(&mut Role)) {
        let role = lock(&self.pipeline.services.iam).role(arn).cloned();
        let mut role = role.unwrap_or_else(|| Role::new(arn));
        change(&mut role);
        self.put_role(role);
    }

    /// Deletes a role, whether a test has created it or not. EKS no longer accepts it.
    pub fn delete_role(&self, arn: &str) {
        lock(&self.pipeline.services.iam).delete_role(arn);
        self.eks(|eks| eks.set_role_state(arn, RoleState::Missing));
    }

    /// Creates a managed policy, or a new default version of the one with the same ARN. It may be
    /// one of AWS's own.
    pub fn put_policy(&self, policy: Policy) {
        let now = self.now();
        lock(&self.pipeline.services.iam).put_policy(now, policy);
    }

    /// Deletes a managed policy, and detaches it from all roles.
    pub fn delete_policy(&self, arn: &str) {
        lock(&self.pipeline.services.iam).delete_policy(arn);
    }
}

/// IAM Access Analyzer.
impl SimulatedAws {
    /// Sets what each `CheckNoNewAccess` finds from now on, given the existing policy and the new
    /// one. Without it, a check passes if both are the same JSON.
    pub fn on_access_check(
        &self,
        check: impl FnMut(&Value, &Value) -> AccessCheck + Send + 'static,
    ) {
        self.pipeline.services.access_analyzer.set_check(check);
    }
}

/// The event history of CloudTrail, in the region of this handle.
impl SimulatedAws {
    /// Each association has pods from now on, in all regions. They fetch credentials when they
    /// start and about every 3 hours, of the role that the association has then, and each fetch is
    /// an event.
    pub fn run_pods(&self, fleet: PodFleet) {
        self.eks(EksState::keep_past);
        let now = self.now();
        lock(&self.pipeline.services.event_history).run_pods(now, fleet);
    }

    /// Replaces one pod of an association, numbered from 0, by one that starts now.
    pub fn restart_pod(&self, association_arn: &str, pod: usize) {
        let now = self.now();
        lock(&self.pipeline.services.event_history).restart(now, association_arn, pod);
    }

    /// Replaces all pods of an association by pods that start now.
    pub fn restart_pods_of(&self, association_arn: &str) {
        let now = self.now();
        let mut history = lock(&self.pipeline.services.event_history);
        for pod in 0..history.pods_per_association() {
            history.restart(now, association_arn, pod);
        }
    }

    /// Somebody else receives credentials of a role, or is refused.
    pub fn put_credential_event(&self, event: &CredentialEvent) {
        let mut history = lock(&self.pipeline.services.event_history);
        history.put(self.scope(), event);
    }

    /// Puts a record as it is. An event without an `eventTime` or an `eventID` is never found.
    pub fn put_event_record(&self, record: Value) {
        let mut history = lock(&self.pipeline.services.event_history);
        history.put_record(self.scope(), record);
    }
}
