//! The idempotency token of an update. It identifies one change of one observed version of one
//! association.
//!
//! The token depends on nothing but its inputs. So every invocation that repeats an update sends
//! the same token, and EKS carries out the update once. A new update gets a new token: one of
//! another version, and one after EKS has definitively refused the last.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::hex;
use crate::keys::RotationKey;
use crate::resource::AssociationArn;
use crate::timestamp::Timestamp;

/// Names this scheme. Another scheme must never produce the same tokens.
const SCHEME: &str = "rerole/1";

/// `clientRequestToken`: 64 characters of lowercase hex, within the 33 to 126 that EKS is known to
/// accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token(String);

impl Token {
    /// Creates the token of an update of a rotation or a rollback. A dry run has the tokens of what
    /// it tries out. `changes` are the fields that the update sends, by their EKS names, with their
    /// new values. `refusals` is the number of definitive refusals (not throttles, not lost
    /// responses) that this rotation has received for the association so far.
    #[must_use]
    pub fn new(
        rotation: &RotationKey,
        association_arn: &AssociationArn,
        observed_modified_at: Timestamp,
        changes: &[(&str, &str)],
        refusals: u32,
    ) -> Self {
        let (modified_at, refusals) = (observed_modified_at.to_string(), refusals.to_string());
        let rotation = rotation.without_dry_run().to_string();
        let mut hash = Sha256::new();
        let mut absorb = |part: &str| {
            // The length comes first, so two different lists of parts never have the same bytes.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        for part in [SCHEME, &rotation, association_arn.as_str(), &modified_at] {
            absorb(part);
        }
        for (field, value) in changes {
            absorb(field);
            absorb(value);
        }
        absorb(&refusals);
        Self(hex::lowercase(&hash.finalize()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
