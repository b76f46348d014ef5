//! IAM policy documents: what they say, and what that means for a request.
//!
//! A document is parsed once, strictly: what is not understood is an error, never ignored. All
//! rules are those of the IAM User Guide. Where it does not say what IAM does, the answer here is
//! "unknown". Nothing here calls AWS, so policies that were not read have no part in a verdict.

mod document;
mod json;
mod operator;
mod pattern;
mod principal;
mod statement;

pub use document::{DOCUMENT_BYTES_MAX, Document, DocumentError, Version};
pub use operator::{Operator, OperatorKind, Quantifier};
pub use pattern::{Case, Pattern};
pub use principal::Principal;
pub use statement::{Condition, Effect, Selection, Statement};
