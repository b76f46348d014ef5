//! A report's data as text, and the digest of it. The text is the report as compact JSON in one
//! line, in UTF-8, with `<` written as `\u003c`. Documents in HTML and JSON have it as a line of
//! its own, which is the only one that starts with `{"reportVersion":`, so one command verifies
//! both:
//!
//! ```sh
//! grep '^{"reportVersion":' FILE | tr -d '\n' | sha256sum
//! ```

use rerole_core::hex;
use sha2::{Digest, Sha256};

use crate::verbs::report::data::Report;

/// The command that verifies a digest, for the documents.
pub const COMMAND: &str = "grep '^{\"reportVersion\":' FILE | tr -d '\\n' | sha256sum";

/// The members of the document in JSON, for its schema.
#[cfg(test)]
#[derive(Debug, schemars::JsonSchema)]
#[expect(
    dead_code,
    reason = "the document is written around the line of its data"
)]
pub struct Digested {
    /// The SHA-256 of the line with the report, as hexadecimal digits.
    pub digest: String,
    pub report: Report,
}

/// The data of a report, ready to be written into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// One line, without its line break.
    pub line: String,
    pub digest: String,
}

impl Data {
    pub fn new(report: &Report) -> Self {
        // A report is a struct of plain values.
        let json = serde_json::to_string(report).unwrap_or_default();
        // `<` only stands in strings. Escaped, it cannot end the element of HTML around it.
        let line = json.replace('<', "\\u003c");
        let digest = hex::lowercase(&Sha256::digest(&line));
        Self { line, digest }
    }

    /// The document in JSON: an object with the digest and the report.
    pub fn json(&self) -> String {
        let Self { line, digest } = self;
        format!("{{\"digest\":\"{digest}\",\"report\":\n{line}\n}}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::report::sample::{hostile, sample};

    #[test]
    fn another_row_has_another_digest() {
        let mut report = sample(3);
        let digest = Data::new(&report).digest;
        report.rows[1].outcome = "Deleted".to_owned();
        assert_ne!(Data::new(&report).digest, digest);
    }

    #[test]
    fn the_data_are_the_report() {
        let report = hostile();
        let json: serde_json::Value = serde_json::from_str(&Data::new(&report).json()).unwrap();
        assert_eq!(json["report"], serde_json::to_value(&report).unwrap());
    }
}
