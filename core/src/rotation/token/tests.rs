//! Golden vectors and properties of the token.

use proptest::prelude::*;

use super::*;

/// The inputs of a token, as plain values.
#[derive(Debug, Clone, PartialEq)]
struct Inputs {
    rotation: String,
    association_id: String,
    modified_at_millis: i64,
    field: String,
    value: String,
    refusals: u32,
}

impl Inputs {
    fn token(&self) -> String {
        let arn = format!(
            "arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod/{}",
            self.association_id
        );
        Token::new(
            &self.rotation.parse().unwrap(),
            &arn.parse().unwrap(),
            Timestamp::from_millis(self.modified_at_millis),
            &[(&self.field, &self.value)],
            self.refusals,
        )
        .to_string()
    }
}

fn golden(
    rotation: &str,
    association_id: &str,
    modified_at_millis: i64,
    value: &str,
    refusals: u32,
) -> String {
    Inputs {
        rotation: rotation.to_owned(),
        association_id: association_id.to_owned(),
        modified_at_millis,
        field: "roleArn".to_owned(),
        value: value.to_owned(),
        refusals,
    }
    .token()
}

/// These tokens must never change. After an upgrade that changed them, an unfinished rotation could
/// write an association twice. They were computed independently, with Python's hashlib, from the
/// definition in ARCHITECTURE.md.
#[test]
fn tokens_match_the_golden_vectors() {
    let role = "arn:aws:iam::111122223333:role/b";
    for (rotation, association_id, millis, refusals, token) in [
        (
            "r-1",
            "a-1",
            0,
            0,
            "ec64fdd24b67f5f0ae05c91c88cc1bd14dff044d1a9f41c99815ecf8a417af6b",
        ),
        (
            "r-1",
            "a-1",
            0,
            1,
            "cbe5f73d39f22779e26e8795f095d5b7746dc01a300ba46c8b50b2eafe2caea6",
        ),
        (
            "r-1",
            "a-1",
            1_795_468_620_123,
            0,
            "fcde40ecb89316853875af98bc914c6c730f69575074d4c7d70839ce2222f415",
        ),
        (
            "r-2",
            "a-2",
            1_795_468_620_123,
            11,
            "c2a97dadc05ae7818a9030268240130d6c28428a1c9e18428f2fc85030f17857",
        ),
        // A rollback never sends a token of the rotation that it takes back.
        (
            "rollback/r-1",
            "a-1",
            0,
            0,
            "2e987bdc2f2fd8845cb96299231b2a98048124100099c7b91db2f4b024d15362",
        ),
        (
            "rollback/r-1",
            "a-1",
            1_795_468_620_123,
            2,
            "1af469690dbd4c1c2e3831f729f979658945c4dc19d975c2335d06d5c2949325",
        ),
    ] {
        assert_eq!(
            golden(rotation, association_id, millis, role, refusals),
            token
        );
    }
}

prop_compose! {
    fn inputs()(
        rotation in "(rollback/)?[A-Za-z0-9_-]{1,64}",
        association_id in "a-[a-z0-9]{1,17}",
        modified_at_millis in 0_i64..4_000_000_000_000,
        field in "[a-zA-Z]{1,20}",
        value in "\\PC{0,40}",
        refusals in any::<u32>(),
    ) -> Inputs {
        Inputs { rotation, association_id, modified_at_millis, field, value, refusals }
    }
}

proptest! {
    #[test]
    fn equal_inputs_give_equal_tokens_of_64_hex_digits(inputs in inputs()) {
        let token = inputs.token();
        prop_assert_eq!(&token, &inputs.clone().token());
        prop_assert_eq!(token.len(), 64);
        prop_assert!(token.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    }

    #[test]
    fn a_change_of_any_input_gives_another_token(one in inputs(), other in inputs()) {
        let mutants = [
            Inputs { rotation: other.rotation, ..one.clone() },
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
    fn the_border_between_two_parts_is_part_of_the_token(
        field in "[a-z]{2,10}",
        value in "[a-z]{1,10}",
    ) {
        // Moving a letter from one part to the next keeps the concatenation, but must change the
        // token.
        let (head, tail) = field.split_at(field.len() - 1);
        let base = Inputs {
            rotation: "r".into(), association_id: "a-1".into(), modified_at_millis: 0,
            field: field.clone(), value: value.clone(), refusals: 0,
        };
        let moved = Inputs {
            field: head.to_owned(), value: format!("{tail}{value}"), ..base.clone()
        };
        prop_assert_ne!(base.token(), moved.token());
    }
}

/// A dry run shows the token that would be sent.
#[test]
fn a_dry_run_has_the_tokens_of_what_it_tries_out() {
    let role = "arn:aws:iam::111122223333:role/b";
    for rotation in ["r-1", "rollback/r-1"] {
        let dry_run = format!("dry-run/{rotation}");
        let [one, other] = [rotation, &dry_run].map(|key| golden(key, "a-1", 0, role, 0));
        assert_eq!(one, other);
    }
}
