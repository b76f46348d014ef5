//! What did not move, and why: rows with the same outcome, error and advice are one cause.

use serde::Serialize;

use crate::advice::{Ended, advice};
use crate::rotation::report_rows::{ReportRow, Workload};

/// Examples of a cause.
const EXAMPLES_MAX: usize = 5;
/// The outcomes of what did not move, those that need an operator first.
const ORDER: [&str; 9] = [
    "Failed",
    "NotAttempted",
    "Pending",
    "OwnedByAddon",
    "Drifted",
    "ChangedSince",
    "Reverted",
    "Deleted",
    "AlreadyCurrent",
];

/// A cause for which associations did not move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cause {
    pub outcome: String,
    pub error_code: Option<String>,
    /// The message of the first of them.
    pub error_message: Option<String>,
    pub count: u64,
    pub advice: String,
    /// The first of them.
    pub examples: Vec<Workload>,
}

/// The causes of what did not move, the most urgent first.
pub fn causes(rows: &[ReportRow]) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    for row in rows.iter().filter(|row| !row.has_moved()) {
        let advice = advice(Ended {
            outcome: &row.outcome,
            error_code: row.error_code.as_deref(),
            error_message: row.error_message.as_deref(),
        });
        let is_of = |cause: &&mut Cause| {
            let (outcome, code) = (&cause.outcome, &cause.error_code);
            (outcome, code, cause.advice.as_str()) == (&row.outcome, &row.error_code, advice)
        };
        if let Some(cause) = causes.iter_mut().find(is_of) {
            cause.count += 1;
            if cause.examples.len() < EXAMPLES_MAX {
                cause.examples.push(row.workload.clone());
            }
        } else {
            causes.push(Cause {
                outcome: row.outcome.clone(),
                error_code: row.error_code.clone(),
                error_message: row.error_message.clone(),
                count: 1,
                advice: advice.to_owned(),
                examples: vec![row.workload.clone()],
            });
        }
    }
    causes.sort_by_key(|cause| {
        let place = ORDER.iter().position(|it| *it == cause.outcome);
        (place, std::cmp::Reverse(cause.count))
    });
    causes
}

impl Cause {
    /// The error of EKS: its code, and the message of the first of them.
    pub fn error(&self) -> String {
        let parts = [&self.error_code, &self.error_message];
        let parts: Vec<_> = parts.into_iter().flatten().cloned().collect();
        parts.join(": ")
    }

    /// The outcome, with the error if there is one.
    pub fn title(&self) -> String {
        match &self.error_code {
            None => self.outcome.clone(),
            Some(code) => format!("{}: {code}", self.outcome),
        }
    }

    /// The examples as a list, and how many more there are.
    pub fn examples_text(&self) -> String {
        let examples = self.examples.iter();
        let examples = examples.map(|it| format!("{} {}", it.place(), it.pods()));
        let examples = examples.collect::<Vec<_>>().join(", ");
        match self.count.saturating_sub(self.examples.len() as u64) {
            0 => examples,
            more => format!("{examples} and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(outcome: &str, code: Option<&str>) -> ReportRow {
        ReportRow {
            outcome: outcome.to_owned(),
            error_code: code.map(str::to_owned),
            ..ReportRow::default()
        }
    }

    #[test]
    fn rows_with_the_same_outcome_and_error_are_one_cause() {
        let mut rows = vec![
            row("Updated", None),
            row("AlreadyCurrent", None),
            row("Failed", Some("InvalidRequestException")),
        ];
        rows.extend(vec![row("Failed", Some("AccessDeniedException")); 7]);
        let causes = causes(&rows);
        let found: Vec<_> = causes
            .iter()
            .map(|it| (it.title(), it.count, it.examples.len()))
            .collect();
        let expected = [
            ("Failed: AccessDeniedException".to_owned(), 7, 5),
            ("Failed: InvalidRequestException".to_owned(), 1, 1),
            ("AlreadyCurrent".to_owned(), 1, 1),
        ];
        assert_eq!(found, expected);
        assert!(causes[0].examples_text().ends_with(" and 2 more"));
    }
}
