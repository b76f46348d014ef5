//! A template as CloudFormation renders it: with the values of parameters, and without the
//! conditions. What the stack itself makes has an ARN of the form that AWS would give it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Which stack a template is rendered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackIdentity {
    pub name: String,
    pub account: String,
    pub region: String,
}

/// A template with the values of its parameters.
#[derive(Clone, Debug)]
pub struct Rendered {
    template: Value,
    stack: StackIdentity,
    parameters: BTreeMap<String, Value>,
}

impl Rendered {
    /// The template for this stack. Parameters that are not given have their defaults.
    ///
    /// # Panics
    /// If the template does not have a parameter that is given, or one has no value.
    pub fn new(template: Value, stack: StackIdentity, given: &[(&str, &str)]) -> Self {
        let declared = template["Parameters"].as_object();
        let declared = declared.cloned().unwrap_or_default();
        for (name, _) in given {
            assert!(declared.contains_key(*name), "there is no parameter {name}");
        }
        let parameters = declared.iter().map(|(name, parameter)| {
            let pair = given.iter().find(|(other, _)| other == name);
            let default = || match &parameter["Default"] {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            let text = pair.map(|(_, value)| (*value).to_owned()).or_else(default);
            let text = text.unwrap_or_else(|| panic!("the parameter {name} has no value"));
            (name.clone(), parameter_value(parameter, &text))
        });
        Self {
            parameters: parameters.collect(),
            template,
            stack,
        }
    }

    /// The stack that the template is rendered for.
    pub fn stack(&self) -> &StackIdentity {
        &self.stack
    }

    /// The ARN of the stack.
    pub fn stack_id(&self) -> String {
        let StackIdentity {
            name,
            account,
            region,
        } = &self.stack;
        format!("arn:aws:cloudformation:{region}:{account}:stack/{name}/1")
    }

    /// The values of the parameters, as text.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| match value {
            Value::Array(values) => {
                let texts = values.iter().filter_map(Value::as_str);
                texts.collect::<Vec<_>>().join(",")
            }
            value => text(value).to_owned(),
        };
        let parameters = self.parameters.iter();
        parameters
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    }

    /// The type of a resource, if the template has it.
    pub fn type_of(&self, resource: &str) -> Option<&str> {
        self.template["Resources"][resource]["Type"].as_str()
    }

    /// The properties of a resource, or `None` if its condition is false.
    ///
    /// # Panics
    /// If the template has no such resource.
    pub fn properties(&self, resource: &str) -> Option<Value> {
        let declared = &self.template["Resources"][resource];
        assert!(declared.is_object(), "there is no resource {resource}");
        let exists = match declared["Condition"].as_str() {
            Some(condition) => self.holds(condition),
            None => true,
        };
        exists.then(|| self.render(&declared["Properties"]).unwrap_or(Value::Null))
    }

    /// The names of the resources that the stack has, with their types.
    pub fn types(&self) -> Vec<(String, String)> {
        let resources = self.template["Resources"].as_object().into_iter().flatten();
        resources
            .filter(|(_, resource)| {
                resource["Condition"]
                    .as_str()
                    .is_none_or(|it| self.holds(it))
            })
            .map(|(name, resource)| (name.clone(), text(&resource["Type"]).to_owned()))
            .collect()
    }

    /// One property of a resource, whatever its condition is.
    pub(super) fn property(&self, resource: &str, name: &str) -> Option<Value> {
        self.render(self.template["Resources"][resource]["Properties"].get(name)?)
    }

    /// The names of the resources of this type, whatever their conditions are.
    pub fn of_type(&self, resource_type: &str) -> Vec<String> {
        let resources = self.template["Resources"].as_object().into_iter().flatten();
        resources
            .filter(|(_, resource)| resource["Type"] == resource_type)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The resources of this type that the stack has, with their properties.
    pub fn resources(&self, resource_type: &str) -> Vec<(String, Value)> {
        let names = self.of_type(resource_type).into_iter();
        names
            .filter_map(|name| {
                let properties = self.properties(&name)?;
                Some((name, properties))
            })
            .collect()
    }

    /// The value of an output.
    ///
    /// # Panics
    /// If the template has no such output.
    pub fn output(&self, name: &str) -> Value {
        let output = &self.template["Outputs"][name];
        assert!(output.is_object(), "there is no output {name}");
        self.render(&output["Value"]).unwrap_or(Value::Null)
    }

    /// What the template says of an output.
    pub fn description_of_output(&self, name: &str) -> String {
        let description = &self.template["Outputs"][name]["Description"];
        description.as_str().unwrap_or_default().to_owned()
    }

    /// The names of the outputs.
    pub fn outputs(&self) -> Vec<String> {
        let outputs = self.template["Outputs"].as_object().into_iter().flatten();
        outputs.map(|(name, _)| name.clone()).collect()
    }

    fn holds(&self, condition: &str) -> bool {
        let declared = &self.template["Conditions"][condition];
        assert!(declared.is_object(), "there is no condition {condition}");
        self.is_true(declared)
    }

    fn is_true(&self, condition: &Value) -> bool {
        let (function, argument) = function_call(condition).expect("a condition is a function");
        let arguments = list(argument);
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
            "Ref" => self.reference(text(argument)),
            "Fn::GetAtt" => Some(json!(self.attribute(text(argument)))),
            "Fn::Sub" => Some(json!(match argument {
                Value::Array(parts) => self.substitute(text(&parts[0]), &parts[1]),
                other => self.substitute(text(other), &Value::Null),
            })),
            "Fn::If" => {
                let arguments = list(argument);
                let chosen = if self.holds(text(&arguments[0])) {
                    1
                } else {
                    2
                };
                self.render(&arguments[chosen])
            }
            "Fn::Join" => {
                let arguments = list(argument);
                let parts = self.render(&arguments[1]).unwrap_or(Value::Null);
                let parts: Vec<_> = list(&parts).iter().map(text).collect();
                Some(json!(parts.join(text(&arguments[0]))))
            }
            "Fn::Select" => {
                let arguments = list(argument);
                let index = arguments[0]
                    .as_u64()
                    .and_then(|at| usize::try_from(at).ok());
                let values = self.render(&arguments[1]).unwrap_or(Value::Null);
                Some(values[index.expect("Select has an index")].clone())
            }
            other => panic!("the template has the unknown function {other}"),
        }
    }

    fn reference(&self, name: &str) -> Option<Value> {
        let StackIdentity {
            name: stack,
            account,
            region,
        } = &self.stack;
        Some(match name {
            "AWS::NoValue" => return None,
            "AWS::AccountId" => json!(account),
            "AWS::Partition" => json!("aws"),
            "AWS::Region" => json!(region),
            "AWS::StackId" => json!(self.stack_id()),
            "AWS::StackName" => json!(stack),
            "AWS::URLSuffix" => json!("amazonaws.com"),
            _ => match self.parameters.get(name) {
                Some(value) => value.clone(),
                None => json!(self.physical_id(name)),
            },
        })
    }

    /// Replaces each `${name}` and `${name.attribute}`. `own` are names of this text alone.
    fn substitute(&self, template: &str, own: &Value) -> String {
        let mut parts = template.split("${");
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').expect("each ${ has its }");
            let value = if let Some(value) = own.get(name) {
                self.render(value)
            } else if name.contains('.') {
                Some(json!(self.attribute(name)))
            } else {
                self.reference(name)
            };
            result.push_str(text(&value.expect("a text has no part without a value")));
            result.push_str(rest);
        }
        result
    }
}

/// The value of a parameter that is given as text. A list has one value for the empty text, as in
/// CloudFormation.
pub fn parameter_value(declaration: &Value, text: &str) -> Value {
    if declaration["Type"] == "CommaDelimitedList" {
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

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("the template has {value} in place of a string"))
}

fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("the template has {value} in place of a list"))
}
