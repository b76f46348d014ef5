//! A rotation as text.

use rerole_core::rotation::{Counts, Status};
use rerole_core::timestamp::Timestamp;
use serde_json::Value;
use std::fmt::Write as _;

use crate::rotation::RotationView;
use crate::terminal::{Layout, printable};
use crate::words;

/// Where the text is shown.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub account: &'a str,
    pub now: Timestamp,
    pub layout: &'a Layout,
}

/// The rotation in some lines: what it is, who asked for it, how far it is, and the old role.
pub fn rotation(view: &RotationView, context: Context<'_>) -> String {
    let Context {
        account,
        now,
        layout,
    } = context;
    let mut lines = vec![format!(
        "{} {}: {}{}",
        kind(view),
        layout.heading(printable(&view.id)),
        layout.status(view.status),
        cause_and_attempt(view)
    )];
    let mut line = |name: &str, text: String| {
        let text = printable(&text);
        lines.push(format!("  {name:<9} {text}"));
    };
    line("from", words::role(&view.old_role_arn).in_account(account));
    line("to", words::role(&view.new_role_arn).in_account(account));
    line("scope", scope(&view.scope));
    line("asked", asked(view, context));
    line("limits", limits(view));
    line("progress", progress(view, now));
    if let Some(waits_for) = &view.waits_for {
        line("waits for", waits_for.clone());
    }
    if view.is_stalled {
        line(
            "stalled",
            "no invocation has worked on it for ten minutes".to_owned(),
        );
    }
    if let Some(reason) = &view.reason {
        line("reason", reason.clone());
    }
    if let Some(rollback) = &view.rollback {
        line(
            "rollback",
            format!("{}: {:?}", rollback.id, rollback.status),
        );
    }
    line("old role", old_role(view, now));
    lines.join("\n")
}

/// What kind of rotation it is.
pub fn kind(view: &RotationView) -> &'static str {
    match (&view.rollback_of, view.dry_run) {
        (None, false) => "Rotation",
        (None, true) => "Dry run",
        (Some(_), false) => "Rollback",
        (Some(_), true) => "Dry run of a rollback",
    }
}

/// What stands after the status: why it is paused, and which attempt it is.
pub fn cause_and_attempt(view: &RotationView) -> String {
    let cause = view
        .status_cause
        .map_or_else(String::new, |cause| format!(" ({cause:?})"));
    let attempt = match view.attempt {
        1 => String::new(),
        number => format!(", attempt {number}"),
    };
    format!("{cause}{attempt}")
}

/// The lists of a scope in words.
pub fn scope(scope: &Value) -> String {
    let list = |name: &str, noun: &str| {
        let entries: Vec<String> = scope[name]
            .as_array()?
            .iter()
            .filter_map(|entry| entry.as_str().map(str::to_owned))
            .collect();
        Some(format!("{noun} {}", words::list(&entries, 5)))
    };
    let lists = [
        list("regions", "regions"),
        list("clusterNames", "clusters"),
        list("namespaces", "namespaces"),
        list("serviceAccounts", "service accounts"),
    ];
    let lists: Vec<_> = lists.into_iter().flatten().collect();
    if lists.is_empty() {
        "all associations that the index knows".to_owned()
    } else {
        lists.join("; ")
    }
}

fn asked(view: &RotationView, Context { now, layout, .. }: Context<'_>) -> String {
    let at = view
        .queued_at
        .unwrap_or(view.started_at)
        .min(view.started_at);
    let by = view.requested_by.as_ref();
    let by = by.map_or_else(|| words::UNNAMED.to_owned(), |by| layout.caller(by));
    let reason = view
        .request_reason
        .as_ref()
        .map_or_else(String::new, |it| format!(": {it}"));
    format!("{} by {by}{reason}", words::time(at).seen_at(now))
}

/// When it stops, and how much it does at a time.
pub fn limits(view: &RotationView) -> String {
    let concurrency = view.max_concurrency.as_ref();
    let concurrency =
        concurrency.map_or_else(String::new, |limit| format!(", at most {limit} at a time"));
    format!("stops after {} errors{concurrency}", view.max_errors)
}

/// What is settled, how, and how long the rest takes.
pub fn progress(view: &RotationView, now: Timestamp) -> String {
    let Counts { total, pending, .. } = view.counts;
    let parts: Vec<_> = outcomes(&view.counts)
        .into_iter()
        .map(|(number, name)| format!("{number} {name}"))
        .collect();
    let settled = total - pending.min(total);
    let details = if parts.is_empty() {
        String::new()
    } else {
        format!(": {}", parts.join(", "))
    };
    let mut text = format!("{settled} of {total} settled{details}");
    let is_running = matches!(view.status, Status::InProgress | Status::Planning);
    if let (true, Some(rate)) = (is_running, view.settled_per_sec) {
        let _ = write!(text, "; {rate:.1} per second");
    }
    if let (true, Some(end)) = (is_running, view.estimated_end_at) {
        let _ = write!(text, ", about {} left", words::duration(end.since(now)));
    }
    if let Some(finished_at) = view.finished_at {
        let at = words::time(finished_at).seen_at(now);
        let _ = write!(text, "; finished {at}");
    }
    text
}

/// The outcomes that occur, with their numbers, as words.
pub fn outcomes(counts: &Counts) -> Vec<(u64, &'static str)> {
    let all = [
        (counts.updated, "moved"),
        (counts.would_update, "would move"),
        (counts.already_current, "on the new role before"),
        (counts.drifted, "drifted"),
        (counts.deleted, "deleted"),
        (counts.owned_by_addon, "owned by an add-on"),
        (counts.changed_since, "changed since"),
        (counts.failed, "failed"),
        (counts.not_attempted, "not attempted"),
        (counts.reverted, "moved back by another actor"),
    ];
    all.into_iter().filter(|(number, _)| *number > 0).collect()
}

fn old_role(view: &RotationView, now: Timestamp) -> String {
    match (&view.old_role_in_use, view.old_role_in_use_until) {
        (Some(in_use), _) => {
            format!(
                "in use since {}: {}",
                words::time(in_use.since).seen_at(now),
                in_use.why
            )
        }
        (None, Some(until)) if until > now => {
            format!(
                "pods may have its credentials until {}",
                words::time(until).seen_at(now)
            )
        }
        (None, Some(until)) => format!(
            "no use is known since {} (rerole who says more)",
            words::time(until).seen_at(now)
        ),
        (None, None) => "no rotation has left it".to_owned(),
    }
}

#[cfg(test)]
mod tests;
