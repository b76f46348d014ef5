//! In place of `preflight`, in a build without IAM's client: there is none.

use rerole_core::call::CallError;
use rerole_core::indexing::IndexItem;
use rerole_core::rotation::RotationRecord;
use serde::Serialize;

use crate::answer::Next;
use crate::exit::Exit;
use crate::preflight_flags::PreflightFlags;
use crate::request::Roles;
use crate::scope::ScopeFlags;
use crate::section::Section;
use crate::stack::Stack;
use crate::terminal::note;

/// What a preflight is to be about.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "nothing is checked")]
pub struct Subject<'a> {
    pub roles: &'a Roles,
    pub items: &'a [IndexItem],
}

/// There is never one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Preflight {}

/// Says that nothing was checked.
#[expect(
    clippy::unused_async,
    reason = "the preflight that it replaces calls AWS"
)]
pub async fn before(
    _stack: &Stack,
    _subject: Subject<'_>,
    flags: &PreflightFlags,
) -> Option<Preflight> {
    if !flags.no_preflight {
        note(&"this build of rerole has no preflight: feature `evidence`");
    }
    None
}

/// There is none.
///
/// # Errors
/// None.
#[expect(
    clippy::unused_async,
    reason = "the preflight that it replaces calls AWS"
)]
pub async fn of_rotation(
    _stack: &Stack,
    _record: &RotationRecord,
) -> Result<Option<Preflight>, CallError> {
    Ok(None)
}

pub fn short(preflight: &Preflight) -> String {
    match *preflight {}
}

pub fn section(preflight: &Preflight) -> Section {
    match *preflight {}
}

pub fn accepting(preflight: &Preflight, _roles: &Roles, _scope: &ScopeFlags) -> Option<Next> {
    match *preflight {}
}

impl Preflight {
    pub fn is_denied(&self) -> bool {
        match *self {}
    }

    pub fn exit(&self) -> Exit {
        match *self {}
    }
}
