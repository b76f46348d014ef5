//! What becomes of one grant of the old role under the new one's policies.
//!
//! The new role may do what a statement allows, inside its boundary, unless a statement denies it.
//! Each of the three is answered with certainty, or not at all. A grant is kept only if all three
//! certainly say so, whatever a condition key or a policy variable is.

use super::change::{Change, Decider, Doubt, Narrowing, Whose};
use super::conditions::{Clause, Held};
use super::dependence::Dependence;
use super::grants::Grant;
use super::points::{Shapes, point};
use super::rules::{Role, Rule, depends_on};
use super::sets::{Relation, Sets};

/// So many patterns are named in one text. A person looks for more of them in the policy.
const NAMED_MAX: usize = 8;

/// The two roles of a comparison.
pub(super) struct Comparison<'a> {
    pub old: &'a Role,
    pub new: &'a Role,
    pub roles: &'a Dependence,
    pub shapes: &'a Shapes,
    pub sets: &'a mut Sets,
}

/// What the statements of the new role, or of its boundary, allow of a grant.
enum Allowed<'a> {
    All,
    Nothing(Decider),
    /// What these statements select.
    Part(Vec<&'a Rule>),
    CannotTell(Vec<Doubt>),
}

impl<'a> Comparison<'a> {
    /// Returns the parts of the grant that change, and how; nothing if it is kept.
    pub(super) fn changes(&mut self, grant: &Grant) -> Vec<(Grant, Change)> {
        if self.sets.is_exhausted() {
            return vec![(
                grant.clone(),
                Change::cannot_tell(vec![Doubt::TooLarge], None),
            )];
        }
        let (denies, mut doubts) = match self.denies(grant) {
            Ok(found) => found,
            Err(decider) => return vec![self.lost(grant, decider)],
        };
        let new = self.new;
        let mut sides = vec![(None, self.allowed(grant, &new.allows, None))];
        if let Some(boundary) = &new.boundary {
            let name = Some(&*boundary.policy);
            sides.push((name, self.allowed(grant, &boundary.allows, name)));
        }
        let mut changes = Vec::new();
        for (boundary, allowed) in sides {
            match allowed {
                Allowed::All => {}
                Allowed::Nothing(decider) => return vec![self.lost(grant, decider)],
                Allowed::Part(rules) => changes.push(self.narrowed(grant, boundary, &rules)),
                Allowed::CannotTell(more) => doubts.extend(more),
            }
        }
        for rule in denies {
            for part in grant.meet(rule, self.sets) {
                changes.push(self.lost(&part, denied_by(rule)));
            }
        }
        if !doubts.is_empty() {
            changes.push((grant.clone(), Change::cannot_tell(doubts, None)));
        }
        changes
    }

    /// Returns the statements that certainly deny a part of the grant, and the doubts about others;
    /// `Err` if one denies all of it.
    fn denies(&mut self, grant: &Grant) -> Result<(Vec<&'a Rule>, Vec<Doubt>), Decider> {
        let (new, mut parts, mut doubts) = (self.new, Vec::new(), Vec::new());
        for rule in &new.denies {
            let relation = grant.relation_to(rule, self.sets);
            if relation == Relation::Apart || self.is_denied_before(grant, rule) {
                continue;
            }
            let unmet = self.unmet(rule, grant);
            match relation {
                _ if !unmet.is_empty() => doubts.push(Doubt::NewDenyDependsOn {
                    policy: rule.policy.clone(),
                    statement: rule.statement.clone(),
                    names: unmet,
                }),
                Relation::Within => return Err(denied_by(rule)),
                _ => parts.push(rule),
            }
        }
        Ok((parts, doubts))
    }

    /// Returns whether a statement of the old role denies all of the grant that this statement of
    /// the new role denies, whenever this one does.
    fn is_denied_before(&mut self, grant: &Grant, rule: &Rule) -> bool {
        let old = self.old;
        let held: Vec<Clause> = rule
            .conditions
            .iter()
            .chain(&grant.conditions)
            .cloned()
            .collect();
        let same = |before: &&Rule| {
            Held(&held).missing(&before.conditions).is_empty()
                && self.values_are_known(before, &rule.variables)
        };
        let candidates: Vec<_> = old.denies.iter().filter(same).collect();
        if candidates.is_empty() {
            return false;
        }
        let parts = grant.meet(rule, self.sets);
        candidates.iter().any(|before| {
            parts
                .iter()
                .all(|part| part.relation_to(before, self.sets) == Relation::Within)
        })
    }

