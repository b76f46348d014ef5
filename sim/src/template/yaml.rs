//! YAML as JSON. `!Ref X` becomes `{"Ref": "X"}`, `!GetAtt X.Y` becomes `{"Fn::GetAtt": "X.Y"}`,
//! and so on.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Value, json};

/// The template as JSON.
///
/// # Panics
/// If the text is not YAML, or has nodes that templates do not have.
pub fn parse_template(text: &str) -> Value {
    let documents = Yaml::load_from_str(text);
    let documents = documents.unwrap_or_else(|error| panic!("the template is no YAML: {error}"));
    to_json(documents.first().expect("the template is not empty"))
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
                let key = key.as_str().expect("the keys of a template are strings");
                (key.to_owned(), to_json(value))
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
