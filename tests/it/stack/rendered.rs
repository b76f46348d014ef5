//! The templates as CloudFormation renders them: with the values of parameters, and without the
//! conditions. What the stack itself makes has an ARN of the form that AWS would give it.

use std::collections::BTreeMap;

use fancy_regex::Regex;
use serde_json::{Map, Value, json};

use crate::common::template::{forwarding, template};

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
const PSEUDO: [(&str, &str); 6] = [
    ("AWS::AccountId", ACCOUNT),
    ("AWS::Partition", "aws"),
    ("AWS::Region", REGION),
    (
        "AWS::StackId",
        "arn:aws:cloudformation:us-east-1:111122223333:stack/rerole/1",
    ),
    ("AWS::StackName", "rerole"),
    ("AWS::URLSuffix", "amazonaws.com"),
];

/// A template with the values of its parameters.
#[derive(Debug)]
pub struct Rendered {
    template: Value,
    parameters: BTreeMap<String, Value>,
}

/// The template of the stack with these parameters.
pub fn stack(parameters: &[(&str, &str)]) -> Rendered {
    Rendered::new(template().clone(), parameters)
}

/// The template for the other regions with these parameters.
pub fn forwarding_stack(parameters: &[(&str, &str)]) -> Rendered {
    Rendered::new(forwarding(), parameters)
}

