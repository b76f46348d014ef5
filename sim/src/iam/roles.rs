//! The roles of all accounts: those that tests have created, and those that EKS accepts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::arn::partition;
use crate::eks::{EksState, RoleState, account_of_role};
use crate::iam::role::{Role, RoleEntry};
use crate::iam::wire::no_such_entity;
use crate::options::Options;
use crate::protocol::{ApiError, ApiRequest};

/// The roles that tests have created, and what all others have.
pub(super) struct Roles {
    starts_at: SystemTime,
    path: String,
    /// By account and name: the path of a role does not identify it.
    created: BTreeMap<(String, String), RoleEntry>,
}

impl Roles {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            starts_at: options.starts_at,
            path: options.role_path.clone(),
            created: BTreeMap::new(),
        }
    }

    /// Creates the role, or replaces the one with the same name. Returns the ARN of that one if it
    /// had another path.
    ///
    /// # Panics
    /// If the ARN is not that of a role.
    pub(super) fn put(&mut self, now: SystemTime, role: Role) -> Option<String> {
        let account = account_of_role(&role.arn);
        let account = account.unwrap_or_else(|| panic!("a role has a role's ARN: {}", role.arn));
        let key = (account.to_owned(), role.name().to_owned());
        let arn = role.arn.clone();
        let earlier = self.created.remove(&key);
        let created_at = earlier.as_ref().map_or(now, |it| it.created_at);
        self.created.insert(key, RoleEntry { role, created_at });
        let earlier = earlier.map(|it| it.role.arn);
        earlier.filter(|earlier| *earlier != arn)
    }

    pub(super) fn created(&self, arn: &str) -> Option<&Role> {
        let mut all = self.created.values();
        Some(&all.find(|it| it.role.arn == arn)?.role)
    }

    pub(super) fn delete(&mut self, arn: &str) {
        self.created.retain(|_, it| it.role.arn != arn);
    }

    /// How many roles have the managed policy with this ARN.
    pub(super) fn count_with_policy(&self, arn: &str) -> usize {
        let has = |it: &&RoleEntry| it.role.attached_policies.iter().any(|own| own == arn);
        self.created.values().filter(has).count()
    }

    pub(super) fn detach(&mut self, policy_arn: &str) {
        for entry in self.created.values_mut() {
            let attached = &mut entry.role.attached_policies;
            attached.retain(|it| it != policy_arn);
        }
    }

    /// The role that the request names.
    pub(super) fn requested(
        &self,
        request: &ApiRequest,
        eks: &EksState,
    ) -> Result<Cow<'_, RoleEntry>, ApiError> {
        self.named(request, request.required("RoleName")?, eks)
    }

    /// The role whose ARN the request has. Users, groups and policies are not simulated.
    pub(super) fn with_arn(
        &self,
        request: &ApiRequest,
        eks: &EksState,
    ) -> Result<Cow<'_, RoleEntry>, ApiError> {
        let arn = request.required("Arn")?;
        let name = arn.rsplit('/').next().unwrap_or_default();
        let entry = self.named(request, name, eks)?;
        if entry.role.arn != arn {
            return Err(no_such_entity(format!("ARN {arn} does not exist.")));
        }
        Ok(entry)
    }

    /// The caller's role with this name: the one that a test has created, or one that EKS accepts.
    fn named(
        &self,
        request: &ApiRequest,
        name: &str,
        eks: &EksState,
    ) -> Result<Cow<'_, RoleEntry>, ApiError> {
        let account = &request.account;
        let created = self.created.get(&(account.clone(), name.to_owned()));
        let known = created.map(|it| it.role.arn.as_str());
        let known = known.or_else(|| eks.role_arn(account, name));
        let arn = known.map_or_else(
            || {
                let (partition, path) = (partition(&request.region), &self.path);
                format!("arn:{partition}:iam::{account}:role{path}{name}")
            },
            str::to_owned,
        );
        let state = eks.role_state(&arn);
        if state == RoleState::Missing {
            let message = format!("The role with name {name} cannot be found.");
            return Err(no_such_entity(message));
        }
        let entry = created.map_or_else(
            || {
                Cow::Owned(RoleEntry {
                    role: Role::new(&arn),
                    created_at: self.starts_at,
                })
            },
            Cow::Borrowed,
        );
        if state == RoleState::BadTrust && entry.role.trusts_pods() {
            let RoleEntry { role, created_at } = entry.into_owned();
            let role = role.without_pods();
            return Ok(Cow::Owned(RoleEntry { role, created_at }));
        }
        Ok(entry)
    }
}
