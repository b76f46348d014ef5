//! How one association in a rotation ended, and the ledger row that records it.
//!
//! [`Ending`] is what the code works with: an association that was updated *has* a token and an answer. [`Row`] is the
//! flat item that the ledger keeps, in the names of the contract.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::arn::{AssociationArn, RoleArn};
use crate::association::{Association, IndexItem};
use crate::classify::ErrorClass;
use crate::role_field::RoleFields;
use crate::time::Timestamp;
use crate::token::Token;

/// Sort-key prefix of a rotation's association rows.
pub const ROW_PREFIX: &str = "association#";
/// Our own error code for an answer of EKS to an update that contradicts the request. It stops the rotation.
pub const UNEXPECTED_ANSWER: &str = "UnexpectedAnswer";
/// EKS error messages are short; a proxy's may be a page.
const ERROR_MESSAGE_LEN_MAX: usize = 1_000;

/// The `outcome` of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    Pending,
    Updated,
    AlreadyCurrent,
    Drifted,
    Deleted,
    OwnedByAddon,
    Failed,
    NotAttempted,
    WouldUpdate,
}

/// The end of one association, with what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// EKS answered our update.
    Updated {
        token: Token,
        fields: RoleFields,
        request_id: Option<String>,
        answer: Box<Association>,
    },
    /// The association shows the new role, and most likely we moved it: after a write of ours that may have taken effect
    /// without our knowing (`token`), or, in a rotation that had to be resumed, at a version newer than the plan's and no
    /// older than the rotation (no token).
    InferredUpdated {
        token: Option<Token>,
    },
    AlreadyCurrent,
    Drifted,
    Deleted,
    OwnedByAddon,
    /// A dry run: this is the token that the write would have had.
    WouldUpdate {
        token: Token,
        fields: RoleFields,
    },
    /// The rotation stopped first.
    NotAttempted,
    Failed {
        token: Option<Token>,
        error: RowError,
    },
}

impl Ending {
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Updated { .. } | Self::InferredUpdated { .. } => Outcome::Updated,
            Self::AlreadyCurrent => Outcome::AlreadyCurrent,
            Self::Drifted => Outcome::Drifted,
            Self::Deleted => Outcome::Deleted,
            Self::OwnedByAddon => Outcome::OwnedByAddon,
            Self::WouldUpdate { .. } => Outcome::WouldUpdate,
            Self::NotAttempted => Outcome::NotAttempted,
            Self::Failed { .. } => Outcome::Failed,
        }
    }
}

/// The error that a `Failed` row keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    pub class: ErrorClass,
    /// EKS's error code, or ours where EKS had none to give.
    pub code: String,
    pub message: String,
    pub request_id: Option<String>,
}

/// One association, settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub ending: Ending,
    /// What the Describe showed on which the decision rests; `None` where EKS did not know it, or could not be asked.
    pub observed: Option<Association>,
    /// Updates sent, by this process.
    pub attempts: u32,
    pub at: Timestamp,
}

impl Settled {
    /// The association as EKS showed it last.
    #[must_use]
    pub fn last_seen(&self) -> Option<&Association> {
        match &self.ending {
            Ending::Updated { answer, .. } => Some(answer),
            _ => self.observed.as_ref(),
        }
    }

    /// The members that settling puts on the row. Absent ones are left out.
    #[must_use]
    pub fn row_members(&self) -> SettledMembers {
        let (token, request_id, error) = match &self.ending {
            Ending::Updated { token, request_id, .. } => (Some(token), request_id.as_ref(), None),
            Ending::WouldUpdate { token, .. } => (Some(token), None, None),
            Ending::InferredUpdated { token } => (token.as_ref(), None, None),
            Ending::Failed { token, error } => (token.as_ref(), error.request_id.as_ref(), Some(error)),
            Ending::AlreadyCurrent
            | Ending::Drifted
            | Ending::Deleted
            | Ending::OwnedByAddon
            | Ending::NotAttempted => (None, None, None),
        };
        let seen = self.last_seen();
        SettledMembers {
            outcome: self.ending.outcome(),
            fields: match &self.ending {
                Ending::Updated { fields, .. } | Ending::WouldUpdate { fields, .. } => Some(*fields),
                _ => None,
            },
            settled_at: self.at,
            attempts: self.attempts,
            inferred: matches!(self.ending, Ending::InferredUpdated { .. }).then_some(true),
            client_request_token: token.cloned(),
            request_id: request_id.cloned(),
            error_code: error.map(|error| error.code.clone()),
            error_message: error.map(|error| error.message.chars().take(ERROR_MESSAGE_LEN_MAX).collect()),
            observed_role_arn: self.observed.as_ref().map(|seen| seen.role_arn.clone()),
            observed_target_role_arn: self.observed.as_ref().and_then(|seen| seen.target_role_arn.clone()),
            observed_modified_at: self.observed.as_ref().map(|seen| seen.modified_at),
            modified_at: seen.map(|seen| seen.modified_at),
            role_arn: seen.map(|seen| seen.role_arn.clone()),
            created_at: seen.and_then(|seen| seen.created_at),
            target_role_arn: seen.and_then(|seen| seen.target_role_arn.clone()),
            disable_session_tags: seen.and_then(|seen| seen.disable_session_tags),
            owner_arn: seen.and_then(|seen| seen.owner_arn.clone()),
            external_id: seen.and_then(|seen| seen.external_id.clone()),
            tags: seen.map(|seen| seen.tags.clone()).filter(|tags| !tags.is_empty()),
        }
    }
}

