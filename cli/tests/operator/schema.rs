//! Holds answers against their definitions in `docs/cli.schema.json`.

use std::fs;

use serde_json::{Value, json};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.schema.json");

/// Panics if the answer of a verb is not as documented, or has members that are not.
pub fn check(verb: &str, answer: &Value) {
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(SCHEMA).unwrap()).unwrap();
    let definition = definition(verb);
    assert!(schema["$defs"][&definition].is_object(), "{definition}");
    schema["$ref"] = json!(format!("#/$defs/{definition}"));
    schema["unevaluatedProperties"] = json!(false);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(answer)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{verb}: {errors:#?}\n{answer:#}");
}

/// `index build` is `indexBuild`.
fn definition(verb: &str) -> String {
    match verb.split_once(' ') {
        None => verb.to_owned(),
        Some((first, second)) => {
            let (initial, rest) = second.split_at(1);
            format!("{first}{}{rest}", initial.to_uppercase())
        }
    }
}
