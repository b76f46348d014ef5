//! What happened to a rotation or to the stack: its timeline, and the commands that it got with
//! their verdicts.

use rerole::aws::page::{PageLimit, paginate};
use rerole_core::call::CallError;
use rerole_core::command::{CommandName, CommandRecord, Verdict};
use rerole_core::keys::LedgerKey;
use rerole_core::rotation::{Status, TimelineChange, TimelineEntry};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::stack::Stack;
use crate::terminal::{Layout, printable};
use crate::words;

/// With 250 entries on a page, far more than one rotation gets.
const PAGES: PageLimit = PageLimit {
    list: "the timeline and the commands",
    pages_max: 1_000,
};
/// Entries of the timeline that are shown unless all are asked for.
pub const SHOWN_MAX: usize = 5;

/// What happened to a rotation or to the stack, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct History {
    pub timeline: Vec<EntryView>,
    /// The commands that it got, with their verdicts.
    pub commands: Vec<CommandView>,
}

/// A change of the status or of limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EntryView {
    /// Its number, from 1.
    pub seq: u64,
    #[cfg_attr(test, schemars(with = "String"))]
    pub at: Timestamp,
    #[serde(flatten)]
    pub change: ChangeView,
    /// The attempt of the rotation. Null for the stack.
    pub attempt: Option<u32>,
    /// Who asked for the change, as the event claims. Null for what rerole did by itself.
    pub requested_by: Option<String>,
    /// The event that asked for it.
    pub event_id: Option<String>,
    /// The invocation that made it.
    pub request_id: Option<String>,
    pub reason: Option<String>,
}

/// What an entry of a timeline says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ChangeView {
    StatusChanged {
        #[cfg_attr(test, schemars(with = "Option<String>"))]
        from: Option<Status>,
        #[cfg_attr(test, schemars(with = "String"))]
        to: Status,
    },
    LimitsChanged {
        max_errors: String,
        max_concurrency: Option<String>,
    },
    Frozen,
    Unfrozen,
}

/// A command and its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CommandView {
    #[cfg_attr(test, schemars(with = "String"))]
    pub command: CommandName,
    /// `Accepted`, `NoChange` or `Refused`.
    #[cfg_attr(test, schemars(with = "String"))]
    pub verdict: Verdict,
    /// Why it was refused, or changes nothing.
    pub explanation: Option<String>,
    /// The commands that are allowed instead of a refused one.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub allowed: Vec<CommandName>,
    /// The last entry of the timeline after the command.
    pub seq: u64,
    /// When it was decided. Null if nothing was sent.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub at: Option<Timestamp>,
    /// Who sent it and why, as the event claims.
    pub requested_by: Option<String>,
    pub reason: Option<String>,
    /// The event. Null if nothing was sent, because the ledger shows that nothing would change.
    pub event_id: Option<String>,
}

impl EntryView {
    fn new(seq: u64, entry: &TimelineEntry) -> Self {
        Self {
            seq,
            at: entry.at,
            change: ChangeView::from(&entry.change),
            attempt: entry.attempt,
            requested_by: entry.by.requested_by.as_ref().map(ToString::to_string),
            event_id: entry.by.event_id.clone(),
            request_id: entry.by.request_id.clone(),
            reason: entry.reason.clone(),
        }
    }

    /// Who made the change. An event need not say who sent it.
    pub fn author(&self) -> &str {
        match (&self.requested_by, &self.event_id) {
            (Some(claim), _) => claim,
            (None, Some(_)) => words::UNNAMED,
            (None, None) => "rerole",
        }
    }
}

impl From<&TimelineChange> for ChangeView {
    fn from(change: &TimelineChange) -> Self {
        match change {
            TimelineChange::StatusChanged { from, to } => Self::StatusChanged {
                from: *from,
                to: *to,
            },
            TimelineChange::LimitsChanged {
                max_errors,
                max_concurrency,
            } => Self::LimitsChanged {
                max_errors: max_errors.to_string(),
                max_concurrency: max_concurrency.map(|limit| limit.to_string()),
            },
            TimelineChange::Frozen => Self::Frozen,
            TimelineChange::Unfrozen => Self::Unfrozen,
        }
    }
}

impl ChangeView {
    /// The change in words.
    pub fn text(&self) -> String {
        match self {
            Self::StatusChanged { from: None, to } => format!("{to:?}"),
            Self::StatusChanged {
                from: Some(from),
                to,
            } => format!("{from:?} -> {to:?}"),
            Self::LimitsChanged {
                max_errors,
                max_concurrency: None,
            } => format!("limits: {max_errors} errors"),
            Self::LimitsChanged {
                max_errors,
                max_concurrency: Some(limit),
            } => format!("limits: {max_errors} errors, {limit} at a time"),
            Self::Frozen => "frozen".to_owned(),
            Self::Unfrozen => "no longer frozen".to_owned(),
        }
    }
}

