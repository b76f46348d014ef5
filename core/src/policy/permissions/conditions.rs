//! Whether conditions that hold for one role imply that those of another statement hold. The values
//! of keys are not known here: two conditions are compared by their text.

use std::collections::BTreeSet;

use super::dependence::Dependence;
use super::glob::variables;
use crate::policy::{Condition, OperatorKind, Version};

/// A condition of one of the two roles.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Clause {
    condition: Condition,
    /// Whether `${…}` in its values is replaced.
    is_replaced: bool,
    /// The key and the variables in the values that may have another value for the other role.
    differing: Vec<String>,
}

impl Clause {
    pub(super) fn new(condition: &Condition, version: Version, roles: &Dependence) -> Self {
        let has_variable = condition.values.iter().any(|value| value.contains("${"));
        let is_replaced = has_variable && version == Version::V2012;
        let key = Some(condition.key.clone()).filter(|key| roles.differs(key));
        let names = condition
            .values
            .iter()
            .filter(|_| is_replaced)
            .flat_map(|value| variables(value));
        let names = names
            .filter(|name| roles.differs(name))
            .map(|name| format!("${{{name}}}"));
        Self {
            condition: condition.clone(),
            is_replaced,
            differing: key.into_iter().chain(names).collect(),
        }
    }

    pub(super) fn key(&self) -> &str {
        &self.condition.key
    }

    /// Returns the key and the policy variables that may have another value for the other role.
    pub(super) fn differing(&self) -> &[String] {
        &self.differing
    }

    /// Returns the policy variables in the values.
    pub(super) fn variables(&self) -> Vec<String> {
        let values = self.condition.values.iter().filter(|_| self.is_replaced);
        values.flat_map(|value| variables(value)).collect()
    }

    /// Returns whether this condition certainly holds for one role in each request in which `held`
    /// holds for the other.
    fn follows_from(&self, held: &Self) -> bool {
        let (mine, other) = (&self.condition, &held.condition);
        let is_comparable = self.differing.is_empty()
            && held.differing.is_empty()
            && mine.key.eq_ignore_ascii_case(&other.key)
            && mine.operator.kind == other.operator.kind
            && mine.operator.quantifier == other.operator.quantifier
            && self.is_replaced == held.is_replaced;
        // `…IfExists` holds wherever the operator without it does.
        if !is_comparable || (other.operator.if_exists && !mine.operator.if_exists) {
            return false;
        }
        let mine_values: BTreeSet<_> = mine.values.iter().collect();
        let other_values: BTreeSet<_> = other.values.iter().collect();
        let kind = mine.operator.kind;
        match (kind.is_negated(), mine.operator.quantifier) {
            // More values allow more.
            (false, _) if kind != OperatorKind::Null => other_values.is_subset(&mine_values),
            // More values forbid more.
            (true, None) => mine_values.is_subset(&other_values),
            _ => mine_values == other_values,
        }
    }
}

/// Conditions that all hold.
pub(super) struct Held<'a>(pub &'a [Clause]);

impl Held<'_> {
    /// Returns the conditions of `wanted` that do not certainly hold as well.
    pub(super) fn missing(&self, wanted: &[Clause]) -> Vec<Clause> {
        let follows = |clause: &&Clause| !self.0.iter().any(|held| clause.follows_from(held));
        wanted.iter().filter(follows).cloned().collect()
    }
}
