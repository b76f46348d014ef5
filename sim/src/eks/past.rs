//! The past of associations and what EKS knows of roles, for the services that derive from it what
//! they show: CloudTrail's events about the credentials of pods, and the roles of IAM.

use std::collections::BTreeSet;
use std::time::SystemTime;

use crate::eks::history::History;
use crate::eks::resources::{Association, RoleState};
use crate::eks::roles::account_of_role;
use crate::eks::state::EksState;

impl EksState {
    /// Keeps every state of every association from now on. Before, an association counts as having
    /// been as it is now.
    pub(crate) fn keep_past(&mut self) {
        self.all_earlier.get_or_insert_with(History::default);
    }

    /// The association with this ARN as it was at `time`.
    pub(crate) fn association_at(&self, arn: &str, time: SystemTime) -> Option<&Association> {
        let current = self.associations.get(arn);
        match &self.all_earlier {
            Some(earlier) => earlier.at(arn, time, current),
            None => current,
        }
    }

    /// When the association with this ARN was created, also if it was deleted later.
    pub(crate) fn created_at(&self, arn: &str) -> Option<SystemTime> {
        let earlier = self.all_earlier.iter().flat_map(|it| it.states(arn));
        let mut states = self.associations.get(arn).into_iter().chain(earlier);
        Some(states.next()?.created_at)
    }

    /// The ARNs that start with `prefix` of all associations that there are or were, in order.
    pub(crate) fn arns_ever<'a>(&'a self, prefix: &'a str) -> BTreeSet<&'a String> {
        let earlier = self.all_earlier.iter();
        let earlier = earlier.flat_map(|history| history.with_prefix(prefix));
        let current = self.with_prefix(prefix).map(|(arn, _)| arn);
        current.chain(earlier).collect()
    }

    /// Names a role that no association uses, so its ARN is known.
    pub(crate) fn name_role(&mut self, role_arn: &str) {
        let states = &mut self.role_states;
        states
            .entry(role_arn.to_owned())
            .or_insert(RoleState::Ready);
    }

    /// The ARN of the account's role with this name, if EKS has met it.
    pub(crate) fn role_arn(&self, account: &str, name: &str) -> Option<&str> {
        let used = self.associations.values().flat_map(|it| {
            let target = it.target_role_arn.iter();
            target.chain([&it.role_arn])
        });
        let mut all = self.role_states.keys().chain(used);
        let found = all.find(|arn| {
            let is_named = arn.rsplit('/').next() == Some(name);
            is_named && account_of_role(arn) == Some(account)
        });
        found.map(String::as_str)
    }

    /// What EKS finds when it checks this role, apart from what it does not see yet.
    pub(crate) fn role_state(&self, role_arn: &str) -> RoleState {
        let state = self.role_states.get(role_arn).copied();
        state.unwrap_or(RoleState::Ready)
    }
}
