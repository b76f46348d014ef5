//! Replaces what differs from run to run: times, durations, IDs and ports. What takes its place is
//! as wide, so tables stay aligned, and could be real.

use regex_lite::Regex;

/// Patterns, and what takes the place of their matches. A table cell keeps its width.
const REPLACEMENTS: [(&str, &str); 10] = [
    (
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
        "2026-11-23T21:17:00.000Z",
    ),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-11-23 21:17:00"),
    // Apart from the version of policies.
    (r"\b202\d-\d\d-\d\d\b", "2026-11-23"),
    (r"\b2\d{13}\b", "20261123211700"),
    (
        r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
        "0f8e6c4a-7d35-4b1e-9a62-3c5d7e9f1b20",
    ),
    (
        r"\b[0-9a-f]{64}\b",
        "4f8b1c6e9a2d7053e81f4c6b0a9d3e7215c8f0b6d4a1e39725c7b80f6e1d4a92",
    ),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:4599"),
    // Records leave the time that a command looks at while it is looked at.
    (r"\b\d+ records in\b", "120 records in"),
    (r"\bin \d+ (h \d+ min|h|min|s)\b", "in 6 h"),
    (r"\b\d+ (s|min|h|d) ago\b", "5 min ago"),
];
/// An age in a cell, with its padding.
const AGE_CELL: &str = r"\b\d+ (?:s|min|h|d) {2,}";

/// The text with what differs from run to run replaced.
pub fn redact(text: &str) -> String {
    let cells = Regex::new(AGE_CELL).unwrap();
    let text = cells.replace_all(text, |found: &regex_lite::Captures<'_>| {
        let width = found[0].len();
        format!("{:width$}", "5 min")
    });
    // A release changes no screen but its number.
    let mut text = text.replace(env!("CARGO_PKG_VERSION"), "0.1.0");
    text = text.replace(env!("CARGO_TARGET_TMPDIR"), "/tmp");
    for (pattern, replacement) in REPLACEMENTS {
        let pattern = Regex::new(pattern).unwrap();
        text = pattern.replace_all(&text, replacement).into_owned();
    }
    text
}

/// The text with how far a running rotation is replaced, and without the command that makes sense
/// once it has moved something.
pub fn redact_progress(text: &str) -> String {
    let mut text = text.to_owned();
    // Whether the rotation has come to the associations of add-ons depends on the moment.
    let with_addons = "NOT ATTEMPTED  ADD-ON'S";
    if text.contains(with_addons) {
        text = text.replace(with_addons, "NOT ATTEMPTED");
        let counts = Regex::new(r"(?m)^(prod-\d +\S+ +\d+) +\d+$").unwrap();
        text = counts.replace_all(&text, "$1").into_owned();
    }
    for (pattern, replacement) in [
        (r"(?m)^  rerole rollback .*\n", ""),
        (r"again     \d+ associations?", "again     20 associations"),
        // Where it is between the entries of the timeline depends on when failures were looked at.
        (r"(?m)^\S+ \S+  failed: .*\n", ""),
        (r"\b\d/(2[2-4])\b", "4/$1"),
        (
            r"(?m)\b\d+ of (2[2-4]) settled(: [^;\n]*)?$",
            "4 of $1 settled",
        ),
        (r"pending   \d+ associations?", "pending   20 associations"),
        (r"back      \d+ associations?", "back      4 associations"),
        (r"(?m)^(prod-\d +\S+ +)\d+$", "${1}6"),
    ] {
        let pattern = Regex::new(pattern).unwrap();
        text = pattern.replace_all(&text, replacement).into_owned();
    }
    align_next(&text)
}

/// Aligns the purposes of the commands again, of which one may have been removed.
fn align_next(text: &str) -> String {
    let Some((before, next)) = text.split_once("\nNext:\n") else {
        return text.to_owned();
    };
    let commands: Vec<_> = next
        .lines()
        .filter_map(|line| line.split_once("  # "))
        .map(|(command, purpose)| (command.trim_end(), purpose))
        .collect();
    let width = commands.iter().map(|(command, _)| command.len()).max();
    let width = width.unwrap_or_default();
    let lines = commands
        .iter()
        .map(|(command, purpose)| format!("{command:width$}  # {purpose}\n"));
    let rest = next.split_inclusive('\n');
    let rest: String = rest.filter(|line| !line.contains("  # ")).collect();
    format!("{before}\nNext:\n{}{rest}", lines.collect::<String>())
}
