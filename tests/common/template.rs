//! The templates as JSON. `!Ref X` becomes `{"Ref": "X"}`, `!GetAtt X.Y` becomes
//! `{"Fn::GetAtt": "X.Y"}`, and so on.

use std::sync::OnceLock;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Value, json};

/// The template of the stack.
pub fn template() -> &'static Value {
    static TEMPLATE: OnceLock<Value> = OnceLock::new();
    TEMPLATE.get_or_init(|| load("template.yaml"))
}

/// The template for the other regions, which forwards their events.
pub fn forwarding() -> Value {
    load("forward-eks-events.yaml")
}

/// The properties of one resource of the stack.
pub fn properties(resource: &str) -> &'static Value {
    let properties = &template()["Resources"][resource]["Properties"];
    assert!(
        properties.is_object(),
        "template.yaml has no resource {resource}"
    );
    properties
}

fn load(file: &str) -> Value {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    let documents = Yaml::load_from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    to_json(
        documents
            .first()
            .unwrap_or_else(|| panic!("{file} is empty")),
    )
}

fn to_json(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.0),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(nodes) => nodes.iter().map(to_json).collect(),
        Yaml::Mapping(members) => {
            let member = |(key, value): (&Yaml<'_>, &Yaml<'_>)| {
                (key.as_str().unwrap().to_owned(), to_json(value))
            };
            Value::Object(members.iter().map(member).collect())
        }
        Yaml::Tagged(tag, node) if tag.suffix == "Ref" => json!({ "Ref": to_json(node) }),
        Yaml::Tagged(tag, node) => {
            let function = format!("Fn::{}", tag.suffix);
            json!({ function: to_json(node) })
        }
        other => panic!("the template has the unknown node {other:?}"),
    }
}
