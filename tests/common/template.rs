//! The templates of the product: as JSON, and rendered for a stack.

use std::sync::OnceLock;

use fancy_regex::Regex;
use rerole_sim::template::{Rendered, StackIdentity, parameter_value, parse_template};
use serde_json::Value;

pub const ACCOUNT: &str = "111122223333";
pub const REGION: &str = "us-east-1";
/// The requester, unless a test names others.
pub const REQUESTER: &str = "arn:aws:iam::111122223333:role/pipelines/rotate-roles";
/// The values of the parameters that have no default.
const REQUIRED: [(&str, &str); 3] = [
    ("RolePath", "/platform/"),
    ("RequesterArns", REQUESTER),
    ("TargetRegion", REGION),
];

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

/// The template of the stack with these parameters.
pub fn stack(parameters: &[(&str, &str)]) -> Rendered {
    rendered(template().clone(), parameters)
}

/// The template for the other regions with these parameters.
pub fn forwarding_stack(parameters: &[(&str, &str)]) -> Rendered {
    rendered(forwarding(), parameters)
}

/// The statements of all policies of a role of the stack.
pub fn statements_of_role(stack: &Rendered, role: &str) -> Vec<Value> {
    let properties = stack.properties(role).unwrap();
    let policies = properties["Policies"].as_array().unwrap().iter();
    policies
        .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap())
        .cloned()
        .collect()
}

/// Whether CloudFormation accepts this value of a parameter of the stack.
pub fn parameter_accepts(name: &str, text: &str) -> bool {
    let parameter = &template()["Parameters"][name];
    assert!(parameter.is_object(), "there is no parameter {name}");
    accepts(parameter, text)
}

fn rendered(template: Value, given: &[(&str, &str)]) -> Rendered {
    let declared = template["Parameters"].as_object().unwrap();
    let is_given = |name: &str| given.iter().any(|(other, _)| *other == name);
    let required = REQUIRED.iter().copied();
    let required = required.filter(|(name, _)| declared.contains_key(*name) && !is_given(name));
    let values: Vec<_> = given.iter().copied().chain(required).collect();
    for (name, text) in &values {
        let parameter = &template["Parameters"][name];
        assert!(accepts(parameter, text), "{name} does not accept {text:?}");
    }
    let stack = StackIdentity {
        name: "rerole".to_owned(),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
    };
    Rendered::new(template, stack, &values)
}

/// For a list, the pattern holds for each of its values.
fn accepts(parameter: &Value, text: &str) -> bool {
    let values = match parameter_value(parameter, text) {
        Value::Array(values) => values,
        value => vec![value],
    };
    let matches = |value: &Value| match parameter["AllowedPattern"].as_str() {
        Some(pattern) => {
            let whole = Regex::new(&format!("^(?:{pattern})$")).unwrap();
            whole.is_match(value.as_str().unwrap()).unwrap()
        }
        None => true,
    };
    values.iter().all(matches)
}

fn load(file: &str) -> Value {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    parse_template(&std::fs::read_to_string(path).unwrap())
}
