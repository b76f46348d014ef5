//! Whether the stack is frozen: since when, by whom, and why. That comes first in every answer
//! about rotations.

use rerole_core::rotation::StackRecord;
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::terminal::{Layout, printable};
use crate::words;

/// A freeze that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FreezeView {
    #[cfg_attr(test, schemars(with = "String"))]
    pub since: Timestamp,
    /// Who froze the stack and why, as the command claims.
    pub by: Option<String>,
    pub reason: Option<String>,
}

impl FreezeView {
    /// The freeze, if the stack is frozen.
    pub fn of(stack: &StackRecord) -> Option<Self> {
        let author = stack.frozen_by.as_ref();
        let by = author.and_then(|author| author.requested_by.as_ref());
        Some(Self {
            since: stack.frozen_at?,
            by: by.map(ToString::to_string),
            reason: stack.reason.clone(),
        })
    }

    pub fn text(&self, layout: &Layout, now: Timestamp) -> String {
        let since = words::time(self.since).seen_at(now);
        let by = self.by.as_ref();
        let by = by.map_or_else(|| words::UNNAMED.to_owned(), |by| layout.caller(by));
        let reason = self.reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let line = printable(&format!("FROZEN since {since} by {by}{reason}"));
        format!(
            "{}\nNo rotation is started or continued until `rerole unfreeze`.",
            layout.heading(line)
        )
    }
}

#[cfg(test)]
mod tests {
    use rerole_core::request::Claim;
    use rerole_core::rotation::Author;
    use std::time::Duration;

    use super::*;
    use crate::stack::flags::Form;

    #[test]
    fn a_frozen_stack_says_since_when_by_whom_and_why() {
        let now: Timestamp = "2026-11-23T21:17:00.000Z".parse().unwrap();
        let layout = Layout::plain(Form::Table);
        let frozen = StackRecord {
            timeline_seq: 1,
            frozen_at: Some(now - Duration::from_mins(5)),
            frozen_by: Some(Author {
                requested_by: Claim::new("arn:aws:iam::111122223333:user/jane"),
                ..Author::default()
            }),
            reason: Some("INC-7".to_owned()),
        };
        let view = FreezeView::of(&frozen).unwrap();
        let text = "\
FROZEN since 2026-11-23 21:12:00 (5 min ago) by jane: INC-7
No rotation is started or continued until `rerole unfreeze`.";
        assert_eq!(view.text(&layout, now), text);
        assert_eq!(FreezeView::of(&StackRecord::default()), None);
    }
}
