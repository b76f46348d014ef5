//! What can be said about a permission of the old role, and the words for it.

use std::fmt;

/// What becomes of a permission of the old role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// The old role certainly may do this, at least in part, and the new one certainly may not do
    /// any of it.
    Lost(Decider),
    /// The old role certainly may do this, and the patterns of the new one cover less. Whether that
    /// matters depends on which of these actions and resources exist.
    Narrowed(Narrowing),
    /// It cannot be told.
    CannotTell {
        doubts: Vec<Doubt>,
        /// What would be so without the doubts, if that is known.
        otherwise: Option<Box<Change>>,
    },
}

/// What in the new role decides that it may not do something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decider {
    /// No statement allows it. `elsewhere` are the resources for which statements allow the same
    /// actions.
    NoStatement { elsewhere: Vec<String> },
    /// An explicit deny.
    Deny { policy: String, statement: String },
    /// The permissions boundary does not allow it.
    OutsideBoundary { policy: String },
}

/// What the new role allows of a permission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Narrowing {
    /// The boundary's name, if it limits the permission, and not the other policies.
    pub boundary: Option<String>,
    /// What is allowed, for example `s3:Get*` or `s3:* on arn:aws:s3:::logs/*`.
    pub only: Vec<String>,
}

/// Why it cannot be told what becomes of a permission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// The old role may do it only under conditions, or for values of policy variables.
    OldDependsOn { names: Vec<String> },
    /// Statements of the old role may deny it already.
    OldDeny { policies: Vec<String> },
    /// The new role allows it under conditions that the old one does not have.
    NewDependsOn { policy: String, names: Vec<String> },
    /// The new role denies it under conditions.
    NewDenyDependsOn {
        policy: String,
        statement: String,
        names: Vec<String>,
    },
    /// Both roles have the same condition or variable, but its value depends on the role.
    RoleDecides { names: Vec<String> },
    /// The patterns overlap in a way that does not show whether anything changes.
    Overlap,
    /// A policy could not be read or understood.
    Unreadable { whose: Whose, policy: String },
    /// The policies have more pairs of actions and resources than are compared.
    TooLarge,
}

/// Whose policy it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    Old,
    New,
}

impl Change {
    /// Returns that it cannot be told whether `otherwise` is so.
    pub(super) fn cannot_tell(mut doubts: Vec<Doubt>, otherwise: Option<Self>) -> Self {
        doubts.sort();
        doubts.dedup();
        Self::CannotTell {
            doubts,
            otherwise: otherwise.map(Box::new),
        }
    }

    /// Returns whether this change of more makes the other one superfluous.
    pub(super) fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Lost(_), Self::Lost(_) | Self::CannotTell { .. }) => true,
            _ => self == other,
        }
    }

    /// Returns the word for the change.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Lost(_) => "lost",
            Self::Narrowed(_) => "narrowed",
            Self::CannotTell { .. } => "cannot tell",
        }
    }
}

impl Doubt {
    /// Returns the doubts for policies that could not be read.
    pub(super) fn unreadable(whose: Whose, policies: &[String]) -> Vec<Self> {
        let doubt = |policy: &String| Self::Unreadable {
            whose,
            policy: policy.clone(),
        };
        policies.iter().map(doubt).collect()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(decider) => decider.fmt(f),
            Self::Narrowed(narrowing) => narrowing.fmt(f),
            Self::CannotTell { doubts, otherwise } => {
                let doubts: Vec<_> = doubts.iter().map(ToString::to_string).collect();
                f.write_str(&doubts.join("; "))?;
                match otherwise {
                    Some(change) => write!(f, "; otherwise {}: {change}", change.label()),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStatement { elsewhere } if elsewhere.is_empty() => {
                f.write_str("no statement of the new role allows it")
            }
            Self::NoStatement { elsewhere } => {
                write!(f, "the new role allows it only on {}", elsewhere.join(", "))
            }
            Self::Deny { policy, statement } => {
                write!(f, "{policy} of the new role denies it ({statement})")
            }
            Self::OutsideBoundary { policy } => {
                write!(
                    f,
                    "the new role's permissions boundary {policy} does not allow it"
                )
            }
        }
    }
}

impl fmt::Display for Narrowing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let only = self.only.join(", ");
        match &self.boundary {
            None => write!(f, "the new role allows only {only}"),
            Some(policy) => {
                write!(
                    f,
                    "the new role's permissions boundary {policy} allows only {only}"
                )
            }
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OldDependsOn { names } => {
                write!(
                    f,
                    "the old role may do it only depending on {}",
                    names.join(", ")
                )
            }
            Self::OldDeny { policies } => {
                write!(
                    f,
                    "{} of the old role may deny it already",
                    policies.join(", ")
                )
            }
            Self::NewDependsOn { policy, names } => {
                let names = names.join(", ");
                write!(f, "{policy} of the new role allows it depending on {names}")
            }
            Self::NewDenyDependsOn {
                policy,
                statement,
                names,
            } => {
                let names = names.join(", ");
                write!(
                    f,
                    "{policy} of the new role denies it depending on {names} ({statement})"
                )
            }
            Self::RoleDecides { names } => {
                write!(
                    f,
                    "{} can have another value for the new role",
                    names.join(", ")
                )
            }
            Self::Overlap => f.write_str("the patterns of both roles overlap in part"),
            Self::Unreadable { whose, policy } => {
                let whose = match whose {
                    Whose::Old => "old",
                    Whose::New => "new",
                };
                write!(f, "{policy} of the {whose} role could not be read")
            }
            Self::TooLarge => f.write_str("the policies are too large to compare"),
        }
    }
}
