//! A row of the ledger: one association in a rotation. The attributes that settling adds are in
//! `settled.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::indexing::IndexItem;
use crate::request::{Rollback, RotationRequest};
use crate::resource::{AssociationArn, RoleArn, RoleFields};
use crate::rotation::Outcome;
use crate::timestamp::Timestamp;

/// The attributes of a ledger row that the code reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub association_arn: AssociationArn,
    pub cluster_name: String,
    pub namespace: String,
    pub service_account: String,
    pub outcome: Outcome,
    /// The attempt of the rotation in which the row was planned, or opened again.
    pub attempt: u32,
    /// The fields that the rotation moves: those that had the old role when the row was planned,
    /// and those that another actor has put on it since. Once updated, those that the update
    /// changed.
    pub fields: RoleFields,
    /// The role that the index showed when the row was planned.
    pub previous_role_arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_target_role_arn: Option<String>,
    /// The version that the index showed when the row was planned.
    pub planned_modified_at: Timestamp,
    /// The number of definitive refusals of an update so far. It is stored while the row is
    /// pending, because it is part of the token.
    #[serde(default)]
    pub refusals: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The token of the update that was sent last, or that an earlier slice may have sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<String>,
    /// The ID that EKS gave to the last update, or to the call that failed. CloudTrail has it as
    /// `requestID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The outcome was inferred from a Describe, because no response confirmed the update.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inferred: bool,
    /// As EKS showed it before the update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_target_role_arn: Option<String>,
    /// As EKS showed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
    /// How the row ended in earlier attempts, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_results: Vec<EarlierResult>,
    /// Only in a rollback: what the rotation has left besides the roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<WrittenMembers>,
}

/// How a row ended in an attempt after which it was opened again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EarlierResult {
    pub attempt: u32,
    pub outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<String>,
}

/// The members of an association after the rotation's update, besides roles and version, which have
/// attributes of their own in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WrittenMembers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_session_tags: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_arn: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Earlier results that a row keeps.
const EARLIER_RESULTS_MAX: usize = 10;

impl Row {
    /// Creates a pending row for an index item, in the first attempt of a rotation that replaces
    /// `old_role`.
    #[must_use]
    pub fn planned(old_role: &RoleArn, item: &IndexItem) -> Self {
        Self {
            association_arn: item.association_arn.clone(),
            cluster_name: item.cluster_name.clone(),
            namespace: item.namespace.clone(),
            service_account: item.service_account.clone(),
            outcome: Outcome::Pending,
            attempt: 1,
            fields: RoleFields::naming(old_role, &item.role_arn, item.target_role_arn.as_deref()),
            previous_role_arn: item.role_arn.clone(),
            previous_target_role_arn: item.target_role_arn.clone(),
            planned_modified_at: item.modified_at,
            refusals: 0,
            settled_at: None,
            error_code: None,
            error_message: None,
            client_request_token: None,
            request_id: None,
            inferred: false,
            observed_role_arn: None,
            observed_target_role_arn: None,
            role_arn: None,
            target_role_arn: None,
            modified_at: None,
            earlier_results: Vec::new(),
            written: None,
        }
    }

    /// Returns whether an earlier attempt has sent an update that was not seen to succeed.
    #[must_use]
    pub fn has_earlier_update(&self) -> bool {
        let mut earlier = self.earlier_results.iter();
        earlier.any(|result| result.client_request_token.is_some())
    }

    /// Returns the row opened again for this attempt of its rotation, or `None` if its result
    /// stands: it was updated, or another actor has decided over it, or it was opened already. The
    /// next dry run of a rollback opens each row.
    #[must_use]
    pub fn reopened(&self, request: &RotationRequest, attempt: u32) -> Option<Self> {
        let is_asked_again = request.dry_run && request.rollback.is_some();
        let is_open_to_retry = match self.outcome {
            Outcome::Failed | Outcome::NotAttempted | Outcome::OwnedByAddon => true,
            Outcome::ChangedSince => {
                let includes_changed = |rollback: Rollback| rollback.include_changed;
                is_asked_again || request.rollback.is_some_and(includes_changed)
            }
            Outcome::Updated
            | Outcome::AlreadyCurrent
            | Outcome::Drifted
            | Outcome::Deleted
            | Outcome::WouldUpdate => is_asked_again,
            Outcome::Pending => false,
        };
        if !is_open_to_retry || self.attempt >= attempt {
            return None;
        }
        let has_sent = self.client_request_token.is_some() && !request.dry_run;
        let mut earlier_results = self.earlier_results.clone();
        earlier_results.push(EarlierResult {
            attempt: self.attempt,
            outcome: self.outcome,
            settled_at: self.settled_at,
            error_code: self.error_code.clone(),
            error_message: self.error_message.clone(),
            client_request_token: self.client_request_token.clone(),
        });
        let surplus = earlier_results.len().saturating_sub(EARLIER_RESULTS_MAX);
        earlier_results.drain(..surplus);
        Some(Self {
            // The next token must not be one that EKS has seen.
            refusals: self.refusals + u32::from(has_sent),
            earlier_results,
            ..self.pending(attempt)
        })
    }

    /// Returns the row without what settling has added to it.
    pub(super) fn pending(&self, attempt: u32) -> Self {
        Self {
            outcome: Outcome::Pending,
            attempt,
            settled_at: None,
            error_code: None,
            error_message: None,
            client_request_token: None,
            request_id: None,
            inferred: false,
            observed_role_arn: None,
            observed_target_role_arn: None,
            role_arn: None,
            target_role_arn: None,
            modified_at: None,
            ..self.clone()
        }
    }
}
