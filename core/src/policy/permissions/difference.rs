//! The difference of two roles' permissions, as a person reads it: few entries, by service.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::change::{Change, Doubt, Whose};
use super::compare::Comparison;
use super::dependence::Dependence;
use super::glob::Kind;
use super::grants::{Any, Areas, GRANTS_MAX, Grant, grants};
use super::input::{BothRoles, Permissions};
use super::points::Shapes;
use super::rules::{Reader, Role, Rule};
use super::sets::{Pair, Sets};
use super::usage::{LastAccessed, Use};

/// The service of entries whose actions are not of one service.
pub const ANY_SERVICE: &str = "*";
/// So many changes are searched for those that others contain. The search takes quadratic time.
const CONTAINED_MAX: usize = 1_500;

/// What the old role may do and the new one may not, or perhaps not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// By service; for each service, lost ones first.
    pub entries: Vec<Entry>,
    /// The permissions of the old role that the new one certainly has, as pairs of an action
    /// pattern and a resource pattern.
    pub kept: usize,
}

/// Permissions of the old role that change alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The service's namespace as in actions, in lower case, or [`ANY_SERVICE`].
    pub service: String,
    pub change: Change,
    /// The policy of the old role that allows this.
    pub policy: String,
    /// As the policy writes them.
    pub actions: Vec<String>,
    pub resources: Vec<String>,
    /// Whether the old role has used the service.
    pub last_use: Use,
}

/// Compares what two roles may do, by their own policies and boundaries. What the policies of
/// resources, of the organization and of sessions add or take away is not considered.
///
/// ```
/// use rerole_core::policy::Document;
/// use rerole_core::policy::permissions::{
///     BothRoles, LastAccessed, NamedDocument, Permissions, difference,
/// };
///
/// let permissions = |role: &str, action: &str| Permissions {
///     role: format!("arn:aws:iam::111122223333:role/{role}").parse().unwrap(),
///     identity: vec![NamedDocument {
///         name: "app".to_owned(),
///         document: Document::parse(&format!(
///             r#"{{"Version": "2012-10-17", "Statement":
///             {{"Effect": "Allow", "Action": "{action}", "Resource": "*"}}}}"#
///         )),
///     }],
///     boundary: None,
///     tags: None,
/// };
/// let (old, new) = (permissions("old", "s3:PutObject"), permissions("new", "s3:Get*"));
/// let roles = BothRoles { old: &old, new: &new };
/// let difference = difference(roles, &LastAccessed::default());
/// assert_eq!(
///     difference.entries[0].to_string(),
///     "lost, use unknown: s3:PutObject on * (app): no statement of the new role allows it"
/// );
/// ```
#[must_use]
pub fn difference(both: BothRoles<&Permissions>, last_accessed: &LastAccessed) -> Difference {
    let roles = Dependence::new(both);
    let mut sets = Sets::new();
    let mut reader = Reader {
        sets: &mut sets,
        roles: &roles,
    };
    let (old, new) = (reader.role(both.old), reader.role(both.new));
    let mut glob = |text, kind| sets.glob(text, kind, |_| false);
    let any = Any {
        action: glob("*", Kind::Action),
        resource: glob("*", Kind::Resource),
    };
    let shapes = Shapes {
        actions: vec![glob("?*:?*", Kind::Action)],
        resources: vec![
            glob("arn:?*:?*:*:*:?*", Kind::Resource),
            glob("${*}", Kind::Resource),
        ],
    };
    let mut found = Found::default();
    let mut comparison = Comparison {
        old: &old,
        new: &new,
        roles: &roles,
        shapes: &shapes,
        sets: &mut sets,
    };
    found.compare(&mut comparison, any, last_accessed);
    found.drop_contained(&mut sets);
    let mut entries = found.entries(&sets, last_accessed);
    entries.extend(unreadable(BothRoles {
        old: &old,
        new: &new,
    }));
    entries.sort();
    Difference {
        entries,
        kept: found.kept,
    }
}

/// The changes of all grants.
#[derive(Default)]
struct Found {
    changes: Vec<(Grant, Change)>,
    kept: usize,
}

impl Found {
    fn compare(&mut self, comparison: &mut Comparison<'_>, any: Any, last_accessed: &LastAccessed) {
        let mut count = 0;
        for rule in &comparison.old.allows {
            let grants = grants(rule, comparison.old, any, comparison.sets);
            count += grants.as_ref().map_or(0, Vec::len);
            let Some(grants) = grants.filter(|_| count <= GRANTS_MAX) else {
                self.add_too_large(rule, any, comparison.sets);
                continue;
            };
            for grant in grants {
                let grants = for_services(grant, last_accessed, comparison.sets);
                for grant in grants {
                    let changes = comparison.changes(&grant);
                    self.kept += usize::from(changes.is_empty());
                    self.changes.extend(changes);
                }
            }
        }
    }

    fn add_too_large(&mut self, rule: &Rule, any: Any, sets: &mut Sets) {
        let change = Change::CannotTell {
            doubts: vec![Doubt::TooLarge],
            otherwise: None,
        };
        for actions in sets.areas(rule.actions, any.action) {
            for resources in sets.areas(rule.resources, any.resource) {
                let grant = Grant::of(
                    rule,
                    Areas {
                        actions: actions.clone(),
                        resources,
                    },
                );
                self.changes.push((grant, change.clone()));
            }
        }
    }

