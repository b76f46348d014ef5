//! Policy variables: `${aws:SourceAccount}` in a value stands for the request's value of that key.
//!
//! IAM User Guide, "IAM policy elements: Variables and tags". A variable that is absent from the
//! request "might cause the entire statement to be invalid", so no statement with one is known to
//! match.

use crate::policy::pattern::{Piece, pieces};
use crate::policy::{Context, KeyFact, Reason, Version};

/// A text of a policy with its variables replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expansion {
    /// All variables have known values.
    Known(Vec<Piece>),
    /// A variable has no value in the request and no default, so the text matches nothing.
    Unresolved(Reason),
    /// The value of a variable is unknown. `doubt` says that the variable may have none.
    Unknown { reason: Reason, doubt: bool },
}

/// Which `*` and `?` of a text are wildcards. Those from the value of a variable never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wildcards {
    Read,
    Literal,
}

/// Replaces the variables of a text. Before version 2012-10-17, they are plain text.
pub(super) fn expand(
    text: &str,
    wildcards: Wildcards,
    version: Version,
    context: &Context,
) -> Expansion {
    let plain = |text: &str| match wildcards {
        Wildcards::Read => pieces(text),
        Wildcards::Literal => literal(text),
    };
    let mut found = Vec::new();
    let mut unknown: Option<Expansion> = None;
    let mut rest = text;
    while let Some((before, after)) = split_variable(rest, version) {
        found.extend(plain(before));
        let Some((variable, after)) = after.split_once('}') else {
            return undocumented(format!("the variable in \"{text}\" has no end"));
        };
        match replace(variable, context) {
            Expansion::Known(value) => found.extend(value),
            unresolved @ Expansion::Unresolved(_) => return unresolved,
            // A later variable may be unresolved, which decides. A doubt is kept.
            other => {
                let is_doubt = matches!(other, Expansion::Unknown { doubt: true, .. });
                if unknown.is_none() || is_doubt {
                    unknown = Some(other);
                }
            }
        }
        rest = after;
    }
    found.extend(plain(rest));
    unknown.unwrap_or(Expansion::Known(found))
}

/// Returns whether the text has a variable.
pub(super) fn has_variable(text: &str, version: Version) -> bool {
    split_variable(text, version).is_some()
}

fn split_variable(text: &str, version: Version) -> Option<(&str, &str)> {
    match version {
        Version::V2008 => None,
        Version::V2012 => text.split_once("${"),
    }
}

/// Replaces what is within the braces.
fn replace(variable: &str, context: &Context) -> Expansion {
    if let "*" | "?" | "$" = variable {
        return Expansion::Known(literal(variable));
    }
    let (key, default) = match variable.split_once(", '") {
        None => (variable, None),
        Some((key, default)) => match default.strip_suffix('\'') {
            Some(default) => (key, Some(default)),
            None => return undocumented(format!("the default in \"${{{variable}}}\" has no end")),
        },
    };
    if key.is_empty() || key.contains(['\'', '$', '{', ' ', ',']) {
        return undocumented(format!("the variable \"${{{variable}}}\""));
    }
    match (context.fact(key), default) {
        (KeyFact::Present(values), _) => match &values[..] {
            [value] if value.contains(['*', '?']) => Expansion::Unknown {
                reason: Reason::Undocumented(format!("a wildcard in the value of ${{{key}}}")),
                doubt: false,
            },
            [value] => Expansion::Known(literal(value)),
            _ => undocumented(format!("the variable ${{{key}}} has several values")),
        },
        (KeyFact::Absent, Some(default)) => Expansion::Known(literal(default)),
        (KeyFact::Absent, None) => Expansion::Unresolved(Reason::Undocumented(format!(
            "whether a statement counts whose variable ${{{key}}} the request does not have"
        ))),
        (KeyFact::Exists | KeyFact::Unknown, Some(_)) | (KeyFact::Exists, None) => {
            Expansion::Unknown {
                reason: Reason::Key(key.to_owned()),
                doubt: false,
            }
        }
        (KeyFact::Unknown, None) => Expansion::Unknown {
            reason: Reason::Key(key.to_owned()),
            doubt: true,
        },
    }
}

fn literal(text: &str) -> Vec<Piece> {
    text.chars().map(Piece::One).collect()
}

fn undocumented(rule: String) -> Expansion {
    Expansion::Unknown {
        reason: Reason::Undocumented(rule),
        doubt: true,
    }
}
