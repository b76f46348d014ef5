//! What invokes a function, as SAM declares it: the members of its `Events`.

use serde_json::Value;

use crate::template::Rendered;

/// A member of the `Events` of a function.
#[derive(Debug)]
pub(super) struct FunctionEvent {
    /// The name of the function in the template.
    pub(super) function: String,
    pub(super) name: String,
    pub(super) properties: Value,
}

impl FunctionEvent {
    /// The name in the template of the rule that SAM makes for it.
    pub(super) fn logical_id(&self) -> String {
        format!("{}{}", self.function, self.name)
    }
}

/// The events of this type of all functions.
pub(super) fn events_of_functions(rendered: &Rendered, event_type: &str) -> Vec<FunctionEvent> {
    let functions = rendered.resources("AWS::Serverless::Function").into_iter();
    let events = functions.flat_map(|(function, properties)| {
        let events = properties["Events"].as_object().cloned();
        let events = events.unwrap_or_default().into_iter();
        events.map(move |(name, event)| (function.clone(), name, event))
    });
    events
        .filter(|(_, _, event)| event["Type"] == event_type)
        .map(|(function, name, event)| FunctionEvent {
            function,
            name,
            properties: event["Properties"].clone(),
        })
        .collect()
}