    /// Drops each change that another one includes: the same change of more, or the certain loss of
    /// more.
    fn drop_contained(&mut self, sets: &mut Sets) {
        let mut seen = BTreeSet::new();
        self.changes.retain(|(grant, change)| {
            seen.insert((
                grant.policy.clone(),
                sets.area_text(&grant.actions),
                sets.area_text(&grant.resources),
                change.clone(),
            ))
        });
        if self.changes.len() > CONTAINED_MAX {
            return;
        }
        let mut at = 0;
        while at < self.changes.len() {
            let (grant, change) = &self.changes[at];
            let is_contained =
                self.changes
                    .iter()
                    .enumerate()
                    .any(|(other, (wider, including))| {
                        other != at
                            && including.includes(change)
                            && sets.is_within(Pair {
                                inner: &grant.actions,
                                outer: &wider.actions,
                            })
                            && sets.is_within(Pair {
                                inner: &grant.resources,
                                outer: &wider.resources,
                            })
                    });
            if is_contained {
                self.changes.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// Merges the changes that differ only in their actions, and then those that differ only in
    /// their resources.
    fn entries(&self, sets: &Sets, last_accessed: &LastAccessed) -> Vec<Entry> {
        let mut by_resource: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (grant, change) in &self.changes {
            let actions = sets.area_text(&grant.actions);
            let key = (
                service(&actions),
                change,
                &grant.policy,
                sets.area_text(&grant.resources),
            );
            by_resource.entry(key).or_default().insert(actions);
        }
        let mut merged: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for ((service, change, policy, resource), actions) in by_resource {
            merged
                .entry((service, change, policy, actions))
                .or_default()
                .insert(resource);
        }
        let entry = |((service, change, policy, actions), resources): (
            (String, &Change, &String, BTreeSet<String>),
            BTreeSet<String>,
        )| Entry {
            last_use: last_accessed.of(&service),
            service,
            change: change.clone(),
            policy: policy.clone(),
            actions: actions.into_iter().collect(),
            resources: resources.into_iter().collect(),
        };
        merged.into_iter().map(entry).collect()
    }
}

/// Returns the grant, and if it is not of one service, what it says of each service that was used.
/// For example, `*` becomes `*` and `s3:*`: whether the new role has anything of S3 says more than
/// that it has not everything.
fn for_services(grant: Grant, last_accessed: &LastAccessed, sets: &mut Sets) -> Vec<Grant> {
    if service(&sets.area_text(&grant.actions)) != ANY_SERVICE {
        return vec![grant];
    }
    let mut grants = Vec::new();
    for name in last_accessed.used() {
        let glob = sets.glob(&format!("{name}:*"), Kind::Action, |_| false);
        let part = sets.meet_glob(&grant.actions, glob);
        grants.extend(part.map(|actions| {
            grant.part(Areas {
                actions,
                resources: grant.resources.clone(),
            })
        }));
    }
    grants.push(grant);
    grants
}

/// Returns the service of an action pattern.
fn service(action: &str) -> String {
    match action.split_once(':') {
        Some((service, _)) if !service.contains(['*', '?']) => service.to_ascii_lowercase(),
        _ => ANY_SERVICE.to_owned(),
    }
}

/// Returns an entry for each policy that could not be read: it may allow or deny anything.
fn unreadable(BothRoles { old, new }: BothRoles<&Role>) -> Vec<Entry> {
    let of = |whose, role: &Role| {
        let policies = role.unreadable.iter().chain(&role.unreadable_boundary);
        let entry = |policy: &String| Entry {
            service: ANY_SERVICE.to_owned(),
            change: Change::CannotTell {
                doubts: vec![Doubt::Unreadable {
                    whose,
                    policy: policy.clone(),
                }],
                otherwise: None,
            },
            policy: policy.clone(),
            actions: vec!["*".to_owned()],
            resources: vec!["*".to_owned()],
            last_use: Use::Unknown,
        };
        policies.map(entry).collect::<Vec<_>>()
    };
    [of(Whose::Old, old), of(Whose::New, new)].concat()
}

impl Difference {
    /// Returns a line for each kind of change and use, such as `lost, and used on 2026-11-20: s3`.
    #[must_use]
    pub fn summary(&self) -> Vec<String> {
        let mut services: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
        for entry in &self.entries {
            let order = match entry.change {
                Change::Lost(_) => 0,
                Change::Narrowed(_) => 1,
                Change::CannotTell { .. } => 2,
            };
            let group = services.entry((order, entry.last_use, entry.heading()));
            group.or_default().insert(&entry.service);
        }
        let lines = services.into_iter().map(|((_, _, heading), services)| {
            let services: Vec<_> = services.into_iter().collect();
            format!("{heading}: {}", services.join(", "))
        });
        lines.collect()
    }
}

impl Entry {
    /// Returns the change and the last use, such as `lost, and used on 2026-11-20`.
    #[must_use]
    pub fn heading(&self) -> String {
        let join = match self.last_use {
            Use::Used(_) => ", and",
            Use::NotUsed | Use::Unknown => ",",
        };
        format!("{}{join} {}", self.change.label(), self.last_use)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (actions, resources) = (self.actions.join(", "), self.resources.join(", "));
        let (heading, change) = (self.heading(), &self.change);
        write!(
            f,
            "{heading}: {actions} on {resources} ({}): {change}",
            self.policy
        )
    }
}
