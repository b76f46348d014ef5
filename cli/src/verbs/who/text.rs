//! Who uses a role, as text.

use rerole_core::timestamp::Timestamp;

use crate::stack::Stack;
use crate::terminal::{Layout, printable};
use crate::users;
use crate::verbs::who::verdict::Verdict;
use crate::verbs::who::view::{LastRotation, Who};
use crate::words;

/// The whole answer.
pub fn who(who: &Who, stack: &Stack, layout: &Layout) -> String {
    let context = Context {
        account: &stack.origin.account,
        now: stack.aws.now(),
    };
    context.text(who, layout)
}

/// Where the text is shown.
struct Context<'a> {
    account: &'a str,
    now: Timestamp,
}

impl Context<'_> {
    fn text(&self, who: &Who, layout: &Layout) -> String {
        let mut parts = vec![self.head(who, layout)];
        if !who.users.is_empty() {
            parts.push(users::table(&who.users, self.account, layout));
        }
        if who.users.len() > users::SHOWN_MAX {
            parts.push(users::cluster_table(&who.clusters, layout));
        }
        if let Some(verified) = &who.verified {
            parts.push(verified.text(self.account, layout));
        }
        parts.push(who.index.text(self.now));
        let limits: Vec<_> = who.limits.iter().map(|it| format!("  {it}")).collect();
        parts.push(format!("rerole cannot know:\n{}", limits.join("\n")));
        parts.join("\n\n")
    }

    /// The role, the verdict and its grounds.
    fn head(&self, who: &Who, layout: &Layout) -> String {
        let role = printable(&words::role(&who.role_arn).in_account(self.account));
        let mut lines = vec![format!(
            "Role {}: {}",
            layout.heading(role),
            verdict(who, self.now)
        )];
        let mut line = |name: &str, text: &str| {
            lines.push(format!("  {name:<9} {}", printable(text)));
        };
        line("delete?", may_be_deleted(who.verdict));
        for (number, ground) in who.grounds.iter().enumerate() {
            line(if number == 0 { "because" } else { "" }, ground);
        }
        if let Some(last) = &who.last_rotation {
            line("last left", &self.last_rotation(last));
        }
        lines.join("\n")
    }

    fn last_rotation(&self, last: &LastRotation) -> String {
        let to = words::role(&last.new_role_arn).in_account(self.account);
        let at = last.finished_at.map_or_else(String::new, |at| {
            format!(", finished {}", words::time(at).seen_at(self.now))
        });
        let reverted = match last.reverted {
            0 => String::new(),
            number => format!(
                "; another actor has moved back {}",
                words::count(number, "association")
            ),
        };
        format!(
            "by rotation {} to {to} ({:?}{at}){reverted}",
            last.id, last.status
        )
    }
}

/// The verdict in words.
pub fn verdict(who: &Who, now: Timestamp) -> String {
    match (who.verdict, who.until) {
        (Verdict::InUse, _) => "in use".to_owned(),
        (Verdict::CannotBeTold, _) => "cannot be told".to_owned(),
        (Verdict::Unknown, _) => "unknown".to_owned(),
        (Verdict::MayBeUsedUntil, Some(until)) => {
            format!(
                "may still be used until {}",
                words::time(until).seen_at(now)
            )
        }
        (Verdict::MayBeUsedUntil, None) => "may still be used".to_owned(),
        (Verdict::NoKnownUse, Some(since)) => {
            format!("no known use since {}", words::time(since).seen_at(now))
        }
        (Verdict::NoKnownUse, None) => "no known use".to_owned(),
    }
}

/// Whether the role may be deleted.
pub fn may_be_deleted(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::InUse => "no",
        Verdict::MayBeUsedUntil => "not yet",
        Verdict::CannotBeTold => "not as long as its use cannot be told",
        Verdict::Unknown => "cannot be told of a role that nothing has named",
        Verdict::NoKnownUse => {
            "rerole knows of nothing that uses it; see below what it cannot know"
        }
    }
}

#[cfg(test)]
mod tests;
