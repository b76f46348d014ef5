//! The list of rotations as text.

use rerole_core::timestamp::Timestamp;

use crate::rotation::rejected::RejectedView;
use crate::stack::flags::Form;
use crate::terminal::{Layout, printable};
use crate::verbs::list::flags::ListFlags;
use crate::verbs::list::listed::{List, ListedRotation};
use crate::words;

const LAG: &str = "\
This is from a secondary index: a rotation that was requested seconds ago may be
missing, or shown as it was before. `rerole status ID` is up to date.";
/// In a table, so much is shown of why an event was rejected.
const WHY_LEN_MAX: usize = 200;

/// Where the list is shown.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub account: &'a str,
    pub now: Timestamp,
    pub layout: &'a Layout,
}

impl View<'_> {
    /// The rotations, the rejected events, and what cannot be read, each if there are any.
    pub fn text(&self, list: &List, flags: &ListFlags) -> String {
        let since = match list.since {
            None => "at any time".to_owned(),
            Some(since) => format!("since {}", words::plain_time(since)),
        };
        let subject = flags.filter.subject(&since);
        let mut parts = Vec::new();
        if list.rotations.is_empty() && list.rejected.is_empty() {
            parts.push(format!(
                "There is nothing to list. Looked for: {subject}{}.",
                role(flags)
            ));
        } else {
            let subject = capitalized(&subject);
            parts.push(format!("{subject}{}:", role(flags)));
        }
        if !list.rotations.is_empty() {
            parts.push(self.rotations(&list.rotations));
        }
        if !list.rejected.is_empty() {
            parts.push(self.rejected(&list.rejected));
        }
        if !list.malformed.is_empty() {
            let keys = list.malformed.iter().map(|key| format!("  {key}"));
            let keys: Vec<_> = keys.collect();
            parts.push(printable(&format!(
                "Items that cannot be read; another version of rerole may have written them:\n{}",
                keys.join("\n")
            )));
        }
        if flags.role.is_none() {
            parts.push(self.layout.faint(LAG));
        }
        format!("\n{}", parts.join("\n\n"))
    }

    fn rotations(&self, rotations: &[ListedRotation]) -> String {
        let rows = rotations.iter().map(|it| {
            let failed = match it.failed {
                0 => String::new(),
                count => format!(", {count} failed"),
            };
            let by = it.requested_by.as_ref();
            vec![
                it.id.clone(),
                self.status(it),
                words::role(&it.old_role_arn).in_account(self.account),
                words::role(&it.new_role_arn).in_account(self.account),
                format!("{}/{}{failed}", it.settled, it.total),
                self.age(it.started_at),
                by.map_or_else(|| "-".to_owned(), |by| self.name(by)),
            ]
        });
        let header = [
            "id",
            "status",
            "from",
            "to",
            "progress",
            self.age_header(),
            "by",
        ];
        self.layout.table_of_ids(&header, rows)
    }

    fn rejected(&self, rejected: &[RejectedView]) -> String {
        let lines = rejected.iter().map(|it| {
            let (field, value, allowed) = (&it.field, &it.value, &it.allowed);
            let why = format!("{field} {value} is not allowed; allowed: {allowed}");
            let why = match self.layout.form {
                Form::Table if why.chars().count() > WHY_LEN_MAX => {
                    why.chars().take(WHY_LEN_MAX).chain(['…']).collect()
                }
                _ => why,
            };
            let (at, sent) = (self.at(it.rejected_at), it.sent(self.layout));
            printable(&format!("  {}  {at} {sent}\n      {why}", it.id))
        });
        let lines: Vec<_> = lines.collect();
        format!("Rejected events:\n{}", lines.join("\n"))
    }

    /// The status. Where there is little room, why a rotation is paused is left to `status`.
    fn status(&self, it: &ListedRotation) -> String {
        match (self.layout.form, it.status_cause) {
            (Form::Wide, Some(cause)) => format!("{:?} ({cause:?})", it.status),
            _ => format!("{:?}", it.status),
        }
    }

    /// Who asked: the last part of a name, such as that of a session.
    fn name(&self, claim: &str) -> String {
        let caller = self.layout.caller(claim);
        match self.layout.form {
            Form::Table => caller.rsplit('/').next().unwrap_or(&caller).to_owned(),
            Form::Wide | Form::Json => caller,
        }
    }

    /// How long ago it started, or when where nothing is shortened. It is as wide as any age, so
    /// the columns stay where they are from look to look.
    fn age(&self, at: Timestamp) -> String {
        match self.layout.form {
            Form::Table => format!("{:6}", words::age(self.now.since(at))),
            Form::Wide | Form::Json => words::plain_time(at),
        }
    }

    fn age_header(&self) -> &'static str {
        match self.layout.form {
            Form::Table => "age",
            Form::Wide | Form::Json => "started",
        }
    }

    /// How long ago it was, or when where nothing is shortened.
    fn at(&self, at: Timestamp) -> String {
        match self.layout.form {
            Form::Table => format!("{} ago", words::age(self.now.since(at))),
            Form::Wide | Form::Json => words::plain_time(at),
        }
    }
}

fn role(flags: &ListFlags) -> String {
    let role = flags.role.as_ref();
    role.map_or_else(String::new, |role| format!(", from or onto {role}"))
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}
