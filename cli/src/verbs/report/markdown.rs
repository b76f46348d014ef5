//! A report as Markdown, for a change ticket: all but the charts, and the first associations only.

use std::fmt::Write as _;

use rerole_core::printable::escape_controls;

use crate::drain;
use crate::preflight;
use crate::rotation::report_rows::ReportRow;
use crate::section::Section;
use crate::verbs::report::data::Report;
use crate::verbs::report::text;
use crate::words;

/// Associations and workloads that are listed. The other formats have all.
const LISTED_MAX: usize = 50;

/// The whole document.
pub fn document(report: &Report) -> String {
    let mut parts = vec![
        format!("# {}", escaped(&text::title(&report.rotation))),
        escaped(&text::origin(report)),
    ];
    parts.extend(text::unfinished(report).map(|text| format!("**{}**", escaped(&text))));
    parts.push(verdict(report));
    parts.push(format!(
        "## Associations\n\n{}",
        counts(&text::counts(&report.rotation))
    ));
    parts.push(request(report));
    parts.push(causes(report));
    parts.extend(
        report
            .preflight
            .iter()
            .map(|it| section(&preflight::section(it))),
    );
    let account = &report.stack.account;
    let drain = report.drain.iter();
    parts.extend(drain.map(|it| section(&drain::section::section(it, account))));
    parts.extend(rollback(report));
    parts.push(timeline(report));
    parts.extend(commands(report));
    parts.push(rows(report));
    parts.push(format!(
        "## Evidence\n\n{}\n\nThe report in HTML or JSON has all data, with a digest that can be verified.",
        text::CLOUDTRAIL
    ));
    parts.join("\n\n") + "\n"
}

fn verdict(report: &Report) -> String {
    let list = |texts: &[String]| {
        let items = texts.iter().map(|text| format!("- {}\n", escaped(text)));
        items.collect::<String>()
    };
    let who = &report.old_role;
    format!(
        "## {}\n\n**{}**\n\n{}\nrerole cannot know:\n\n{}",
        escaped(&text::old_role(report)),
        text::deletion(report),
        list(&who.grounds),
        list(&who.limits).trim_end()
    )
}

fn counts(counts: &[(u64, &str)]) -> String {
    let counts = counts.iter().map(|(count, name)| format!("{count} {name}"));
    format!("{}.", counts.collect::<Vec<_>>().join(", "))
}

fn request(report: &Report) -> String {
    let facts = text::request(report).into_iter();
    let facts = facts.map(|(name, fact)| vec![name.to_owned(), fact]);
    format!(
        "## Request\n\nRequester and reason are what the event claims.\n\n{}",
        table(&["", ""], facts)
    )
}

fn causes(report: &Report) -> String {
    let mut text = format!("## {}\n", text::staying(report));
    if report.causes.is_empty() {
        let _ = write!(text, "\n{}", text::nothing_stays(report));
    }
    for cause in &report.causes {
        let title = escaped(&cause.title());
        let _ = write!(
            text,
            "\n- **{} × {title}.** {}",
            cause.count,
            escaped(&cause.advice)
        );
        let message = cause.error_message.iter().map(String::as_str);
        for line in message.chain([cause.examples_text().as_str()]) {
            let _ = write!(text, "\n  <br>{}", escaped(line));
        }
    }
    text
}

fn section(section: &Section) -> String {
    let mut text = format!(
        "## {}\n\n**{}**",
        escaped(&section.heading),
        escaped(&section.verdict)
    );
    for list in &section.lists {
        let _ = write!(text, "\n\n{}:\n", list.title);
        for item in &list.items {
            let _ = write!(text, "\n- {}", escaped(&item.text));
            for detail in item.details.iter().take(LISTED_MAX) {
                let _ = write!(text, "\n  <br>{}", escaped(detail));
            }
            let more = item.details.len().saturating_sub(LISTED_MAX);
            if more > 0 {
                let _ = write!(text, "\n  <br>and {more} more");
            }
        }
    }
    text
}

fn rollback(report: &Report) -> Option<String> {
    if report.rollback.is_none() && report.restarts.is_empty() {
        return None;
    }
    let mut parts = vec!["## Rollback".to_owned()];
    if let Some(rollback) = &report.rollback {
        let id = escaped(&rollback.id);
        parts.push(format!(
            "{id}: **{:?}**, {}",
            rollback.status,
            counts(&text::counts(rollback))
        ));
        parts.extend(rollback.reason.as_deref().map(escaped));
    }
    if !report.restarts.is_empty() {
        let workloads = report.restarts.iter();
        let workloads = workloads.map(|it| vec![it.place(), it.pods()]);
        parts.push(text::RESTART.to_owned());
        parts.push(first(&["cluster", "workload"], workloads));
    }
    Some(parts.join("\n\n"))
}

