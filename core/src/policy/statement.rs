//! One statement of a policy, as plain data. It is read in `document.rs`.

use crate::policy::{Operator, Pattern, Principal};

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub sid: Option<String>,
    /// The statement's place in its document, from 0.
    pub index: usize,
    pub effect: Effect,
    /// `None` in an identity-based policy: it is about those to whom it is attached.
    pub principals: Option<Selection<Principal>>,
    pub actions: Selection<Pattern>,
    /// `None` in a trust policy: it is about the role that has it.
    pub resources: Option<Selection<Pattern>>,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
}

/// What a statement does with a request that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    Allow,
    Deny,
}

/// What a member and its `Not…` form select, such as `Action` and `NotAction`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selection<T> {
    /// What one of these matches.
    Only(Vec<T>),
    /// What none of these matches.
    AllBut(Vec<T>),
}

impl<T> Selection<T> {
    /// Returns the entries, of either form.
    #[must_use]
    pub fn entries(&self) -> &[T] {
        match self {
            Self::Only(entries) | Self::AllBut(entries) => entries,
        }
    }
}

/// One key of a statement's `Condition`, under one operator.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Condition {
    pub operator: Operator,
    /// The key as it is written. IAM does not distinguish its upper and lower case.
    pub key: String,
    /// At least one. A boolean or number is its text.
    pub values: Vec<String>,
}
