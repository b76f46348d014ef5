//! A preflight as text: all of it, and the short form beside other answers.

use crate::preflight::finding::{Finding, Level};
use crate::preflight::view::{Preflight, Verdict};
use crate::section::{Item, List, Section};
use crate::terminal::printable;
use crate::words;

/// The details that a screen shows of a finding. JSON has all.
const DETAILS_SHOWN: usize = 12;

/// The whole answer.
pub fn full(preflight: &Preflight) -> String {
    let mut parts = vec![format!("Preflight: {}", verdict(preflight))];
    if !preflight.findings.is_empty() {
        parts.push(findings(preflight.findings.iter()));
    }
    if let Some(analyzer) = &preflight.access_analyzer {
        parts.push(analyzer.clone());
    }
    parts.extend(without_finding(preflight));
    parts.push(list("Checked, and fine:", &preflight.fine));
    parts.push(list("rerole cannot know:", &preflight.limits));
    parts.retain(|part| !part.is_empty());
    printable(&parts.join("\n\n"))
}

/// In front of a rotation, or as part of its plan: the verdict, and what is denied or unknown.
pub fn short(preflight: &Preflight) -> String {
    let mut parts = vec![format!("Preflight: {}", verdict(preflight))];
    let shown = preflight
        .findings
        .iter()
        .filter(|it| it.level != Level::Note);
    let shown = findings(shown);
    parts.extend((!shown.is_empty()).then_some(shown));
    parts.extend(without_finding(preflight));
    printable(&parts.join("\n"))
}

/// As a part of a report.
pub fn section(preflight: &Preflight) -> Section {
    let findings = preflight.findings.iter().map(|finding| Item {
        text: format!("{} {}: {}", word(finding), finding.id, finding.text),
        details: finding.details.clone(),
    });
    let findings: Vec<_> = findings.collect();
    let findings = (!findings.is_empty()).then_some(List {
        title: "Findings",
        items: findings,
    });
    let lists = [
        findings,
        plain("Checked, and fine", &preflight.fine),
        plain("rerole cannot know", &preflight.limits),
    ];
    Section {
        heading: format!("Preflight as of {}", words::plain_time(preflight.as_of)),
        verdict: sentence(&verdict(preflight)),
        lists: lists.into_iter().flatten().collect(),
    }
}

/// The text with a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|it| it.to_ascii_uppercase());
    format!("{}{}.", first.unwrap_or_default(), rest.as_str())
}

/// A list of plain lines, or `None` if there are none.
fn plain(title: &'static str, lines: &[String]) -> Option<List> {
    let items = lines.iter().cloned().map(|text| Item {
        text,
        details: Vec::new(),
    });
    let items: Vec<_> = items.collect();
    (!items.is_empty()).then_some(List { title, items })
}

/// In one line: what the findings come to.
pub fn verdict(preflight: &Preflight) -> String {
    let count = |level| preflight.of(level).count() as u64;
    let others: Vec<_> = [
        (
            preflight.of(Level::Denied).filter(|it| it.accepted).count() as u64,
            "accepted",
        ),
        (count(Level::Unknown), "unknown"),
        (count(Level::Note), "to note"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let others = match others.as_slice() {
        [] => String::new(),
        some => format!("; {}", some.join(", ")),
    };
    match preflight.verdict {
        Verdict::Denied => {
            let denied = words::count(preflight.denied().count() as u64, "finding");
            format!("{denied} denied: pods would lose access, or the rotation would fail{others}")
        }
        Verdict::Unknown | Verdict::NothingDenied => {
            format!("nothing is denied{others}")
        }
    }
}

fn findings<'a>(findings: impl Iterator<Item = &'a Finding>) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        let word = word(finding);
        lines.push(format!("{word:<8} {}  {}", finding.id, finding.text));
        let details = finding.details.iter();
        lines.extend(
            details
                .take(DETAILS_SHOWN)
                .map(|it| format!("{:<9}{it}", "")),
        );
        match finding.details.len().saturating_sub(DETAILS_SHOWN) {
            0 => {}
            more => lines.push(format!(
                "{:<9}and {more} more; rerole preflight --output json has all of them",
                ""
            )),
        }
    }
    lines.join("\n")
}

fn word(finding: &Finding) -> &'static str {
    match finding.level {
        Level::Denied if finding.accepted => "accepted",
        Level::Denied => "DENIED",
        Level::Unknown => "unknown",
        Level::Note => "note",
    }
}

fn without_finding(preflight: &Preflight) -> Option<String> {
    let ids = &preflight.accepted_without_finding;
    (!ids.is_empty()).then(|| format!("No finding has the accepted ID {}.", ids.join(", ")))
}

fn list(title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: Vec<_> = lines.iter().map(|line| format!("  {line}")).collect();
    format!("{title}\n{}", lines.join("\n"))
}
