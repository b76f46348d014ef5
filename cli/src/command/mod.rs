//! Commands: what the ledger shows of them before they are sent (`check`), what they will change
//! (`preview`), how they are sent, and their verdict.

pub mod check;
pub mod preview;
pub mod steer;

use rerole_core::command::{CommandName, Verdict};
use rerole_core::keys::LedgerKey;
use serde_json::{Map, Value, json};

use crate::answer::Next;
use crate::bus::{self, CommandResult, DetailType};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::request::claims;
use crate::rotation::history::CommandView;
use crate::silence;
use crate::stack::Stack;
use crate::terminal::{Layout, printable};

/// A command before it is sent.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub name: CommandName,
    /// What it is about.
    pub key: LedgerKey,
    /// The last entry of the timeline that the operator has been shown.
    pub expected_seq: u64,
    /// What the command has besides.
    pub members: Map<String, Value>,
}

impl Outgoing {
    /// The `detail` of its event, with who asks and why.
    fn detail(self, claims: Map<String, Value>) -> Value {
        let mut detail = self.members;
        detail.insert("command".to_owned(), json!(self.name));
        detail.insert("expectedSeq".to_owned(), json!(self.expected_seq));
        if let LedgerKey::Rotation(key) = &self.key {
            detail.insert("rotationId".to_owned(), json!(key.to_string()));
        }
        detail.extend(claims);
        Value::Object(detail)
    }

    /// Sends the command, and waits for its verdict. Returns `None` if the ledger shows nothing of
    /// it, after the operator was told what may be wrong.
    ///
    /// # Errors
    /// If the event is rejected, or AWS does not respond.
    pub async fn send(
        self,
        stack: &Stack,
        reason: Option<&str>,
    ) -> Result<Option<CommandView>, Failure> {
        let key = self.key.clone();
        let detail = self.detail(claims(&stack.caller_arn, reason)?);
        let sent = bus::put(stack, DetailType::Command, &detail).await?;
        match bus::await_verdict(stack, &key, &sent).await? {
            CommandResult::Decided(record) => Ok(Some(record.as_ref().into())),
            CommandResult::Rejected(rejected) => Err(Failure::Rejected(rejected.rejection)),
            CommandResult::Silence => {
                silence::explain(stack, &sent).await;
                Ok(None)
            }
        }
    }
}

/// The verdict as text. A refusal says what is allowed instead.
pub fn verdict_text(verdict: &CommandView, layout: &Layout) -> String {
    let explanation = verdict.explanation.as_deref();
    let explanation = explanation.map_or_else(String::new, |it| format!(": {it}"));
    let text = match verdict.verdict {
        Verdict::Accepted => format!("{:?} is accepted{explanation}", verdict.command),
        Verdict::NoChange => format!("{:?} changes nothing{explanation}", verdict.command),
        Verdict::Refused => format!("{:?} is refused{explanation}", verdict.command),
    };
    layout.heading(printable(&text))
}

/// How a command with this verdict ends.
pub fn exit(verdict: &CommandView) -> Exit {
    match verdict.verdict {
        Verdict::Accepted | Verdict::NoChange => Exit::Done,
        Verdict::Refused => Exit::Error,
    }
}

/// The commands that are allowed for a rotation, ready to paste.
pub fn allowed(names: &[CommandName], id: &str) -> Vec<Next> {
    let next = |name: &CommandName| {
        let (command, purpose) = match name {
            CommandName::Pause => (format!("rerole pause {id}"), "stop for now"),
            CommandName::Resume => (format!("rerole resume {id}"), "continue"),
            CommandName::Cancel => (format!("rerole cancel {id}"), "stop for good"),
            CommandName::Retry => (format!("rerole retry {id}"), "try the rest again"),
            CommandName::Rollback => (format!("rerole rollback {id}"), "take back what it moved"),
            CommandName::Change => (
                format!("rerole change {id} --max-errors N"),
                "set new limits",
            ),
            CommandName::Freeze => ("rerole freeze".to_owned(), "stop all rotations"),
            CommandName::Unfreeze => ("rerole unfreeze".to_owned(), "let all rotations continue"),
        };
        Next::new(command).to(purpose)
    };
    names.iter().map(next).collect()
}

#[cfg(test)]
mod tests;
