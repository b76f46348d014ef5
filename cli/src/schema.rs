//! The JSON Schema of the answers with `--output json`: one document, `docs/cli.schema.json`, with
//! a definition for each command.

use expect_test::expect_file;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::answer::Next;
use crate::command::steer::Steered;
use crate::drain::Drain;
use crate::rotation::RotationView;
use crate::stack::Origin;
use crate::verbs::doctor::Diagnosis;
use crate::verbs::freeze::Freeze;
use crate::verbs::index::build::Build;
use crate::verbs::index::check::Check;
use crate::verbs::index::show::Show;
use crate::verbs::index::status::IndexStatus;
use crate::verbs::list::listed::List;
use crate::verbs::plan::Plan;
use crate::verbs::preflight::Answered as Preflighted;
use crate::verbs::queues::list::Queues;
use crate::verbs::queues::redrive::Redriven;
use crate::verbs::queues::show::Shown;
use crate::verbs::report::digest::Digested;
use crate::verbs::rotate::Refused;
use crate::verbs::status::{RejectedStatus, RotationStatus};
use crate::verbs::version::Version;
use crate::verbs::who::WhoAnswer;

/// A whole answer.
#[derive(Serialize, JsonSchema)]
struct Answered<T> {
    #[serde(flatten)]
    body: T,
    /// Where the answer comes from.
    stack: Origin,
    /// Commands that make sense next.
    next: Vec<Next>,
}

/// The commands about a rotation, which all have the same answer.
const STEERING: [&str; 6] = ["pause", "resume", "cancel", "retry", "rollback", "change"];

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    Answered::<T>::json_schema(generator).to_value()
}

/// The definition of each command. Its name has no space, as in `indexBuild`.
fn commands(generator: &mut SchemaGenerator) -> Vec<(&'static str, Value)> {
    let status = [
        of::<RotationStatus>(generator),
        of::<RejectedStatus>(generator),
    ];
    let rotate = [of::<RotationView>(generator), of::<Refused>(generator)];
    let mut commands = vec![
        ("plan", of::<Plan>(generator)),
        ("preflight", of::<Preflighted>(generator)),
        ("rotate", json!({ "anyOf": rotate })),
        ("list", of::<List>(generator)),
        ("status", json!({ "anyOf": status })),
        ("report", Digested::json_schema(generator).to_value()),
        ("freeze", of::<Freeze>(generator)),
        ("unfreeze", json!({ "$ref": "#/$defs/freeze" })),
        ("who", of::<WhoAnswer>(generator)),
        ("drain", of::<Drain>(generator)),
        ("indexBuild", of::<Build>(generator)),
        ("indexCheck", of::<Check>(generator)),
        ("indexStatus", of::<IndexStatus>(generator)),
        ("indexShow", of::<Show>(generator)),
        ("queuesList", of::<Queues>(generator)),
        ("queuesShow", of::<Shown>(generator)),
        ("queuesRedrive", of::<Redriven>(generator)),
        ("doctor", of::<Diagnosis>(generator)),
        ("version", of::<Version>(generator)),
    ];
    for name in STEERING {
        let schema = match name {
            "pause" => of::<Steered>(generator),
            _ => json!({ "$ref": "#/$defs/pause" }),
        };
        commands.push((name, schema));
    }
    commands
}

fn document() -> Value {
    let mut generator = SchemaGenerator::default();
    let commands = commands(&mut generator);
    let mut definitions: Map<String, Value> = generator.take_definitions(true);
    for (name, mut schema) in commands {
        // The name of the command says what it is.
        if let Some(members) = schema.as_object_mut() {
            members.remove("title");
        }
        let replaced = definitions.insert(name.to_owned(), schema);
        assert_eq!(replaced, None, "a type has the name of the command {name}");
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Answers of rerole with --output json",
        "description": "Each command has a definition, such as `status` and `indexBuild`. New \
            members may be added at any time.",
        "$defs": definitions,
    })
}

#[test]
fn each_command_has_a_schema() {
    let text = format!("{:#}\n", document());
    expect_file!["../../docs/cli.schema.json"].assert_eq(&text);
}