fn timeline(report: &Report) -> String {
    let entries = report.history.timeline.iter().map(|entry| {
        vec![
            words::plain_time(entry.at),
            entry.change.text(),
            entry.author().to_owned(),
            entry.reason.clone().unwrap_or_default(),
            entry.event_id.clone().unwrap_or_default(),
            entry.request_id.clone().unwrap_or_default(),
        ]
    });
    let header = ["time", "what", "by", "why", "event", "invocation"];
    format!("## Timeline\n\n{}", table(&header, entries))
}

fn commands(report: &Report) -> Option<String> {
    let commands = report.history.commands.iter().map(|command| {
        vec![
            command.at.map(words::plain_time).unwrap_or_default(),
            format!("{:?}: {:?}", command.command, command.verdict),
            command
                .requested_by
                .clone()
                .unwrap_or_else(|| words::UNNAMED.to_owned()),
            command.reason.clone().unwrap_or_default(),
            command.explanation.clone().unwrap_or_default(),
            command.event_id.clone().unwrap_or_default(),
        ]
    });
    let header = ["time", "command", "by", "why", "explanation", "event"];
    let is_any = !report.history.commands.is_empty();
    is_any.then(|| format!("### Commands\n\n{}", table(&header, commands)))
}

fn rows(report: &Report) -> String {
    if report.rows.is_empty() {
        return "## All associations\n\nThe rotation has none.".to_owned();
    }
    let row = |row: &ReportRow| {
        let ids = text::ids(row).into_iter();
        let ids = ids.map(|(name, id)| format!("{name} {id}"));
        vec![
            row.outcome.clone(),
            row.workload.pods(),
            row.workload.place(),
            text::roles(row, &report.stack.account),
            row.settled_at.map(words::plain_time).unwrap_or_default(),
            ids.collect::<Vec<_>>().join(", "),
            row.details(),
        ]
    };
    let header = [
        "outcome", "workload", "cluster", "role", "settled", "IDs", "details",
    ];
    let rows = first(&header, report.rows.iter().map(row));
    format!("## All associations\n\n{rows}")
}

/// A table of the first rows, and how many more there are.
fn first(header: &[&str], rows: impl ExactSizeIterator<Item = Vec<String>>) -> String {
    let more = rows.len().saturating_sub(LISTED_MAX);
    let table = table(header, rows.take(LISTED_MAX));
    match more {
        0 => table,
        more => {
            format!("{table}\n\nand {more} more: the report in HTML, CSV or JSON has all of them")
        }
    }
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let names = header.iter().map(|it| (*it).to_owned());
    let rules = header.iter().map(|_| "---".to_owned());
    let rows = rows.map(|row| row.iter().map(|cell| escaped(cell)).collect());
    let lines = [names.collect(), rules.collect()].into_iter().chain(rows);
    lines.map(line).collect::<Vec<_>>().join("\n")
}

/// The text as Markdown shows it: nothing in it is markup or HTML, or ends a cell of a table.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in escape_controls(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // Some sites make a mention of it.
            '@' => escaped.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    // Some sites make a link of it.
    escaped.replace("://", "&#58;//")
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use super::*;
    use crate::verbs::report::sample::{HOSTILE, hostile, rolled_back, sample};

    #[test]
    fn a_report_is_a_page() {
        expect_file!["samples/report.md"].assert_eq(&document(&rolled_back(20)));
    }

    #[test]
    fn a_long_report_says_how_many_more_there_are() {
        let text = document(&sample(60));
        assert!(text.contains("and 10 more: the report in HTML"), "{text}");
    }

    #[test]
    fn no_name_is_markup() {
        let text = document(&hostile());
        for name in HOSTILE {
            assert!(text.contains(&escaped(name)), "{name}");
        }
        for markup in [
            "<script", "<img", "<b>", "[e](", "`c`", "a|b", "\u{202e}", "\u{1b}", "://",
        ] {
            assert!(!text.contains(markup), "{markup}");
        }
        // Each line of a table has as many cells as its header.
        let is_cell_end = |line: &str| line.replace("\\|", "").matches('|').count();
        let tables = text.split("\n\n").filter(|it| it.starts_with('|'));
        for table in tables {
            let mut counts = table.lines().map(is_cell_end);
            let first = counts.next().unwrap();
            assert!(counts.all(|count| count == first), "{table}");
        }
    }
}
