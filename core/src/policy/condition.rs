//! Whether a condition holds: its key in the request, the lists on both sides, `IfExists`,
//! quantifiers and negation. Single values are compared in `compare.rs`.
//!
//! IAM User Guide, "IAM JSON policy elements: Condition operators", "Conditions with multiple
//! context keys or values" and "Single-valued vs. multivalued context keys".

use std::collections::BTreeSet;

use crate::policy::compare::{Expected, boolean, compare, matches_any_value};
use crate::policy::truth::Judgement;
use crate::policy::variables::Expansion;
use crate::policy::{Condition, Context, KeyFact, Operator, OperatorKind, Quantifier};
use crate::policy::{Reason, Version};

/// Returns whether the condition holds for a request.
pub(super) fn judge(condition: &Condition, version: Version, context: &Context) -> Judgement {
    let kind = condition.operator.kind;
    let expected: Vec<_> = condition
        .values
        .iter()
        .map(|text| Expected::new(kind, text, version, context))
        .collect();
    let open = Open {
        operator: condition.operator,
        key: &condition.key,
        expected: &expected,
    };
    let judgement = open.given(context.fact(&condition.key));
    judgement.doubted(doubts(&expected))
}

/// Returns why the statement might not count: variables that have, or may have, no value.
fn doubts(expected: &[Expected<'_>]) -> BTreeSet<Reason> {
    let doubt = |expected: &Expected<'_>| match expected {
        Expected::Expanded(
            Expansion::Unresolved(reason)
            | Expansion::Unknown {
                reason,
                doubt: true,
            },
        ) => Some(reason.clone()),
        _ => None,
    };
    expected.iter().filter_map(doubt).collect()
}

/// A condition whose key is not yet looked up.
struct Open<'a> {
    operator: Operator,
    key: &'a str,
    expected: &'a [Expected<'a>],
}

impl Open<'_> {
    fn given(&self, fact: &KeyFact) -> Judgement {
        match (self.operator.kind, fact) {
            (_, KeyFact::Unknown) => self.given(&KeyFact::Absent).in_both(
                self.given(&KeyFact::Exists),
                Reason::Key(self.key.to_owned()),
            ),
            (OperatorKind::Null, fact) => self.is_null(fact),
            (_, KeyFact::Absent) => self.absent(),
            (_, KeyFact::Exists) => self.one(None),
            (_, KeyFact::Present(values)) => self.present(values),
        }
    }

    fn is_null(&self, fact: &KeyFact) -> Judgement {
        let is_absent = match fact {
            KeyFact::Absent => Judgement::Yes,
            KeyFact::Present(values) if is_empty(values) => {
                return Judgement::undocumented("Null for a key whose value is empty");
            }
            _ => Judgement::No,
        };
        Judgement::any(self.expected.iter().map(|expected| {
            let wanted = match expected {
                Expected::Plain(text) => boolean(text),
                _ => None,
            };
            match wanted {
                Some(true) => is_absent.clone(),
                Some(false) => is_absent.clone().not(),
                None => Judgement::undocumented("Null with neither true nor false"),
            }
        }))
    }

    /// The request does not have the key.
    fn absent(&self) -> Judgement {
        match (self.operator.quantifier, self.operator.if_exists) {
            (Some(Quantifier::ForAll), _) => Judgement::Yes,
            (Some(Quantifier::ForAny), true) => Judgement::undocumented(format!(
                "{} for {}, which the request does not have",
                self.operator, self.key
            )),
            (Some(Quantifier::ForAny), false) => Judgement::No,
            (None, if_exists) => (if_exists || self.operator.kind.is_negated()).into(),
        }
    }

    fn present(&self, values: &[String]) -> Judgement {
        let each = || values.iter().map(|value| self.one(Some(value)));
        match self.operator.quantifier {
            Some(Quantifier::ForAll) if is_empty(values) => Judgement::Yes,
            Some(Quantifier::ForAny) if is_empty(values) => Judgement::No,
            Some(Quantifier::ForAll) => Judgement::all(each()),
            Some(Quantifier::ForAny) => Judgement::any(each()),
            // All values or any value: without a quantifier, the documentation does not say.
            None => Judgement::all(each()).in_both_or_same(Judgement::any(each()), || {
                Reason::Undocumented(format!("{} for the values of {}", self.operator, self.key))
            }),
        }
    }

    /// Returns whether the operator holds for one value, or for one that is unknown.
    fn one(&self, value: Option<&str>) -> Judgement {
        let kind = self.operator.kind;
        let found = Judgement::any(self.expected.iter().map(|expected| match value {
            Some(value) => compare(kind, expected, value),
            None if matches_any_value(kind, expected) => Judgement::Yes,
            None if matches!(expected, Expected::Expanded(Expansion::Unresolved(_))) => {
                Judgement::No
            }
            None => Judgement::unknown(Reason::Key(self.key.to_owned())),
        }));
        if kind.is_negated() {
            found.not()
        } else {
            found
        }
    }
}

impl Judgement {
    /// Like [`Judgement::in_both`], without a further reason if the two are the same.
    fn in_both_or_same(self, other: Self, which: impl Fn() -> Reason) -> Self {
        if self == other {
            self
        } else {
            self.in_both(other, which())
        }
    }
}

/// Returns whether the values are what the documentation calls a null data set: an empty text.
fn is_empty(values: &[String]) -> bool {
    values.iter().all(String::is_empty)
}
