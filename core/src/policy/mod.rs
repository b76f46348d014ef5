//! IAM policy documents: what they say, and what that means for a request.
//!
//! A document is parsed once, strictly: what is not understood is an error, never ignored. All
//! rules are those of the IAM User Guide. Where it does not say what IAM does, the answer here is
//! "unknown". Nothing here calls AWS, so policies that were not read have no part in a verdict.

mod caller;
mod chain;
mod compare;
mod condition;
mod context;
mod document;
mod evaluate;
mod json;
mod operator;
mod pattern;
pub mod permissions;
mod principal;
mod reason;
mod selected;
mod statement;
mod trust;
mod truth;
mod values;
mod variables;
mod verdict;

pub use caller::Caller;
pub use chain::{Chain, ChainVerdict, ExternalId, IdentityPart, role_can_chain};
pub use context::{Context, KeyFact};
pub use document::{DOCUMENT_BYTES_MAX, Document, DocumentError, Version};
pub use evaluate::{Request, evaluate};
pub use operator::{Operator, OperatorKind, Quantifier};
pub use pattern::{Case, Pattern};
pub use principal::Principal;
pub use reason::Reason;
pub use statement::{Condition, Effect, Selection, Statement};
pub use trust::{POD_SERVICE, PodSession, SessionTags, TrustVerdict, pod_can_assume};
pub use verdict::{Denial, Mismatch, NearMiss, StatementId, Verdict};

#[cfg(test)]
mod tests;
