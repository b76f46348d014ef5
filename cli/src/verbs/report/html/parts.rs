//! The parts of the document before and after the table of associations.

use maud::{Markup, PreEscaped, html};

use crate::rotation::causes::Cause;
use crate::rotation::history::{CommandView, EntryView};
use crate::rotation::report_rows::Workload;
use crate::verbs::report::chart::{Chart, draw};
use crate::verbs::report::data::Report;
use crate::verbs::report::digest::{COMMAND, Data};
use crate::verbs::report::html::shown::{Shown, named_id};
use crate::verbs::report::text;
use crate::verbs::who::verdict::Verdict;
use crate::words;

/// The verdict about the role that the rotation leaves, and why.
pub fn verdict(report: &Report) -> Markup {
    let class = match report.old_role.verdict {
        Verdict::NoKnownUse => "good",
        Verdict::InUse => "bad",
        Verdict::MayBeUsedUntil | Verdict::Unknown | Verdict::CannotBeTold => "open",
    };
    html! {
        section.verdict.(class) {
            h2 { (Shown(text::old_role(report))) }
            p { strong { (text::deletion(report)) } }
            ul { @for ground in &report.old_role.grounds { li { (Shown(ground)) } } }
            details {
                summary { "What rerole cannot know, and what it has asked" }
                ul { @for limit in &report.old_role.limits { li { (Shown(limit)) } } }
                pre { @for line in report.old_role.index.text(report.as_of).lines() { (Shown(line)) "\n" } }
            }
        }
    }
}

/// How many associations ended how.
pub fn counts(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Associations" }
            ul.counts {
                @for (count, name) in text::counts(&report.rotation) {
                    li { b { (count) } " " (name) }
                }
            }
        }
    }
}

/// Who asked for the rotation, for what and why.
pub fn request(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Request" }
            dl {
                @for (name, fact) in text::request(report) {
                    div { dt { (name) } dd { (Shown(fact)) } }
                }
            }
            p.note { "Requester and reason are what the event claims." }
        }
    }
}

/// What did not move, why, and what to do.
pub fn causes(report: &Report) -> Markup {
    html! {
        section {
            h2 { (text::staying(report)) }
            @if report.causes.is_empty() {
                p { (text::nothing_stays(report)) }
            } @else {
                @for cause in &report.causes { (cause_of(cause)) }
            }
        }
    }
}

fn cause_of(cause: &Cause) -> Markup {
    html! {
        article {
            h3 { (cause.count) " × " (Shown(cause.title())) }
            @if let Some(message) = &cause.error_message { p.message { (Shown(message)) } }
            p { (Shown(&cause.advice)) }
            p.note { (Shown(cause.examples_text())) }
        }
    }
}

/// The rollback of the rotation, and the pods to restart after it.
pub fn rollback(report: &Report) -> Markup {
    if report.rollback.is_none() && report.restarts.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Rollback" }
            @if let Some(rollback) = &report.rollback {
                p { (Shown(&rollback.id)) ": " strong { (format!("{:?}", rollback.status)) } }
                @if let Some(reason) = &rollback.reason { p { (Shown(reason)) } }
                ul.counts {
                    @for (count, name) in text::counts(rollback) { li { b { (count) } " " (name) } }
                }
            }
            @if !report.restarts.is_empty() {
                h3 { "Pods to restart: " (words::count(report.restarts.len() as u64, "workload")) }
                p { (text::RESTART) }
                (restarts(&report.restarts))
            }
        }
    }
}

fn restarts(workloads: &[Workload]) -> Markup {
    html! {
        details open[workloads.len() <= 20] {
            summary { "The workloads" }
            ul.columns {
                @for workload in workloads {
                    li { (Shown(workload.place())) " " b { (Shown(workload.pods())) } }
                }
            }
        }
    }
}

/// What happened, and which commands came.
pub fn history(report: &Report) -> Markup {
    let (timeline, commands) = (&report.history.timeline, &report.history.commands);
    html! {
        section {
            h2 { "Timeline" }
            table.history {
                thead { tr { th { "Time" } th { "What" } th { "By" } th { "Why" } th { "IDs" } } }
                tbody { @for entry in timeline { (entry_of(entry)) } }
            }
            @if !commands.is_empty() {
                h3 { "Commands" }
                table.history {
                    thead { tr { th { "Time" } th { "What" } th { "By" } th { "Why" } th { "IDs" } } }
                    tbody { @for command in commands { (command_of(command)) } }
                }
            }
        }
    }
}

fn entry_of(entry: &EntryView) -> Markup {
    let event = entry.event_id.as_deref().map(|id| ("event", id));
    let invocation = entry.request_id.as_deref().map(|id| ("invocation", id));
    html! {
        tr {
            td.time { (words::plain_time(entry.at)) }
            td { (Shown(entry.change.text())) }
            td { (Shown(entry.author())) }
            td { (Shown(entry.reason.as_deref().unwrap_or_default())) }
            td { @for id in event.into_iter().chain(invocation) { (named_id(id)) } }
        }
    }
}

fn command_of(command: &CommandView) -> Markup {
    let because = [&command.reason, &command.explanation];
    let because: Vec<_> = because.into_iter().flatten().map(String::as_str).collect();
    html! {
        tr {
            td.time { (command.at.map(words::plain_time).unwrap_or_default()) }
            td { (format!("{:?}: {:?}", command.command, command.verdict)) }
            td { (Shown(command.requested_by.as_deref().unwrap_or(words::UNNAMED))) }
            td { (Shown(because.join("; "))) }
            td { @if let Some(id) = &command.event_id { (named_id(("event", id))) } }
        }
    }
}

/// What was moved over time.
pub fn charts(report: &Report) -> Markup {
    let start = report.rotation.started_at;
    let by_region = draw(&report.rows, start, |row| row.workload.region.clone());
    let by_cluster = draw(&report.rows, start, |row| row.workload.place());
    html! {
        section {
            h2 { "Moved over time" }
            @match (by_region, by_cluster) {
                (Some(by_region), Some(by_cluster)) => {
                    div.charts {
                        (figure("Associations moved, by region", &by_region))
                        (figure("Associations moved, by cluster", &by_cluster))
                    }
                }
                _ => { p { "There is no chart: associations were not moved at two or more times." } }
            }
        }
    }
}

fn figure(title: &'static str, chart: &Chart) -> Markup {
    html! {
        figure {
            figcaption { (title) }
            div.chart role="img" aria-label=(format!("{title}, over time: the list below has the totals")) {
                (PreEscaped(&chart.svg))
            }
            ul.legend {
                @for label in &chart.legend {
                    li {
                        svg width="14" height="10" aria-hidden="true" {
                            rect width="14" height="10" fill=(label.color) {}
                        }
                        " " (Shown(&label.name)) ": " (label.moved)
                    }
                }
            }
        }
    }
}

/// What joins the report with other records, and shows that it was not changed.
pub fn evidence(report: &Report, data: &Data) -> Markup {
    html! {
        section {
            h2 { "Evidence" }
            p { (text::CLOUDTRAIL) }
            p { (text::DIGEST) " The SHA-256 of the data is" }
            pre { (data.digest) }
            p { "and this command prints it again:" }
            pre { (COMMAND) }
            p.note { "From " (Shown(text::origin(report))) "." }
        }
    }
}
