//! The associations of a report: what a row of the ledger has, under the names of the report.

use std::collections::BTreeSet;

use rerole_core::rotation::reversion::ReversionRow;
use rerole_core::rotation::{EarlierResult, Outcome, Row};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

/// The outcome of an association that another actor has moved back.
const REVERTED: &str = "Reverted";

/// An association in a report. Members without a value are left out: there can be many rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReportRow {
    /// The outcome, or `Reverted`.
    pub outcome: String,
    #[serde(flatten)]
    pub workload: Workload,
    pub association_arn: String,
    /// The roles that it had, as EKS showed them before the update, or else the index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_role_before: Option<String>,
    /// The roles that it has, as EKS showed them last. Absent if EKS has shown nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_role_after: Option<String>,
    /// The version of the association (`modifiedAt`) when it was planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub version_before: Option<Timestamp>,
    /// The version that EKS showed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub version_after: Option<Timestamp>,
    /// When the outcome was recorded, or the association was moved back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub settled_at: Option<Timestamp>,
    /// The attempt of the rotation that settled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The request ID of the update, or of the call that failed: `requestID` in CloudTrail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The token of the update: `requestParameters.clientRequestToken` in CloudTrail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<String>,
    /// The response to the update was lost: that it took effect is inferred from what EKS shows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, schemars(default))]
    pub inferred: bool,
    /// Who moved it back, if an event shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_arn: Option<String>,
    /// How it ended in earlier attempts, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(default))]
    pub earlier_results: Vec<EarlierView>,
}

/// The pods that an association is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Workload {
    pub region: String,
    pub cluster: String,
    pub namespace: String,
    pub service_account: String,
}

/// How an association ended in an earlier attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EarlierView {
    pub attempt: u32,
    pub outcome: String,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub settled_at: Option<Timestamp>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub client_request_token: Option<String>,
}

impl ReportRow {
    /// Whether it has this outcome.
    pub fn is(&self, outcome: Outcome) -> bool {
        self.outcome == format!("{outcome:?}")
    }

    /// Whether the rotation has moved it, or would.
    pub fn has_moved(&self) -> bool {
        self.is(Outcome::Updated) || self.is(Outcome::WouldUpdate)
    }

    /// Why it has its outcome: the error of EKS, or who moved it back.
    pub fn details(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.error_code.clone());
        parts.extend(self.error_message.clone());
        let mut details = vec![parts.join(": ")];
        if self.inferred {
            details.push("inferred: the response to the update was lost".to_owned());
        }
        if self.outcome == REVERTED {
            let by = self.caller_arn.as_deref();
            let by = by.unwrap_or("a caller that no event shows");
            details.push(format!("moved back by {by}"));
        }
        let earlier = self.earlier_results.iter().map(EarlierView::text);
        details.extend(earlier);
        details.retain(|text| !text.is_empty());
        details.join("; ")
    }
}

impl EarlierView {
    fn text(&self) -> String {
        let error = self.error_code.as_ref();
        let error = error.map_or_else(String::new, |code| format!(" ({code})"));
        format!("attempt {}: {}{error}", self.attempt, self.outcome)
    }
}

impl Workload {
    /// The pods: `namespace/serviceAccount`.
    pub fn pods(&self) -> String {
        format!("{}/{}", self.namespace, self.service_account)
    }

    /// Where they run: `region/cluster`.
    pub fn place(&self) -> String {
        format!("{}/{}", self.region, self.cluster)
    }
}

/// The workloads of these rows, sorted, each once.
pub fn workloads<'a>(rows: impl Iterator<Item = &'a ReportRow>) -> Vec<Workload> {
    let all: BTreeSet<_> = rows.map(|row| &row.workload).collect();
    all.into_iter().cloned().collect()
}

impl From<&Row> for ReportRow {
    fn from(row: &Row) -> Self {
        // What EKS showed before the update is later than what the index showed.
        let (role_before, target_role_before) = match &row.observed_role_arn {
            Some(role) => (role.clone(), row.observed_target_role_arn.clone()),
            None => (
                row.previous_role_arn.clone(),
                row.previous_target_role_arn.clone(),
            ),
        };
        Self {
            outcome: format!("{:?}", row.outcome),
            workload: Workload {
                region: row.association_arn.region().to_owned(),
                cluster: row.cluster_name.clone(),
                namespace: row.namespace.clone(),
                service_account: row.service_account.clone(),
            },
            association_arn: row.association_arn.to_string(),
            role_before: Some(role_before),
            target_role_before,
            role_after: row.role_arn.clone(),
            target_role_after: row.target_role_arn.clone(),
            version_before: Some(row.planned_modified_at),
            version_after: row.modified_at,
            settled_at: row.settled_at,
            attempt: Some(row.attempt),
            error_code: row.error_code.clone(),
            error_message: row.error_message.clone(),
            request_id: row.request_id.clone(),
            client_request_token: row.client_request_token.clone(),
            inferred: row.inferred,
            caller_arn: None,
            earlier_results: row.earlier_results.iter().map(EarlierView::from).collect(),
        }
    }
}

impl From<&ReversionRow> for ReportRow {
    fn from(row: &ReversionRow) -> Self {
        Self {
            outcome: REVERTED.to_owned(),
            workload: Workload {
                region: row.reverted_arn.region().to_owned(),
                cluster: row.cluster_name.clone(),
                namespace: row.namespace.clone(),
                service_account: row.service_account.clone(),
            },
            association_arn: row.reverted_arn.to_string(),
            version_after: Some(row.modified_at),
            settled_at: Some(row.modified_at),
            caller_arn: row.caller_arn.clone(),
            ..Self::default()
        }
    }
}

impl From<&EarlierResult> for EarlierView {
    fn from(earlier: &EarlierResult) -> Self {
        Self {
            attempt: earlier.attempt,
            outcome: format!("{:?}", earlier.outcome),
            settled_at: earlier.settled_at,
            error_code: earlier.error_code.clone(),
            error_message: earlier.error_message.clone(),
            client_request_token: earlier.client_request_token.clone(),
        }
    }
}
