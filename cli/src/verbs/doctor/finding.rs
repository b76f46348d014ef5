//! What a check has found.

use rerole_core::call::{CallError, ErrorClass};
use serde::Serialize;

/// How good it is. The worst comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Level {
    Ok,
    /// It could not be told, because the caller may not look.
    Unknown,
    /// The deployment works, and something should be done.
    Warning,
    /// The deployment does not do all it should.
    Problem,
}

/// The result of a check, or of a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// What was checked.
    pub check: &'static str,
    pub level: Level,
    pub found: String,
    /// What to do. Null if there is nothing.
    pub todo: Option<String>,
}

impl Finding {
    /// Says what to do.
    pub fn todo(self, todo: impl Into<String>) -> Self {
        Self {
            todo: Some(todo.into()),
            ..self
        }
    }
}

/// A check by its name, to make findings of.
#[derive(Debug, Clone, Copy)]
pub struct Check(pub &'static str);

impl Check {
    pub fn ok(self, found: impl Into<String>) -> Finding {
        self.finding(Level::Ok, found.into())
    }

    pub fn warning(self, found: impl Into<String>) -> Finding {
        self.finding(Level::Warning, found.into())
    }

    pub fn problem(self, found: impl Into<String>) -> Finding {
        self.finding(Level::Problem, found.into())
    }

    pub fn unknown(self, found: impl Into<String>) -> Finding {
        self.finding(Level::Unknown, found.into())
    }

    /// A call that failed. That the caller may not make it is no problem of the deployment.
    pub fn failed(self, permission: &'static str, error: &CallError) -> Finding {
        if error.class == ErrorClass::Denied {
            let todo = format!("to check it, you need {permission}");
            return self.unknown("you may not look").todo(todo);
        }
        self.warning(format!("could not be looked at: {error}"))
            .todo("run rerole doctor again")
    }

    fn finding(self, level: Level, found: String) -> Finding {
        Finding {
            check: self.0,
            level,
            found,
            todo: None,
        }
    }
}