/// What settling adds to a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettledMembers {
    pub outcome: Outcome,
    /// The fields that were changed, where the plan's are not the last word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<RoleFields>,
    pub settled_at: Timestamp,
    pub attempts: u32,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// A row of the ledger, as far as the code reads it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub rotation_id: String,
    /// `association#<associationArn>`.
    pub entry: String,
    pub association_arn: AssociationArn,
    pub cluster_name: String,
    pub namespace: String,
    pub service_account: String,
    pub outcome: Outcome,
    /// The fields that the rotation changes: those that named the old role in the index, until an update says better.
    pub fields: RoleFields,
    /// The role that the index showed when the row was planned.
    pub previous_role_arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_target_role_arn: Option<String>,
    /// The version that the index showed when the row was planned.
    pub planned_modified_at: Timestamp,
    /// Definitive refusals of an update so far; kept when the row is left pending, because they are part of the token.
    #[serde(default)]
    pub refusals: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The end was concluded from what EKS showed, not from its answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inferred: bool,
    /// What EKS showed before the update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_target_role_arn: Option<String>,
    /// What EKS showed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
}

impl Row {
    /// A row for what the index shows, in a rotation of `old_role`, with nothing done yet.
    #[must_use]
    pub fn planned(ledger_key: &str, old_role: &RoleArn, item: &IndexItem) -> Self {
        Self {
            rotation_id: ledger_key.to_owned(),
            entry: format!("{ROW_PREFIX}{}", item.association_arn),
            association_arn: item.association_arn.clone(),
            cluster_name: item.cluster_name.clone(),
            namespace: item.namespace.clone(),
            service_account: item.service_account.clone(),
            outcome: Outcome::Pending,
            fields: RoleFields::naming(old_role, &item.role_arn, item.target_role_arn.as_deref()),
            previous_role_arn: item.role_arn.clone(),
            previous_target_role_arn: item.target_role_arn.clone(),
            planned_modified_at: item.modified_at,
            refusals: 0,
            settled_at: None,
            error_code: None,
            inferred: false,
            observed_target_role_arn: None,
            role_arn: None,
            target_role_arn: None,
            modified_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::association::tests::association;
    use crate::request::RotationId;

    fn token() -> Token {
        let seen = association("a");
        Token::new(&RotationId::new("r").unwrap(), &seen.association_arn, seen.modified_at, &[("roleArn", "b")], 0)
    }

    fn members(ending: Ending, observed: Option<Association>) -> serde_json::Value {
        let settled = Settled { ending, observed, attempts: 1, at: Timestamp::from_millis(5_000) };
        serde_json::to_value(settled.row_members()).unwrap()
    }

    #[test]
    fn an_update_keeps_what_was_observed_and_what_eks_answered() {
        let mut answer = association("b");
        answer.modified_at = Timestamp::from_millis(4_000);
        answer.tags = BTreeMap::from([("team".to_owned(), "pay".to_owned())]);
        let role = "arn:aws:iam::111122223333:role/a".parse().unwrap();
        let fields = RoleFields::naming(&role, role.as_str(), None);
        let ending =
            Ending::Updated { token: token(), fields, request_id: Some("q-1".into()), answer: Box::new(answer) };
        let members = members(ending, Some(association("a")));
        assert_eq!(
            members,
            json!({
                "outcome": "Updated", "fields": ["roleArn"], "settledAt": "1970-01-01T00:00:05.000Z", "attempts": 1,
                "clientRequestToken": token().as_str(), "requestId": "q-1",
                "observedRoleArn": "a", "observedModifiedAt": "1970-01-01T00:00:01.000Z",
                "roleArn": "b", "modifiedAt": "1970-01-01T00:00:04.000Z", "tags": { "team": "pay" },
            })
        );
    }

    #[test]
    fn a_failure_keeps_code_message_and_request() {
        let error = RowError {
            class: ErrorClass::Denied,
            code: "AccessDeniedException".into(),
            message: "é".repeat(2_000),
            request_id: Some("q-2".into()),
        };
        let members = members(Ending::Failed { token: Some(token()), error }, None);
        assert_eq!(members["errorCode"], "AccessDeniedException");
        assert_eq!(members["errorMessage"].as_str().unwrap().chars().count(), ERROR_MESSAGE_LEN_MAX);
        assert_eq!(members["requestId"], "q-2");
        assert!(members.get("observedRoleArn").is_none());
    }

    #[test]
    fn an_inferred_update_says_so() {
        assert_eq!(members(Ending::InferredUpdated { token: None }, Some(association("b")))["inferred"], true);
        assert!(members(Ending::AlreadyCurrent, Some(association("b"))).get("inferred").is_none());
    }
}