    /// Returns whether each policy variable of the statement is one of `known`, and has the same
    /// value for both roles. If it has none, the other statement does not apply either.
    fn values_are_known(&self, rule: &Rule, known: &[String]) -> bool {
        rule.variables
            .iter()
            .all(|name| known.contains(name) && !self.roles.differs(name))
    }

    /// Returns the condition keys and variables because of which the statement may not apply to the
    /// grant.
    fn unmet(&self, rule: &Rule, grant: &Grant) -> Vec<String> {
        let conditions = Held(&grant.conditions).missing(&rule.conditions);
        let known = |name: &&String| grant.variables.contains(name) && !self.roles.differs(name);
        let variables: Vec<_> = rule
            .variables
            .iter()
            .filter(|name| !known(name))
            .cloned()
            .collect();
        depends_on(&conditions, &variables)
    }

    fn allowed(&mut self, grant: &Grant, rules: &'a [Rule], boundary: Option<&str>) -> Allowed<'a> {
        let (mut near, mut doubts, mut elsewhere) = (Vec::new(), Vec::new(), Vec::new());
        for rule in rules {
            match grant.relation_to(rule, self.sets) {
                Relation::Within => {
                    let unmet = self.unmet(rule, grant);
                    if unmet.is_empty() {
                        return Allowed::All;
                    }
                    doubts.push(self.doubt(rule, grant, unmet));
                }
                Relation::Overlapping => near.push(rule),
                Relation::Apart => {
                    if self.sets.relation_to(&grant.actions, rule.actions) == Relation::Within {
                        elsewhere.extend(self.sets.selected_text(rule.resources));
                    }
                }
            }
        }
        if !doubts.is_empty() {
            return Allowed::CannotTell(doubts);
        }
        if !near.is_empty() {
            return Allowed::Part(near);
        }
        Allowed::Nothing(match boundary {
            Some(policy) => Decider::OutsideBoundary {
                policy: policy.to_owned(),
            },
            None => Decider::NoStatement {
                elsewhere: few(elsewhere),
            },
        })
    }

    /// Returns the doubt about a statement that would allow the grant but for `unmet`.
    fn doubt(&self, rule: &Rule, grant: &Grant, unmet: Vec<String>) -> Doubt {
        let missing = Held(&grant.conditions).missing(&rule.conditions);
        let is_same = missing
            .iter()
            .all(|clause| !clause.differing().is_empty() && grant.conditions.contains(clause))
            && rule
                .variables
                .iter()
                .all(|name| grant.variables.contains(name));
        if !is_same {
            return Doubt::NewDependsOn {
                policy: rule.policy.clone(),
                names: unmet,
            };
        }
        let variables = rule
            .variables
            .iter()
            .filter(|name| self.roles.differs(name));
        let variables: Vec<_> = variables.cloned().collect();
        let mut names = depends_on(&[], &variables);
        names.extend(
            missing
                .iter()
                .flat_map(|clause| clause.differing().to_vec()),
        );
        names.sort();
        names.dedup();
        Doubt::RoleDecides { names }
    }

    /// Returns that the new role may not do any of the grant, if that is certain of the old role's
    /// side also.
    fn lost(&mut self, grant: &Grant, decider: Decider) -> (Grant, Change) {
        let mut doubts = self.old_doubts(grant);
        if matches!(decider, Decider::NoStatement { .. }) {
            doubts.extend(Doubt::unreadable(Whose::New, &self.new.unreadable));
        }
        if doubts.is_empty() && !self.has_point(grant, &[]) {
            doubts.push(self.old_deny(grant));
        }
        let change = Change::Lost(decider);
        (
            grant.clone(),
            if doubts.is_empty() {
                change
            } else {
                Change::cannot_tell(doubts, Some(change))
            },
        )
    }

    /// Returns that the new role may do less than the grant, if that is certain.
    fn narrowed(
        &mut self,
        grant: &Grant,
        boundary: Option<&str>,
        rules: &[&Rule],
    ) -> (Grant, Change) {
        let mut doubts = self.old_doubts(grant);
        if boundary.is_none() {
            doubts.extend(Doubt::unreadable(Whose::New, &self.new.unreadable));
        }
        let is_certain = doubts.is_empty() && self.has_point(grant, rules);
        let by_variable = rules
            .iter()
            .filter(|rule| !self.values_are_known(rule, &grant.variables));
        let by_variable: Vec<_> = by_variable
            .map(|rule| self.doubt(rule, grant, self.unmet(rule, grant)))
            .collect();
        if !is_certain && !by_variable.is_empty() {
            return (grant.clone(), Change::cannot_tell(by_variable, None));
        }
        if !is_certain && doubts.is_empty() {
            let is_possible = self.has_point(grant, &[]);
            doubts.push(if is_possible {
                Doubt::Overlap
            } else {
                self.old_deny(grant)
            });
        }
        let only = rules
            .iter()
            .map(|rule| self.part_text(grant, rule))
            .collect();
        let change = Change::Narrowed(Narrowing {
            boundary: boundary.map(str::to_owned),
            only: few(only),
        });
        (
            grant.clone(),
            if doubts.is_empty() {
                change
            } else {
                Change::cannot_tell(doubts, Some(change))
            },
        )
    }

    /// Returns the doubts whether the old role may do what the grant says, apart from its denies.
    fn old_doubts(&self, grant: &Grant) -> Vec<Doubt> {
        let mut doubts = Doubt::unreadable(Whose::Old, &self.old.unreadable);
        doubts.extend(Doubt::unreadable(
            Whose::Old,
            self.old.unreadable_boundary.as_slice(),
        ));
        if !grant.is_unconditional() {
            doubts.push(Doubt::OldDependsOn {
                names: grant.depends_on(),
            });
        }
        doubts
    }

    /// Returns whether there is certainly a request of the grant that the old role may make and
    /// that none of the rules selects.
    fn has_point(&mut self, grant: &Grant, rules: &[&Rule]) -> bool {
        let avoided = self.old.denies.iter().chain(rules.iter().copied());
        point(grant, avoided, self.shapes, self.sets).is_some()
    }

    /// Returns the doubt because of which the old role may have nothing of the grant.
    fn old_deny(&mut self, grant: &Grant) -> Doubt {
        let old = self.old;
        let near = old
            .denies
            .iter()
            .filter(|rule| grant.relation_to(rule, self.sets) != Relation::Apart);
        let policies: Vec<_> = near.map(|rule| rule.policy.clone()).collect();
        if policies.is_empty() {
            Doubt::Overlap
        } else {
            Doubt::OldDeny {
                policies: few(policies),
            }
        }
    }

    /// Returns what a statement allows of the grant, as a text.
    fn part_text(&mut self, grant: &Grant, rule: &Rule) -> String {
        let is_whole = self.sets.relation_to(&grant.actions, rule.actions) == Relation::Within;
        let mut text = if is_whole {
            self.sets.area_text(&grant.actions)
        } else {
            let parts = self.sets.meet(&grant.actions, rule.actions);
            self.sets.areas_text(&parts, NAMED_MAX)
        };
        if self.sets.relation_to(&grant.resources, rule.resources) != Relation::Within {
            let parts = self.sets.meet(&grant.resources, rule.resources);
            text = format!("{text} on {}", self.sets.areas_text(&parts, NAMED_MAX));
        }
        match rule.depends_on() {
            names if names.is_empty() => text,
            names => format!("{text} (depending on {})", names.join(", ")),
        }
    }
}

fn denied_by(rule: &Rule) -> Decider {
    Decider::Deny {
        policy: rule.policy.clone(),
        statement: rule.statement.clone(),
    }
}

/// Sorts the texts, and leaves out equal ones and those that are too many.
fn few(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts.dedup();
    if texts.len() > NAMED_MAX {
        let left = texts.len() - NAMED_MAX;
        texts.truncate(NAMED_MAX);
        texts.push(format!("{left} more"));
    }
    texts
}
