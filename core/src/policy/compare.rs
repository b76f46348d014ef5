//! What one operator says of one value of the policy and one value of the request. Keys, lists and
//! negation are in `condition.rs`.
//!
//! IAM User Guide, "IAM JSON policy elements: Condition operators".

use std::net::IpAddr;

use crate::policy::pattern::{Case, Piece, matches};
use crate::policy::truth::Judgement;
use crate::policy::values::{base64, is_in_range, moment, number};
use crate::policy::variables::{Expansion, Wildcards, expand, has_variable};
use crate::policy::{Context, OperatorKind, Version};

/// A value of a condition, as its operator reads it.
#[derive(Debug, Clone)]
pub(super) enum Expected<'a> {
    /// Of an operator that replaces variables: those for strings and ARNs.
    Expanded(Expansion),
    Plain(&'a str),
    /// Of another operator, with a variable in it.
    HasVariable(&'a str),
}

impl<'a> Expected<'a> {
    pub(super) fn new(
        kind: OperatorKind,
        text: &'a str,
        version: Version,
        context: &Context,
    ) -> Self {
        match kind.wildcards() {
            Some(wildcards) => Self::Expanded(expand(text, wildcards, version, context)),
            None if has_variable(text, version) => Self::HasVariable(text),
            None => Self::Plain(text),
        }
    }
}

impl OperatorKind {
    /// Returns how the operator reads wildcards, or `None` if it also takes no variables.
    fn wildcards(self) -> Option<Wildcards> {
        match self {
            Self::StringEquals
            | Self::StringNotEquals
            | Self::StringEqualsIgnoreCase
            | Self::StringNotEqualsIgnoreCase => Some(Wildcards::Literal),
            Self::StringLike
            | Self::StringNotLike
            | Self::ArnEquals
            | Self::ArnNotEquals
            | Self::ArnLike
            | Self::ArnNotLike => Some(Wildcards::Read),
            _ => None,
        }
    }
}

/// Returns whether the value of the request has the relation to that of the policy which the
/// operator names, without its negation.
pub(super) fn compare(kind: OperatorKind, expected: &Expected<'_>, value: &str) -> Judgement {
    match expected {
        Expected::Expanded(Expansion::Known(pattern)) => text(kind, pattern, value),
        Expected::Expanded(Expansion::Unresolved(_)) => Judgement::No,
        Expected::Expanded(Expansion::Unknown { reason, .. }) => Judgement::unknown(reason.clone()),
        Expected::HasVariable(text) => {
            Judgement::undocumented(format!("the variable in \"{text}\" under {kind}"))
        }
        Expected::Plain(expected) => other(expected, kind, value)
            .unwrap_or_else(|| Judgement::undocumented(format!("{kind} with \"{expected}\""))),
    }
}

/// Returns whether every value has that relation to the policy's. A `*` alone matches all.
pub(super) fn matches_any_value(kind: OperatorKind, expected: &Expected<'_>) -> bool {
    let is_like = matches!(kind, OperatorKind::StringLike | OperatorKind::StringNotLike);
    let is_star = |pattern: &[Piece]| {
        !pattern.is_empty() && pattern.iter().all(|piece| *piece == Piece::AnyMany)
    };
    matches!(expected, Expected::Expanded(Expansion::Known(pattern)) if is_like && is_star(pattern))
}

/// The operators for strings and ARNs.
fn text(kind: OperatorKind, pattern: &[Piece], value: &str) -> Judgement {
    use OperatorKind as Kind;
    match kind {
        Kind::StringEqualsIgnoreCase | Kind::StringNotEqualsIgnoreCase => {
            matches(pattern, value, Case::Ignored).into()
        }
        Kind::ArnEquals | Kind::ArnNotEquals | Kind::ArnLike | Kind::ArnNotLike => {
            let found = arn(pattern, value);
            found.unwrap_or_else(|| Judgement::undocumented(format!("{kind} with no ARN")))
        }
        _ => matches(pattern, value, Case::Matters).into(),
    }
}

/// Compares the six parts of an ARN, each for itself. The last one may have colons.
fn arn(pattern: &[Piece], value: &str) -> Option<Judgement> {
    let patterns: Vec<_> = pattern
        .splitn(6, |piece| *piece == Piece::One(':'))
        .collect();
    let parts: Vec<_> = value.splitn(6, ':').collect();
    if patterns.len() != 6 || parts.len() != 6 {
        return None;
    }
    let mut pairs = patterns.into_iter().zip(parts);
    Some(
        pairs
            .all(|(pattern, part)| matches(pattern, part, Case::Matters))
            .into(),
    )
}

/// The operators that read their values as something else than text; `None` if one is not in a
/// documented form.
fn other(expected: &str, kind: OperatorKind, value: &str) -> Option<Judgement> {
    use OperatorKind as Kind;
    let found = match kind {
        Kind::NumericEquals
        | Kind::NumericNotEquals
        | Kind::NumericLessThan
        | Kind::NumericLessThanEquals
        | Kind::NumericGreaterThan
        | Kind::NumericGreaterThanEquals => {
            ordered(kind, number(value)?.partial_cmp(&number(expected)?)?)
        }
        Kind::DateEquals
        | Kind::DateNotEquals
        | Kind::DateLessThan
        | Kind::DateLessThanEquals
        | Kind::DateGreaterThan
        | Kind::DateGreaterThanEquals => ordered(kind, moment(value)?.cmp(&moment(expected)?)),
        Kind::Bool => boolean(value)? == boolean(expected)?,
        Kind::BinaryEquals => base64(expected)? == value.as_bytes(),
        Kind::IpAddress | Kind::NotIpAddress => {
            is_in_range(value.parse::<IpAddr>().ok()?, expected)?
        }
        _ => return None,
    };
    Some(found.into())
}

/// Returns whether the value, which is in this order to the policy's, has the operator's relation.
fn ordered(kind: OperatorKind, order: std::cmp::Ordering) -> bool {
    use OperatorKind as Kind;
    match kind {
        Kind::NumericLessThan | Kind::DateLessThan => order.is_lt(),
        Kind::NumericLessThanEquals | Kind::DateLessThanEquals => order.is_le(),
        Kind::NumericGreaterThan | Kind::DateGreaterThan => order.is_gt(),
        Kind::NumericGreaterThanEquals | Kind::DateGreaterThanEquals => order.is_ge(),
        _ => order.is_eq(),
    }
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    ["false", "true"]
        .iter()
        .position(|word| text.eq_ignore_ascii_case(word))
        .map(|at| at == 1)
}
