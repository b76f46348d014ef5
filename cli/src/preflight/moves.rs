//! The associations that a rotation would move, with the roles that they would have then.

use rerole_core::indexing::IndexItem;
use rerole_core::resource::RoleFields;

use crate::request::Roles;
use crate::words;

/// How many workloads a finding names.
const EXAMPLES: usize = 3;

/// An association that would be moved.
#[derive(Debug, Clone, Copy)]
pub struct Move<'a> {
    pub item: &'a IndexItem,
    /// The role that its pods would assume, and whether that is the new one.
    pub role: &'a str,
    pub is_role_new: bool,
    /// The role that they would assume with that one.
    pub target: Option<&'a str>,
}

impl<'a> Move<'a> {
    /// Returns the move of an association, or `None` if it would stay: it is on neither role, or
    /// an add-on owns it. One that is on the new role already counts as moved.
    pub fn of(item: &'a IndexItem, roles: &'a Roles) -> Option<Self> {
        let (role, target) = (item.role_arn.as_str(), item.target_role_arn.as_deref());
        let is_moved = [&roles.old, &roles.new]
            .into_iter()
            .any(|it| !RoleFields::naming(it, role, target).is_empty());
        if item.owner_arn.is_some() || !is_moved {
            return None;
        }
        let (old, new) = (roles.old.as_str(), roles.new.as_str());
        let after = |role: &'a str| if role == old { new } else { role };
        Some(Self {
            item,
            role: after(role),
            is_role_new: after(role) == new,
            target: target.map(after),
        })
    }

    /// The cluster with its region.
    pub fn place(&self) -> String {
        let region = self.item.association_arn.region();
        format!("{} in {region}", self.item.cluster_name)
    }

    pub fn workload(&self) -> String {
        format!("{}/{}", self.item.namespace, self.item.service_account)
    }
}

/// Some of the workloads, and how many more there are.
pub fn examples(workloads: &[String]) -> String {
    format!("for example {}", words::list(workloads, EXAMPLES))
}

/// `1 association` or `2 associations`.
pub fn associations(count: usize) -> String {
    words::count(count as u64, "association")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::testing::{item, role, roles};

    #[test]
    fn a_move_has_the_new_role_in_place_of_the_old_one() {
        let roles = roles(["app-2025", "app-2026"]);
        for (own, target, expected) in [
            ("app-2025", None, Some(("app-2026", true, None))),
            (
                "app-2025",
                Some("data"),
                Some(("app-2026", true, Some("data"))),
            ),
            (
                "front",
                Some("app-2025"),
                Some(("front", false, Some("app-2026"))),
            ),
            (
                "app-2025",
                Some("app-2025"),
                Some(("app-2026", true, Some("app-2026"))),
            ),
            ("app-2026", None, Some(("app-2026", true, None))),
            ("front", Some("data"), None),
        ] {
            let mut item = item(("prod-1", "pay/api"), own);
            item.target_role_arn = target.map(|name| role(name).to_string());
            let moved = Move::of(&item, &roles);
            let moved = moved.map(|it| (it.role, it.is_role_new, it.target));
            let arns = expected.map(|(own, is_new, target)| {
                let target = target.map(|name: &str| role(name).to_string());
                (role(own).to_string(), is_new, target)
            });
            let arns = arns.as_ref();
            let arns = arns.map(|(own, is_new, target)| (own.as_str(), *is_new, target.as_deref()));
            assert_eq!(moved, arns, "{own} {target:?}");
        }
    }

    #[test]
    fn an_association_of_an_add_on_stays() {
        let mut item = item(("prod-1", "pay/api"), "app-2025");
        item.owner_arn = Some("arn:aws:eks:us-east-1:111122223333:addon/prod-1/x/1".to_owned());
        assert!(Move::of(&item, &roles(["app-2025", "app-2026"])).is_none());
    }
}
