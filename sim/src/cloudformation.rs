//! CloudFormation, as far as a reader of stacks sees it: their status, parameters, outputs and
//! resources. Nothing deploys a stack; a test creates it as it should look.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::clock::since_epoch;
use crate::protocol::{ApiError, ApiRequest};

/// A stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    pub name: String,
    /// As in the API: `UPDATE_ROLLBACK_COMPLETE`.
    pub status: String,
    pub parameters: BTreeMap<String, String>,
    pub outputs: Vec<StackOutput>,
    pub resources: Vec<StackResource>,
}

impl Default for Stack {
    /// A stack that was created; it still needs a name.
    fn default() -> Self {
        Self {
            name: String::new(),
            status: "CREATE_COMPLETE".to_owned(),
            parameters: BTreeMap::new(),
            outputs: Vec::new(),
            resources: Vec::new(),
        }
    }
}

/// An output of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackOutput {
    pub key: String,
    pub value: String,
    pub description: String,
}

/// A resource of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackResource {
    pub logical_id: String,
    pub physical_id: String,
    /// `AWS::SQS::Queue`
    pub resource_type: String,
}

/// The stacks of an account in a region.
#[derive(Default)]
pub(crate) struct Stacks(BTreeMap<String, StackState>);

struct StackState {
    stack: Stack,
    id: String,
    created_at: SystemTime,
    updated_at: Option<SystemTime>,
}

impl Stacks {
    /// Creates the stack with this ID, or updates the one with the same name.
    pub(crate) fn put(&mut self, now: SystemTime, id: String, stack: Stack) -> String {
        let earlier = self.0.remove(&stack.name);
        let state = StackState {
            id: earlier.as_ref().map_or(id, |it| it.id.clone()),
            created_at: earlier.as_ref().map_or(now, |it| it.created_at),
            updated_at: earlier.map(|_| now),
            stack,
        };
        let id = state.id.clone();
        self.0.insert(state.stack.name.clone(), state);
        id
    }

    /// Sets the status of the stack with this name.
    ///
    /// # Panics
    /// If the stack does not exist.
    pub(crate) fn set_status(&mut self, now: SystemTime, name: &str, status: &str) {
        let state = self.0.get_mut(name);
        let state = state.unwrap_or_else(|| panic!("a test sets stacks that exist, not {name}"));
        status.clone_into(&mut state.stack.status);
        state.updated_at = Some(now);
    }

    /// Responds to one request.
    pub(crate) fn respond(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        match request.operation.as_str() {
            "DescribeStacks" => {
                let stacks: Vec<Value> = match request.text("StackName") {
                    None => self.0.values().map(StackState::entry).collect(),
                    Some(_) => vec![self.stack(request)?.entry()],
                };
                Ok(json!({ "Stacks": stacks }))
            }
            "DescribeStackResources" => {
                let state = self.stack(request)?;
                let own = json!({
                    "StackName": state.stack.name,
                    "StackId": state.id,
                    "Timestamp": seconds(state.last_change()),
                });
                Ok(json!({ "StackResources": state.resources(&own) }))
            }
            "ListStackResources" => {
                let state = self.stack(request)?;
                let own = json!({ "LastUpdatedTimestamp": seconds(state.last_change()) });
                Ok(json!({ "StackResourceSummaries": state.resources(&own) }))
            }
            operation => Err(ApiError::not_simulated(operation)),
        }
    }

    /// The stack that the request names by its name or its ID.
    fn stack(&self, request: &ApiRequest) -> Result<&StackState, ApiError> {
        let name = request.required("StackName")?;
        let mut by_id = self.0.values().filter(|state| state.id == name);
        let state = self.0.get(name).or_else(|| by_id.next());
        let message = || format!("Stack with id {name} does not exist");
        state.ok_or_else(|| request.invalid(message()))
    }
}

impl StackState {
    fn entry(&self) -> Value {
        let stack = &self.stack;
        let parameters = stack.parameters.iter();
        let parameters =
            parameters.map(|(key, value)| json!({ "ParameterKey": key, "ParameterValue": value }));
        let outputs = stack.outputs.iter().map(|output| {
            json!({
                "OutputKey": output.key,
                "OutputValue": output.value,
                "Description": output.description,
            })
        });
        json!({
            "StackName": stack.name,
            "StackId": self.id,
            "StackStatus": stack.status,
            "CreationTime": seconds(self.created_at),
            "LastUpdatedTime": self.updated_at.map(seconds),
            "Parameters": parameters.collect::<Vec<_>>(),
            "Outputs": outputs.collect::<Vec<_>>(),
            "Capabilities": ["CAPABILITY_IAM"],
            "DisableRollback": false,
            "NotificationARNs": [],
            "Tags": [],
        })
    }

    /// The resources, each with the members of `own`, which differ between operations.
    fn resources(&self, own: &Value) -> Vec<Value> {
        let resources = self.stack.resources.iter().map(|resource| {
            let mut entry = own.clone();
            entry["LogicalResourceId"] = json!(resource.logical_id);
            entry["PhysicalResourceId"] = json!(resource.physical_id);
            entry["ResourceType"] = json!(resource.resource_type);
            entry["ResourceStatus"] = json!("CREATE_COMPLETE");
            entry
        });
        resources.collect()
    }

    fn last_change(&self) -> SystemTime {
        self.updated_at.unwrap_or(self.created_at)
    }
}

fn seconds(time: SystemTime) -> f64 {
    since_epoch(time).as_secs_f64()
}
