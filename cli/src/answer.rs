//! The answer of a command: as text, which starts with where it comes from and ends with the
//! commands that make sense next, or as JSON, which has the same in members.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use crate::stack::Stack;
use crate::stack::flags::{Form, OutputFlags};
use crate::stack::{CLI_VERSION, Origin};
use crate::terminal::{Layout, OutputError, note, print, printable};

/// A command that makes sense next, ready to paste.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Next {
    pub command: String,
    /// What it is for.
    pub purpose: String,
}

impl Next {
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            purpose: String::new(),
        }
    }

    /// Says what it is for.
    pub fn to(self, purpose: impl Into<String>) -> Self {
        Self {
            purpose: purpose.into(),
            ..self
        }
    }
}

/// The answer of a command while it is written.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    stack: &'a Stack,
    pub layout: Layout,
}

impl<'a> Answer<'a> {
    /// Prints where the answer comes from, unless it is JSON.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn start(stack: &'a Stack, flags: &OutputFlags) -> Result<Self, OutputError> {
        let answer = Self {
            stack,
            layout: Layout::new(flags),
        };
        let Origin {
            account,
            region,
            stack: name,
            version,
        } = &stack.origin;
        let version = version.as_deref().unwrap_or("unknown");
        let line = format!("account {account}, region {region}, stack {name}, version {version}");
        answer.say(&answer.layout.faint(printable(&line)))?;
        note_skew(&stack.origin);
        Ok(answer)
    }

    /// Prints a part of the answer, unless it is JSON.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn say(&self, text: &str) -> Result<(), OutputError> {
        match self.layout.form {
            Form::Json => Ok(()),
            Form::Table | Form::Wide => print(text),
        }
    }

    /// Prints what must be read before a question is answered. If the answer is JSON, it is no
    /// part of it, so it goes to standard error.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn show_before_asking(&self, text: &str) -> Result<(), OutputError> {
        if self.layout.form == Form::Json {
            note(&text);
        }
        self.say(text)
    }

    /// Prints the end of the answer: as JSON the whole `body`, and as text `text`, which follows
    /// what was said before. Then come the commands that make sense next.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn end<T: Serialize>(
        &self,
        body: &T,
        text: &str,
        next: &[Next],
    ) -> Result<(), OutputError> {
        let next: Vec<_> = next.iter().map(|it| self.shortened(it)).collect();
        if self.layout.form == Form::Json {
            return print(&json(&self.stack.origin, body, &next).to_string());
        }
        let mut text = text.to_owned();
        if !next.is_empty() {
            let _ = write!(text, "\n\n{}", self.next(&next));
        }
        print(text.trim_start_matches('\n'))
    }

    /// The command with the roles of the stack's account by their paths and names, and with the
    /// flags without which it would be about another stack.
    fn shortened(&self, next: &Next) -> Next {
        let (partition, account) = (self.stack.partition(), &self.stack.origin.account);
        let roles = format!("arn:{partition}:iam::{account}:role/");
        Next {
            command: self.stack.pasted(&next.command.replace(&roles, "")),
            ..next.clone()
        }
    }

    fn next(&self, next: &[Next]) -> String {
        let commands: Vec<_> = next.iter().map(|it| printable(&it.command)).collect();
        let width = commands.iter().map(String::len).max().unwrap_or_default();
        let lines = commands
            .iter()
            .zip(next)
            .map(|(command, Next { purpose, .. })| {
                let purpose = self.layout.faint(format!("# {purpose}"));
                format!("  {command:width$}  {purpose}")
            });
        let lines: Vec<_> = lines.collect();
        format!("Next:\n{}", lines.join("\n"))
    }
}

/// The answer as JSON: the members of `body`, and `stack` and `next`.
fn json<T: Serialize>(origin: &Origin, body: &T, next: &[Next]) -> Value {
    // A body is a struct of plain values, so it is an object.
    let mut answer = serde_json::to_value(body).unwrap_or_default();
    answer["stack"] = serde_json::to_value(origin).unwrap_or_default();
    answer["next"] = serde_json::to_value(next).unwrap_or_default();
    answer
}

/// Says what to do if CLI and stack are of different versions: the ledger of one may have what the
/// other does not know.
pub fn note_skew(origin: &Origin) {
    let of_stack = origin.version.as_deref().unwrap_or("unknown");
    if of_stack != CLI_VERSION {
        note(&format!(
            "warning: this is rerole {CLI_VERSION}, and the stack is of version {of_stack}; use \
             the CLI of the same version"
        ));
    }
}
