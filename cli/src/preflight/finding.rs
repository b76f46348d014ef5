//! What a check has found, with an ID by which an operator can accept it.

use rerole_core::hex;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::request::Roles;

/// Bytes of the hash in an ID: short enough to type, and a rotation has some hundred findings at
/// most.
const ID_BYTES: usize = 4;

/// What a finding means. The worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Level {
    /// Pods would lose access, or the rotation would fail. Only these change the exit code.
    Denied,
    /// It could not be told.
    Unknown,
    /// A person should know it.
    Note,
}

/// The result of a check, or of a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// The same in each run, as long as the roles, the place and the reason are the same.
    pub id: String,
    pub level: Level,
    /// What was checked: `role`, `pass`, `trust`, `target` or `permissions`.
    pub check: &'static str,
    pub text: String,
    pub details: Vec<String>,
    /// Whether the operator has accepted it.
    pub accepted: bool,
}

/// What makes a finding another one than those of the same check: the place and the reason. What
/// changes from run to run, such as a count, is no part of it.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a>(pub &'a str);

/// A check of a rotation between two roles, to make findings of.
#[derive(Debug, Clone, Copy)]
pub struct Check<'a> {
    pub name: &'static str,
    pub roles: &'a Roles,
}

/// What a check has found, and what it has found to be fine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    pub findings: Vec<Finding>,
    pub fine: Vec<String>,
}

impl Check<'_> {
    pub fn denied(self, key: Key<'_>, text: impl Into<String>) -> Finding {
        self.finding(Level::Denied, key, text.into())
    }

    pub fn unknown(self, key: Key<'_>, text: impl Into<String>) -> Finding {
        self.finding(Level::Unknown, key, text.into())
    }

    pub fn note(self, key: Key<'_>, text: impl Into<String>) -> Finding {
        self.finding(Level::Note, key, text.into())
    }

    pub fn finding(self, level: Level, Key(key): Key<'_>, text: String) -> Finding {
        let mut hash = Sha256::new();
        for part in [self.roles.old.as_str(), self.roles.new.as_str(), key] {
            // With its length, so no part runs into the next one.
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        Finding {
            id: format!("{}-{}", self.name, hex::lowercase(&hash[..ID_BYTES])),
            level,
            check: self.name,
            text,
            details: Vec::new(),
            accepted: false,
        }
    }
}

impl Finding {
    /// Whether the stack or EKS would refuse the rotation because of it. Other denied findings are
    /// about pods, which EKS does not ask for.
    pub fn would_be_refused(&self) -> bool {
        self.level == Level::Denied && ["role", "pass"].contains(&self.check)
    }

    pub fn details(self, details: impl IntoIterator<Item = String>) -> Self {
        Self {
            details: details.into_iter().collect(),
            ..self
        }
    }
}

impl Checked {
    pub fn found(finding: Finding) -> Self {
        Self {
            findings: vec![finding],
            ..Self::default()
        }
    }

    pub fn fine(text: impl Into<String>) -> Self {
        Self {
            fine: vec![text.into()],
            ..Self::default()
        }
    }

    pub fn extend(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.fine.extend(other.fine);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::testing::roles;

    #[test]
    fn an_id_says_which_check_and_depends_on_roles_and_key_alone() {
        let id = |from: &str, key: &str, text: &str| {
            let roles = roles([from, "app-2026"]);
            let check = Check {
                name: "trust",
                roles: &roles,
            };
            check.denied(Key(key), text).id
        };
        let first = id("app-2025", "prod-1 aws:SourceArn", "65 associations");
        assert!(first.starts_with("trust-"), "{first}");
        assert_eq!(
            first,
            id("app-2025", "prod-1 aws:SourceArn", "64 associations")
        );
        assert_ne!(
            first,
            id("app-2024", "prod-1 aws:SourceArn", "65 associations")
        );
        assert_ne!(
            first,
            id("app-2025", "prod-2 aws:SourceArn", "65 associations")
        );
    }
}
