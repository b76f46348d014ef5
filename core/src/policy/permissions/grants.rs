//! What the old role may do, as grants: one action pattern on one resource pattern each, inside its
//! boundary, and without what its own policies deny.

use super::conditions::Clause;
use super::rules::{Boundary, Role, Rule, depends_on};
use super::sets::{Area, GlobId, Relation, Sets};

/// The grants of one comparison. A policy of the greatest length has tens of thousands of pairs of
/// patterns only if it lists hundreds of actions and of resources in one statement.
pub(super) const GRANTS_MAX: usize = 20_000;

/// A grant of the old role.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    /// The policy that allows it.
    pub policy: String,
    pub actions: Area,
    pub resources: Area,
    /// All must hold, of the policy's statement and of the boundary's.
    pub conditions: Vec<Clause>,
    /// The policy variables of both statements.
    pub variables: Vec<String>,
}

/// The actions and resources of a grant, or of a part of it.
#[derive(Debug)]
pub(super) struct Areas {
    pub actions: Area,
    pub resources: Area,
}

impl Grant {
    /// Returns what the rule allows of these actions and resources.
    pub(super) fn of(rule: &Rule, Areas { actions, resources }: Areas) -> Self {
        Self {
            policy: rule.policy.clone(),
            actions,
            resources,
            conditions: rule.conditions.clone(),
            variables: rule.variables.clone(),
        }
    }

    /// Returns whether nothing but the old role's own denies can take the grant away.
    pub(super) fn is_unconditional(&self) -> bool {
        self.conditions.is_empty() && self.variables.is_empty()
    }

    pub(super) fn depends_on(&self) -> Vec<String> {
        depends_on(&self.conditions, &self.variables)
    }

    /// Returns the same grant for a part of its actions and resources.
    pub(super) fn part(&self, Areas { actions, resources }: Areas) -> Self {
        Self {
            actions,
            resources,
            ..self.clone()
        }
    }

    /// Returns how what the grant covers relates to what the rule selects, in both dimensions.
    pub(super) fn relation_to(&self, rule: &Rule, sets: &mut Sets) -> Relation {
        let actions = sets.relation_to(&self.actions, rule.actions);
        if actions == Relation::Apart {
            return Relation::Apart;
        }
        match sets.relation_to(&self.resources, rule.resources) {
            Relation::Within => actions,
            other => other,
        }
    }

    /// Returns the parts of the grant that the rule also selects.
    pub(super) fn meet(&self, rule: &Rule, sets: &mut Sets) -> Vec<Self> {
        let resources = sets.meet(&self.resources, rule.resources);
        let actions = sets.meet(&self.actions, rule.actions);
        let pairs = actions.iter().flat_map(|actions| {
            resources.iter().map(|resources| {
                self.part(Areas {
                    actions: actions.clone(),
                    resources: resources.clone(),
                })
            })
        });
        pairs.collect()
    }
}

/// What matches every action, and what matches every resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct Any {
    pub action: GlobId,
    pub resource: GlobId,
}

/// Returns the grants of a rule of the old role, inside its boundary and without its denies; `None`
/// if they are too many.
pub(super) fn grants(rule: &Rule, old: &Role, any: Any, sets: &mut Sets) -> Option<Vec<Grant>> {
    let actions = sets.areas(rule.actions, any.action);
    let resources = sets.areas(rule.resources, any.resource);
    let mut grants = Vec::new();
    for (actions, resources) in actions
        .iter()
        .flat_map(|actions| resources.iter().map(move |on| (actions, on)))
    {
        let grant = Grant::of(
            rule,
            Areas {
                actions: actions.clone(),
                resources: resources.clone(),
            },
        );
        let inside = match &old.boundary {
            Some(boundary) => inside(&grant, boundary, sets),
            None => vec![grant],
        };
        for grant in inside {
            grants.extend(without_denied(grant, &old.denies, sets)?);
            if grants.len() > GRANTS_MAX {
                return None;
            }
        }
    }
    Some(grants)
}

/// Returns the parts of a grant that the boundary allows.
fn inside(grant: &Grant, boundary: &Boundary, sets: &mut Sets) -> Vec<Grant> {
    let mut parts = Vec::new();
    for rule in &boundary.allows {
        let relation = grant.relation_to(rule, sets);
        if relation == Relation::Within && rule.is_unconditional() {
            return vec![grant.clone()];
        }
        if relation == Relation::Apart {
            continue;
        }
        let limit = |mut part: Grant| {
            part.conditions.extend(rule.conditions.iter().cloned());
            part.variables.extend(rule.variables.iter().cloned());
            part
        };
        parts.extend(grant.meet(rule, sets).into_iter().map(limit));
    }
    parts
}

/// Returns the grant without what is certainly denied, as far as that can be written as one action
/// set and one resource set: if the deny covers all actions or all resources of the grant. Other
/// denies are avoided where a request is searched, in `points.rs`. `None` if there are too many
/// parts.
fn without_denied(grant: Grant, denies: &[Rule], sets: &mut Sets) -> Option<Vec<Grant>> {
    let mut parts = vec![grant];
    for rule in denies.iter().filter(|rule| rule.is_unconditional()) {
        let mut rest = Vec::new();
        for part in parts {
            let actions = sets.relation_to(&part.actions, rule.actions);
            let resources = sets.relation_to(&part.resources, rule.resources);
            match (actions, resources) {
                (Relation::Within, Relation::Within) => {}
                (Relation::Overlapping, Relation::Within) => {
                    let left = sets.minus(&part.actions, rule.actions);
                    rest.extend(left.into_iter().map(|left| {
                        part.part(Areas {
                            actions: left,
                            resources: part.resources.clone(),
                        })
                    }));
                }
                (Relation::Within, Relation::Overlapping) => {
                    let left = sets.minus(&part.resources, rule.resources);
                    rest.extend(left.into_iter().map(|left| {
                        part.part(Areas {
                            actions: part.actions.clone(),
                            resources: left,
                        })
                    }));
                }
                _ => rest.push(part),
            }
        }
        parts = rest;
        if parts.len() > GRANTS_MAX {
            return None;
        }
    }
    Some(parts)
}
