//! In place of `trails`, in a build without CloudTrail's client.

use crate::stack::Stack;
use crate::verbs::doctor::finding::{Check, Finding};

/// Says that nothing was checked.
#[expect(clippy::unused_async, reason = "the check that it replaces calls AWS")]
pub async fn check(_stack: &Stack) -> Vec<Finding> {
    vec![Check("trails").unknown("this build of rerole cannot look at trails: feature `evidence`")]
}
