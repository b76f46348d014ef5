//! The idempotency token of an update: a name for one change of one observed version of one association.
//!
//! A pure function, so that every process that repeats a write repeats its token, and a write that has become necessary
//! again (the version moved on, or EKS refused the last one) gets another.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::arn::AssociationArn;
use crate::intake::hex;
use crate::request::RotationId;
use crate::time::Timestamp;

/// Names this scheme. Another scheme must never produce the same tokens.
const SCHEME: &str = "rerole/1";

/// `clientRequestToken`: 64 characters of lowercase hex, within the 33 to 126 that EKS is known to accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// `changes` are the fields that the update sends, by their EKS names, with their new values; `refusals` counts the
    /// definitive refusals (not throttles, not lost answers) that this rotation has met for the association so far.
    #[must_use]
    pub fn new(
        rotation_id: &RotationId,
        association_arn: &AssociationArn,
        observed_modified_at: Timestamp,
        changes: &[(&str, &str)],
        refusals: u32,
    ) -> Self {
        let (modified_at, refusals) = (observed_modified_at.to_string(), refusals.to_string());
        let mut hash = Sha256::new();
        let mut absorb = |part: &str| {
            // The length goes first, so that no two lists of parts read the same.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        for part in [SCHEME, rotation_id.as_str(), association_arn.as_str(), &modified_at] {
            absorb(part);
        }
        for (field, value) in changes {
            absorb(field);
            absorb(value);
        }
        absorb(&refusals);
        Self(hex(&hash.finalize()))
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything that goes into a token, as a row of a table can say it.
    #[derive(Debug, Clone, PartialEq)]
    struct Inputs {
        rotation_id: String,
        association_id: String,
        modified_at_millis: i64,
        field: String,
        value: String,
        refusals: u32,
    }

    impl Inputs {
        fn token(&self) -> String {
            let arn = format!("arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod/{}", self.association_id);
            Token::new(
                &RotationId::new(&self.rotation_id).unwrap(),
                &arn.parse().unwrap(),
                Timestamp::from_millis(self.modified_at_millis),
                &[(&self.field, &self.value)],
                self.refusals,
            )
            .to_string()
        }
    }

    fn golden(rotation_id: &str, association_id: &str, modified_at_millis: i64, value: &str, refusals: u32) -> String {
        Inputs {
            rotation_id: rotation_id.to_owned(),
            association_id: association_id.to_owned(),
            modified_at_millis,
            field: "roleArn".to_owned(),
            value: value.to_owned(),
            refusals,
        }
        .token()
    }

    /// These never change: a token that changed would let a half-finished rotation write twice across an upgrade.
    /// Computed independently with Python's hashlib from the definition in ARCHITECTURE.md.
    #[test]
    fn golden_vectors() {
        let role = "arn:aws:iam::111122223333:role/b";
        for (rotation_id, association_id, millis, refusals, token) in [
            ("r-1", "a-1", 0, 0, "ec64fdd24b67f5f0ae05c91c88cc1bd14dff044d1a9f41c99815ecf8a417af6b"),
            ("r-1", "a-1", 0, 1, "cbe5f73d39f22779e26e8795f095d5b7746dc01a300ba46c8b50b2eafe2caea6"),
            ("r-1", "a-1", 1_795_468_620_123, 0, "fcde40ecb89316853875af98bc914c6c730f69575074d4c7d70839ce2222f415"),
            ("r-2", "a-2", 1_795_468_620_123, 11, "c2a97dadc05ae7818a9030268240130d6c28428a1c9e18428f2fc85030f17857"),
        ] {
            assert_eq!(golden(rotation_id, association_id, millis, role, refusals), token);
        }
    }

    prop_compose! {
        fn inputs()(
            rotation_id in "[A-Za-z0-9_-]{1,64}",
            association_id in "a-[a-z0-9]{1,17}",
            modified_at_millis in 0_i64..4_000_000_000_000,
            field in "[a-zA-Z]{1,20}",
            value in "\\PC{0,40}",
            refusals in any::<u32>(),
        ) -> Inputs {
            Inputs { rotation_id, association_id, modified_at_millis, field, value, refusals }
        }
    }

    proptest! {
        #[test]
        fn equal_inputs_give_equal_tokens_of_the_right_form(inputs in inputs()) {
            let token = inputs.token();
            prop_assert_eq!(&token, &inputs.clone().token());
            prop_assert_eq!(token.len(), 64);
            prop_assert!(token.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        }

        #[test]
        fn any_input_changed_gives_another_token(one in inputs(), other in inputs()) {
            let mutants = [
                Inputs { rotation_id: other.rotation_id, ..one.clone() },
                Inputs { association_id: other.association_id, ..one.clone() },
                Inputs { modified_at_millis: other.modified_at_millis, ..one.clone() },
                Inputs { field: other.field, ..one.clone() },
                Inputs { value: other.value, ..one.clone() },
                Inputs { refusals: other.refusals, ..one.clone() },
            ];
            for mutant in mutants {
                prop_assert_eq!(mutant == one, mutant.token() == one.token());
            }
        }

        #[test]
        fn parts_do_not_run_into_each_other(field in "[a-z]{2,10}", value in "[a-z]{1,10}") {
            // Moving a letter over the border between two parts keeps the concatenation and must change the token.
            let (head, tail) = field.split_at(field.len() - 1);
            let base = Inputs {
                rotation_id: "r".into(), association_id: "a-1".into(), modified_at_millis: 0,
                field: field.clone(), value: value.clone(), refusals: 0,
            };
            let moved = Inputs { field: head.to_owned(), value: format!("{tail}{value}"), ..base.clone() };
            prop_assert_ne!(base.token(), moved.token());
        }
    }
}
