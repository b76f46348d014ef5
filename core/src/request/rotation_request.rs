//! A rotation as it was requested, after all checks, and whether two requests ask for the same.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::request::rejection::shown;
use crate::request::{Envelope, MaxConcurrency, MaxErrors, Rejection, RotationId, Scope};
use crate::resource::RoleArn;
use crate::timestamp::Timestamp;

/// A rotation as it was requested. Roles, scope and `dryRun` are the identity of a request. Its
/// limits are not: a second event with the same identity never changes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationRequest {
    pub rotation_id: RotationId,
    pub old_role_arn: RoleArn,
    pub new_role_arn: RoleArn,
    #[serde(flatten)]
    pub scope: Scope,
    pub dry_run: bool,
    pub max_errors: MaxErrors,
    /// A maximum of its own, which can only lower the function's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<MaxConcurrency>,
    /// Present if it is a rollback. No event requests one: it follows from the command `Rollback`.
    /// Then the roles are those of the rotation that it takes back, in the other order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
}

/// What a rollback takes back: what the rotation with the ID of its request has moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// It also takes back the roles of associations that have changed since in another way.
    #[serde(default)]
    pub include_changed: bool,
}

/// A request, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    pub request: RotationRequest,
    pub envelope: Envelope,
}

impl RotationRequest {
    /// Returns the request of a rollback of this rotation.
    #[must_use]
    pub fn taken_back(&self, rollback: Rollback) -> Self {
        Self {
            rollback: Some(rollback),
            ..self.reversed()
        }
    }

    /// Returns the request with its roles in the other order.
    pub(super) fn reversed(&self) -> Self {
        Self {
            old_role_arn: self.new_role_arn.clone(),
            new_role_arn: self.old_role_arn.clone(),
            ..self.clone()
        }
    }

    /// Returns whether the other request with this ID asks for the same rotation.
    #[must_use]
    pub fn has_identity_of(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    /// Returns why this request is rejected: `recorded`, a rotation with the same ID that started
    /// at `started_at`, has another identity. The text names each field that differs, with both
    /// values.
    #[must_use]
    pub fn id_taken(&self, recorded: &Self, started_at: Timestamp) -> Rejection {
        let (requested, recorded) = (self.identity(), recorded.identity());
        let mut fields: Vec<&String> = requested.keys().chain(recorded.keys()).collect();
        fields.sort_unstable();
        fields.dedup();
        let differences = fields.into_iter().filter_map(|field| {
            let [now, then] =
                [&requested, &recorded].map(|request| request.get(field).unwrap_or(&Value::Null));
            // Only what is shown is shortened. Two long lists may have the same beginning.
            let (here, there) = (shown(now), shown(then));
            (now != then).then(|| format!("{field} is {here} here and {there} there"))
        });
        let differences: Vec<_> = differences.collect();
        let allowed = format!(
            "an ID of its own: rotation {} started at {started_at} with another request, in which \
             {}",
            self.rotation_id,
            differences.join(", and ")
        );
        let rotation_id = Value::from(self.rotation_id.as_str());
        Rejection::new("detail.rotationId", &rotation_id, allowed)
    }

    /// Returns the members that make a request what it is: all but its ID and its limits.
    fn identity(&self) -> Map<String, Value> {
        let mut members = match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            // Every member has a JSON form, so this cannot happen.
            _ => Map::new(),
        };
        for name in ["rotationId", "maxErrors", "maxConcurrency"] {
            members.remove(name);
        }
        members
    }
}

#[cfg(test)]
mod tests;
