//! The operators of conditions, by name: `ForAnyValue:StringLikeIfExists` and the like. What they
//! mean is in `compare.rs`.

use std::fmt;
use std::str::FromStr;

/// An operator of a condition, with what stands in front of it and behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Operator {
    pub kind: OperatorKind,
    /// `…IfExists`: the condition holds if the request does not have the key.
    pub if_exists: bool,
    /// For keys with several values.
    pub quantifier: Option<Quantifier>,
}

/// How the values of a key with several values count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// `ForAllValues:`, each value of the request. It also holds if there is none.
    ForAll,
    /// `ForAnyValue:`, at least one value of the request.
    ForAny,
}

/// What an operator compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperatorKind {
    StringEquals,
    StringNotEquals,
    StringEqualsIgnoreCase,
    StringNotEqualsIgnoreCase,
    StringLike,
    StringNotLike,
    NumericEquals,
    NumericNotEquals,
    NumericLessThan,
    NumericLessThanEquals,
    NumericGreaterThan,
    NumericGreaterThanEquals,
    DateEquals,
    DateNotEquals,
    DateLessThan,
    DateLessThanEquals,
    DateGreaterThan,
    DateGreaterThanEquals,
    Bool,
    BinaryEquals,
    IpAddress,
    NotIpAddress,
    ArnEquals,
    ArnNotEquals,
    ArnLike,
    ArnNotLike,
    Null,
}

/// All kinds. Their names are those of the variants.
const KINDS: [OperatorKind; 27] = [
    OperatorKind::StringEquals,
    OperatorKind::StringNotEquals,
    OperatorKind::StringEqualsIgnoreCase,
    OperatorKind::StringNotEqualsIgnoreCase,
    OperatorKind::StringLike,
    OperatorKind::StringNotLike,
    OperatorKind::NumericEquals,
    OperatorKind::NumericNotEquals,
    OperatorKind::NumericLessThan,
    OperatorKind::NumericLessThanEquals,
    OperatorKind::NumericGreaterThan,
    OperatorKind::NumericGreaterThanEquals,
    OperatorKind::DateEquals,
    OperatorKind::DateNotEquals,
    OperatorKind::DateLessThan,
    OperatorKind::DateLessThanEquals,
    OperatorKind::DateGreaterThan,
    OperatorKind::DateGreaterThanEquals,
    OperatorKind::Bool,
    OperatorKind::BinaryEquals,
    OperatorKind::IpAddress,
    OperatorKind::NotIpAddress,
    OperatorKind::ArnEquals,
    OperatorKind::ArnNotEquals,
    OperatorKind::ArnLike,
    OperatorKind::ArnNotLike,
    OperatorKind::Null,
];

impl OperatorKind {
    /// Returns whether the operator holds if no value of the condition matches.
    #[must_use]
    pub fn is_negated(self) -> bool {
        matches!(
            self,
            Self::StringNotEquals
                | Self::StringNotEqualsIgnoreCase
                | Self::StringNotLike
                | Self::NumericNotEquals
                | Self::DateNotEquals
                | Self::NotIpAddress
                | Self::ArnNotEquals
                | Self::ArnNotLike
        )
    }
}

impl fmt::Display for OperatorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.quantifier {
            Some(Quantifier::ForAll) => f.write_str("ForAllValues:")?,
            Some(Quantifier::ForAny) => f.write_str("ForAnyValue:")?,
            None => {}
        }
        let suffix = if self.if_exists { "IfExists" } else { "" };
        write!(f, "{}{suffix}", self.kind)
    }
}

/// The text is not the name of an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an operator of IAM")]
pub struct UnknownOperator(String);

impl FromStr for Operator {
    type Err = UnknownOperator;

    /// Names are case-sensitive here: the documentation does not say that IAM accepts other
    /// spellings.
    fn from_str(text: &str) -> Result<Self, UnknownOperator> {
        let unknown = || UnknownOperator(text.to_owned());
        let (quantifier, rest) = match text.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(Quantifier::ForAll), rest),
            Some(("ForAnyValue", rest)) => (Some(Quantifier::ForAny), rest),
            Some(_) => return Err(unknown()),
            None => (None, text),
        };
        let name = rest.strip_suffix("IfExists").unwrap_or(rest);
        let operator = KINDS
            .into_iter()
            .find(|kind| kind.to_string() == name)
            .map(|kind| Self {
                kind,
                if_exists: name != rest,
                quantifier,
            });
        // `Null` asks whether the key exists, and the documentation has it alone.
        operator
            .filter(|operator| operator.kind != OperatorKind::Null || text == "Null")
            .ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_each_operator_is_read_as_it_is_written() {
        for kind in KINDS {
            for prefix in ["", "ForAllValues:", "ForAnyValue:"] {
                for suffix in ["", "IfExists"] {
                    let name = format!("{prefix}{kind}{suffix}");
                    let found = name.parse::<Operator>().map(|found| found.to_string());
                    let is_known = kind != OperatorKind::Null || name == "Null";
                    assert_eq!(found.ok(), is_known.then_some(name));
                }
            }
        }
    }

    #[test]
    fn another_name_is_no_operator() {
        for name in [
            "",
            "stringequals",
            "StringEqual",
            "StringEqualsIfExistsIfExists",
            "IfExistsStringEquals",
            "ForAllValues:",
            "ForSomeValues:StringEquals",
            "ForAllValues:ForAnyValue:StringEquals",
            "NotStringEquals",
            "BoolNotEquals",
            " StringEquals",
        ] {
            assert!(name.parse::<Operator>().is_err(), "{name}");
        }
    }
}
