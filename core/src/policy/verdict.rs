//! What an evaluation says, and what decides it.

use std::fmt;

use crate::policy::{KeyFact, Operator, OperatorKind, Reason};

/// Whether policies allow a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Denied(Denial),
    /// It depends on these, of which there is at least one.
    Unknown(Vec<Reason>),
}

/// Why a request is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// This `Deny` statement matches.
    Explicit(StatementId),
    /// No `Allow` statement matches. The nearest is the one with the fewest mismatches, if there is
    /// an `Allow` statement.
    NoAllow(Option<NearMiss>),
}

/// An `Allow` statement that does not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    pub statement: StatementId,
    /// What does not match, at least one.
    pub mismatches: Vec<Mismatch>,
}

/// A statement among the documents of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementId {
    /// The place of its document, from 0.
    pub document: usize,
    /// Its place in the document, from 0.
    pub index: usize,
    pub sid: Option<String>,
}

/// A part of a statement that does not match the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// The statement is for these principals, or for all others if it excludes them.
    Principal {
        entries: Vec<String>,
        excludes: bool,
    },
    /// It is for these actions, or for all others.
    Action {
        entries: Vec<String>,
        excludes: bool,
    },
    /// It is for these resources, or for all others.
    Resource {
        entries: Vec<String>,
        excludes: bool,
    },
    Condition {
        operator: Operator,
        key: String,
        /// The values of the policy.
        values: Vec<String>,
        /// What the request has.
        found: KeyFact,
    },
}

impl fmt::Display for StatementId {
    /// The statement's `Sid`, or its number from 1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sid {
            Some(sid) => write!(f, "statement {sid}"),
            None => write!(f, "statement {}", self.index + 1),
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit(statement) => write!(f, "{statement} denies it"),
            Self::NoAllow(None) => f.write_str("no statement allows anything"),
            Self::NoAllow(Some(miss)) => {
                let mismatches: Vec<_> = miss.mismatches.iter().map(ToString::to_string).collect();
                f.write_str(&mismatches.join("; "))
            }
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, entries, excludes) = match self {
            Self::Principal { entries, excludes } => ("Principal", entries, excludes),
            Self::Action { entries, excludes } => ("Action", entries, excludes),
            Self::Resource { entries, excludes } => ("Resource", entries, excludes),
            Self::Condition {
                operator,
                key,
                values,
                found,
            } => {
                return condition(
                    f,
                    *operator,
                    &format!("{key} {}", wanted(*operator, values)),
                    found,
                );
            }
        };
        let relation = if *excludes {
            "excludes"
        } else {
            "is limited to"
        };
        write!(f, "{what} {relation} {}", entries.join(", "))
    }
}

/// Says what the operator wants of its key.
fn wanted(operator: Operator, values: &[String]) -> String {
    use OperatorKind as Kind;
    let values = values.join(", ");
    match operator.kind {
        Kind::Null if values.eq_ignore_ascii_case("true") => "must be absent".to_owned(),
        Kind::Null => "must be present".to_owned(),
        kind if kind.is_negated() => format!("must not be {values}"),
        Kind::StringEquals
        | Kind::StringEqualsIgnoreCase
        | Kind::StringLike
        | Kind::NumericEquals
        | Kind::DateEquals
        | Kind::Bool
        | Kind::BinaryEquals
        | Kind::IpAddress
        | Kind::ArnEquals
        | Kind::ArnLike => format!("is limited to {values}"),
        kind => format!("must be {kind} {values}"),
    }
}

fn condition(
    f: &mut fmt::Formatter<'_>,
    operator: Operator,
    wanted: &str,
    found: &KeyFact,
) -> fmt::Result {
    match found {
        _ if operator.kind == OperatorKind::Null => f.write_str(wanted),
        KeyFact::Absent => write!(f, "{wanted}, and the request does not have it"),
        KeyFact::Present(values) => {
            write!(f, "{wanted}, and the request has {}", values.join(", "))
        }
        KeyFact::Exists | KeyFact::Unknown => f.write_str(wanted),
    }
}
