//! One settled association, and the attributes that it adds to its ledger row.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::resource::{Association, RoleFields};
use crate::rotation::{Ending, Outcome, Token};
use crate::timestamp::Timestamp;

/// An error message is truncated to this length. EKS's messages are short, but a proxy's may be a
/// page.
const ERROR_MESSAGE_LEN_MAX: usize = 1_000;

/// A settled association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub ending: Ending,
    /// The association in the Describe that led to the decision. `None` if EKS did not find it, or
    /// if the Describe failed.
    pub observed: Option<Association>,
    /// The number of updates that this slice has sent.
    pub attempts: u32,
    /// The number of definitive refusals of an update so far.
    pub refusals: u32,
    pub at: Timestamp,
}

impl Settled {
    /// Returns the association as EKS showed it last.
    #[must_use]
    pub fn last_observed(&self) -> Option<&Association> {
        match &self.ending {
            Ending::Updated { response, .. } => Some(response),
            _ => self.observed.as_ref(),
        }
    }

    /// Returns the attributes that settling adds to the row. Absent ones are omitted.
    #[must_use]
    pub fn row_attributes(&self) -> SettledAttributes {
        let (token, request_id, error) = match &self.ending {
            Ending::Updated {
                token, request_id, ..
            } => (Some(token), request_id.as_ref(), None),
            Ending::WouldUpdate { token, .. } => (Some(token), None, None),
            Ending::InferredUpdated { token, .. } => (token.as_ref(), None, None),
            Ending::Failed { token, error } => {
                (token.as_ref(), error.request_id.as_ref(), Some(error))
            }
            Ending::AlreadyCurrent
            | Ending::Drifted
            | Ending::Deleted
            | Ending::OwnedByAddon
            | Ending::ChangedSince
            | Ending::NotAttempted => (None, None, None),
        };
        let (observed, seen) = (self.observed.as_ref(), self.last_observed());
        SettledAttributes {
            outcome: self.ending.outcome(),
            fields: match &self.ending {
                Ending::Updated { fields, .. }
                | Ending::InferredUpdated { fields, .. }
                | Ending::WouldUpdate { fields, .. } => Some(*fields),
                _ => None,
            },
            settled_at: self.at,
            attempts: self.attempts,
            refusals: (self.refusals > 0).then_some(self.refusals),
            inferred: matches!(self.ending, Ending::InferredUpdated { .. }).then_some(true),
            client_request_token: token.cloned(),
            request_id: request_id.cloned(),
            error_code: error.map(|error| error.code.clone()),
            error_message: error
                .map(|error| error.message.chars().take(ERROR_MESSAGE_LEN_MAX).collect()),
            observed_role_arn: observed.map(|seen| seen.role_arn.clone()),
            observed_target_role_arn: observed.and_then(|seen| seen.target_role_arn.clone()),
            observed_modified_at: observed.map(|seen| seen.modified_at),
            modified_at: seen.map(|seen| seen.modified_at),
            role_arn: seen.map(|seen| seen.role_arn.clone()),
            created_at: seen.and_then(|seen| seen.created_at),
            target_role_arn: seen.and_then(|seen| seen.target_role_arn.clone()),
            disable_session_tags: seen.and_then(|seen| seen.disable_session_tags),
            owner_arn: seen.and_then(|seen| seen.owner_arn.clone()),
            policy: seen.and_then(|seen| seen.policy.clone()),
            external_id: seen.and_then(|seen| seen.external_id.clone()),
            tags: seen
                .map(|seen| seen.tags.clone())
                .filter(|tags| !tags.is_empty()),
        }
    }
}

/// The attributes that settling adds to a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettledAttributes {
    pub outcome: Outcome,
    /// The fields that the update changed, or would change. They replace those of the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<RoleFields>,
    pub settled_at: Timestamp,
    pub attempts: u32,
    /// The tokens of a later attempt continue from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusals: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inferred: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<Token>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_target_role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_modified_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_session_tags: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_arn: Option<String>,
    /// The session policy, as EKS returned it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl SettledAttributes {
    /// What a row loses when it is opened again. Its `outcome`, `fields` and `refusals` are those
    /// of the opened row.
    pub const REMOVED_WHEN_REOPENED: [&'static str; 19] = [
        "settledAt",
        "attempts",
        "inferred",
        "clientRequestToken",
        "requestId",
        "errorCode",
        "errorMessage",
        "observedRoleArn",
        "observedTargetRoleArn",
        "observedModifiedAt",
        "modifiedAt",
        "createdAt",
        "roleArn",
        "targetRoleArn",
        "disableSessionTags",
        "ownerArn",
        "policy",
        "externalId",
        "tags",
    ];
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::call::ErrorClass;
    use crate::resource::{RoleField, association};
    use crate::rotation::RowError;

    fn token() -> Token {
        let seen = association("a");
        Token::new(
            &"r".parse().unwrap(),
            &seen.association_arn,
            seen.modified_at,
            &[("roleArn", "b")],
            0,
        )
    }

    fn members(ending: Ending, observed: Option<Association>) -> serde_json::Value {
        let settled = Settled {
            ending,
            observed,
            attempts: 1,
            refusals: 0,
            at: Timestamp::from_millis(5_000),
        };
        serde_json::to_value(settled.row_attributes()).unwrap()
    }

    #[test]
    fn an_update_records_the_observation_and_the_response() {
        let mut response = association("b");
        response.modified_at = Timestamp::from_millis(4_000);
        response.tags = BTreeMap::from([("team".to_owned(), "pay".to_owned())]);
        let role = "arn:aws:iam::111122223333:role/a".parse().unwrap();
        let fields = RoleFields::naming(&role, role.as_str(), None);
        let ending = Ending::Updated {
            token: token(),
            fields,
            request_id: Some("q-1".into()),
            response: Box::new(response),
        };
        let members = members(ending, Some(association("a")));
        assert_eq!(
            members,
            json!({
                "outcome": "Updated", "fields": ["roleArn"],
                "settledAt": "1970-01-01T00:00:05.000Z", "attempts": 1,
                "clientRequestToken": token().as_str(), "requestId": "q-1",
                "observedRoleArn": "a", "observedModifiedAt": "1970-01-01T00:00:01.000Z",
                "roleArn": "b", "modifiedAt": "1970-01-01T00:00:04.000Z", "tags": { "team": "pay" },
            })
        );
    }

    #[test]
    fn a_failure_records_code_message_and_request_id() {
        let error = RowError {
            class: ErrorClass::Denied,
            code: "AccessDeniedException".into(),
            message: "é".repeat(2_000),
            request_id: Some("q-2".into()),
        };
        let members = members(
            Ending::Failed {
                token: Some(token()),
                error,
            },
            None,
        );
        assert_eq!(members["errorCode"], "AccessDeniedException");
        assert_eq!(
            members["errorMessage"].as_str().unwrap().chars().count(),
            ERROR_MESSAGE_LEN_MAX
        );
        assert_eq!(members["requestId"], "q-2");
        assert!(members.get("observedRoleArn").is_none());
    }

    /// Another actor may have changed the other field since the update.
    #[test]
    fn an_inferred_update_is_marked_and_names_the_fields_that_show_it() {
        let inferred = Ending::InferredUpdated {
            token: None,
            fields: vec![RoleField::RoleArn].into(),
        };
        let inferred = members(inferred, Some(association("b")));
        assert_eq!(inferred["inferred"], true);
        assert_eq!(inferred["fields"], json!(["roleArn"]));
        let current = members(Ending::AlreadyCurrent, Some(association("b")));
        assert!(current.get("inferred").is_none());
    }
}