impl Rendered {
    fn new(template: Value, given: &[(&str, &str)]) -> Self {
        let declared = template["Parameters"].as_object().unwrap();
        for (name, _) in given {
            assert!(declared.contains_key(*name), "there is no parameter {name}");
        }
        let parameters = declared.iter().map(|(name, parameter)| {
            let find = |pairs: &[(&str, &str)]| {
                let pair = pairs.iter().find(|(other, _)| other == name);
                pair.map(|(_, value)| (*value).to_owned())
            };
            let default = || match &parameter["Default"] {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            let text = find(given).or_else(default).or_else(|| find(&REQUIRED));
            let text = text.unwrap_or_else(|| panic!("{name} has no value"));
            assert!(accepts(parameter, &text), "{name} does not accept {text:?}");
            (name.clone(), typed(parameter, &text))
        });
        let parameters = parameters.collect();
        Self {
            template,
            parameters,
        }
    }

    /// The properties of a resource, or `None` if its condition is false.
    pub fn properties(&self, resource: &str) -> Option<Value> {
        let declared = &self.template["Resources"][resource];
        assert!(declared.is_object(), "there is no resource {resource}");
        let exists = match declared["Condition"].as_str() {
            Some(condition) => self.holds(condition),
            None => true,
        };
        exists.then(|| self.render(&declared["Properties"]).unwrap_or(Value::Null))
    }

    /// The names of the resources of this type.
    pub fn of_type(&self, resource_type: &str) -> Vec<String> {
        let resources = self.template["Resources"].as_object().unwrap().iter();
        resources
            .filter(|(_, resource)| resource["Type"] == resource_type)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The statements of all policies of a role of the stack.
    pub fn statements_of_role(&self, role: &str) -> Vec<Value> {
        let properties = self.properties(role).unwrap();
        let policies = properties["Policies"].as_array().unwrap().iter();
        policies
            .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap())
            .cloned()
            .collect()
    }

    /// The value of an output.
    pub fn output(&self, name: &str) -> Value {
        self.render(&self.template["Outputs"][name]["Value"])
            .unwrap()
    }

    /// The ARN of a resource of the stack, or of a rule that SAM makes for an event of a function.
    pub fn arn(&self, resource: &str) -> String {
        let (region, account) = (REGION, ACCOUNT);
        let resource_type = self.template["Resources"][resource]["Type"].as_str();
        match resource_type {
            Some("AWS::IAM::Role") => {
                let properties = self.properties(resource).unwrap();
                let path = properties["Path"].as_str().unwrap_or("/");
                format!("arn:aws:iam::{account}:role{path}rerole-{resource}-1A2B3C")
            }
            Some("AWS::SQS::Queue") => {
                format!("arn:aws:sqs:{region}:{account}:rerole-{resource}-1A2B3C")
            }
            // SAM names a rule after its function and event.
            Some("AWS::Events::Rule") | None => {
                format!("arn:aws:events:{region}:{account}:rule/rerole-{resource}-1A2B3C")
            }
            Some(_) => format!("arn:aws:service:{region}:{account}:{resource}"),
        }
    }

    fn holds(&self, condition: &str) -> bool {
        let declared = &self.template["Conditions"][condition];
        assert!(declared.is_object(), "there is no condition {condition}");
        self.is_true(declared)
    }

    fn is_true(&self, condition: &Value) -> bool {
        let (function, argument) = function_call(condition).expect("a condition is a function");
        let arguments = argument.as_array().unwrap();
        match function {
            "Fn::Equals" => self.render(&arguments[0]) == self.render(&arguments[1]),
            "Fn::Not" => !self.is_true(&arguments[0]),
            "Fn::Or" => arguments.iter().any(|argument| self.is_true(argument)),
            other => panic!("the condition has the unknown function {other}"),
        }
    }

    /// The value of a part of the template; `None` for `AWS::NoValue`.
    fn render(&self, value: &Value) -> Option<Value> {
        if let Some((function, argument)) = function_call(value) {
            return self.call(function, argument);
        }
        Some(match value {
            Value::Array(values) => Value::Array(
                values
                    .iter()
                    .filter_map(|value| self.render(value))
                    .collect(),
            ),
            Value::Object(members) => {
                let member =
                    |(name, value): (&String, &Value)| Some((name.clone(), self.render(value)?));
                Value::Object(members.iter().filter_map(member).collect())
            }
            other => other.clone(),
        })
    }

    fn call(&self, function: &str, argument: &Value) -> Option<Value> {
        match function {
            "Ref" => self.reference(argument.as_str().unwrap()),
            "Fn::GetAtt" => Some(self.attribute(argument.as_str().unwrap())),
            "Fn::Sub" => Some(json!(match argument {
                Value::Array(parts) => self.substitute(parts[0].as_str().unwrap(), &parts[1]),
                text => self.substitute(text.as_str().unwrap(), &Value::Null),
            })),
            "Fn::If" => {
                let arguments = argument.as_array().unwrap();
                let chosen = if self.holds(arguments[0].as_str().unwrap()) {
                    1
                } else {
                    2
                };
                self.render(&arguments[chosen])
            }
            "Fn::Join" => {
                let arguments = argument.as_array().unwrap();
                let parts = self.render(&arguments[1]).unwrap();
                let parts = parts.as_array().unwrap().iter();
                let parts: Vec<_> = parts.map(|part| part.as_str().unwrap()).collect();
                Some(json!(parts.join(arguments[0].as_str().unwrap())))
            }
            "Fn::Select" => {
                let arguments = argument.as_array().unwrap();
                let index = usize::try_from(arguments[0].as_u64().unwrap()).unwrap();
                Some(self.render(&arguments[1]).unwrap()[index].clone())
            }
            other => panic!("the template has the unknown function {other}"),
        }
    }

    fn reference(&self, name: &str) -> Option<Value> {
        if name == "AWS::NoValue" {
            return None;
        }
        let pseudo = PSEUDO.iter().find(|(pseudo, _)| *pseudo == name);
        let pseudo = pseudo.map(|(_, value)| json!(value));
        let value = pseudo.or_else(|| self.parameters.get(name).cloned());
        Some(value.unwrap_or_else(|| match self.properties(name) {
            Some(properties) if properties["Name"].is_string() => properties["Name"].clone(),
            _ => json!(format!("rerole-{name}-1A2B3C")),
        }))
    }

    fn attribute(&self, text: &str) -> Value {
        match text.split_once('.') {
            Some((resource, "Arn")) => json!(self.arn(resource)),
            _ => json!(format!("attribute {text}")),
        }
    }

    /// Replaces each `${name}` and `${name.attribute}`. `own` are names of this text alone.
    fn substitute(&self, text: &str, own: &Value) -> String {
        let mut parts = text.split("${");
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap();
            let value = if let Some(value) = own.get(name) {
                self.render(value).unwrap()
            } else if name.contains('.') {
                self.attribute(name)
            } else {
                self.reference(name).unwrap()
            };
            result.push_str(value.as_str().unwrap());
            result.push_str(rest);
        }
        result
    }
}

/// Whether CloudFormation accepts this value of a parameter of the stack.
pub fn parameter_accepts(name: &str, text: &str) -> bool {
    let parameter = &template()["Parameters"][name];
    assert!(parameter.is_object(), "there is no parameter {name}");
    accepts(parameter, text)
}

/// For a list, the pattern holds for each of its values.
fn accepts(parameter: &Value, text: &str) -> bool {
    let values = match typed(parameter, text) {
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

/// A list has one value for the empty text, as in CloudFormation.
fn typed(parameter: &Value, text: &str) -> Value {
    if parameter["Type"] == "CommaDelimitedList" {
        text.split(',').map(str::trim).collect()
    } else {
        json!(text)
    }
}

/// The name and the argument of an intrinsic function.
fn function_call(value: &Value) -> Option<(&str, &Value)> {
    let members: &Map<String, Value> = value.as_object()?;
    let (name, argument) = members.iter().next()?;
    let is_function = members.len() == 1 && (name == "Ref" || name.starts_with("Fn::"));
    is_function.then_some((name.as_str(), argument))
}