impl From<&CommandRecord> for CommandView {
    fn from(record: &CommandRecord) -> Self {
        let claims = &record.envelope.claims;
        Self {
            command: record.command,
            verdict: record.verdict,
            explanation: record.explanation.clone(),
            allowed: record.allowed.clone(),
            seq: record.seq,
            at: Some(record.at),
            requested_by: claims.requested_by.as_ref().map(ToString::to_string),
            reason: claims.reason_text(),
            event_id: record.envelope.event.id.clone(),
        }
    }
}

impl History {
    /// Reads the timeline and the commands of a rotation or of the stack.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn read(stack: &Stack, key: &LedgerKey) -> Result<Self, CallError> {
        let mut history = Self::default();
        let timelines = stack.aws.ledger.timelines();
        let mut pages = paginate(PAGES, async |start| timelines.page(key, start).await);
        while let Some(page) = pages.next::<_, CallError>().await? {
            let entries = page.iter().map(|(seq, entry)| EntryView::new(*seq, entry));
            history.timeline.extend(entries);
        }
        let commands = stack.aws.ledger.commands();
        let mut pages = paginate(PAGES, async |start| commands.page(key, start).await);
        while let Some(page) = pages.next::<_, CallError>().await? {
            history.commands.extend(page.iter().map(CommandView::from));
        }
        // They are stored in the order of the IDs of their events.
        history.commands.sort_by_key(|command| command.at);
        Ok(history)
    }

    /// The timeline, at most the last `most` entries of it, and all commands.
    pub fn text(&self, layout: &Layout, most: usize) -> String {
        let timeline = self.timeline_text(layout, most);
        if self.commands.is_empty() {
            return timeline;
        }
        let commands = self.commands.iter().map(|command| command.line(layout));
        let commands: Vec<_> = commands.collect();
        format!("{timeline}\n\nCommands:\n{}", commands.join("\n"))
    }

    fn timeline_text(&self, layout: &Layout, most: usize) -> String {
        let earlier = self.timeline.len().saturating_sub(most);
        let entries = &self.timeline[earlier..];
        let changes: Vec<_> = entries.iter().map(|entry| entry.change.text()).collect();
        let width = changes.iter().map(String::len).max().unwrap_or_default();
        let line = |(entry, change): (&EntryView, &String)| {
            let attempt = match entry.attempt {
                None | Some(1) => String::new(),
                Some(number) => format!(", attempt {number}"),
            };
            printable(&format!(
                "  {}  {change:width$}  by {}{attempt}{}",
                words::plain_time(entry.at),
                layout.caller(entry.author()),
                because(entry.reason.as_deref())
            ))
        };
        let lines: Vec<_> = entries.iter().zip(&changes).map(line).collect();
        let more = match earlier {
            0 => String::new(),
            count => format!("  {count} earlier; --timeline shows all\n"),
        };
        format!("Timeline:\n{more}{}", lines.join("\n"))
    }
}

impl CommandView {
    /// What stands for the verdict on a command that was not sent, because nothing would change.
    /// `seq` is the last entry of the timeline.
    pub fn unsent(command: CommandName, explanation: String, seq: u64) -> Self {
        Self {
            command,
            verdict: Verdict::NoChange,
            explanation: Some(explanation),
            allowed: Vec::new(),
            seq,
            at: None,
            requested_by: None,
            reason: None,
            event_id: None,
        }
    }

    /// The command with its verdict, and why it was refused.
    fn line(&self, layout: &Layout) -> String {
        let by = self
            .requested_by
            .as_ref()
            .map_or_else(|| words::UNNAMED.to_owned(), |claim| layout.caller(claim));
        let line = format!(
            "  {}  {:<8}  {:<8}  by {by}{}",
            self.at.map(words::plain_time).unwrap_or_default(),
            format!("{:?}", self.command),
            format!("{:?}", self.verdict),
            because(self.reason.as_deref())
        );
        let explanation = self.explanation.as_ref();
        let explanation = explanation.map_or_else(String::new, |it| format!("\n      {it}"));
        let allowed: Vec<_> = self.allowed.iter().map(|it| format!("{it:?}")).collect();
        let allowed = match allowed.as_slice() {
            [] => String::new(),
            names => format!("; allowed then: {}", names.join(", ")),
        };
        printable(&format!("{line}{explanation}{allowed}"))
    }
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

#[cfg(test)]
mod tests;
