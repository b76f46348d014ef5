//! What is known about the permissions of a role: its policies as they were read. Reading them from
//! IAM is the caller's.

use crate::policy::{Document, DocumentError};
use crate::resource::RoleArn;

/// What is known of the old role and of the new one.
#[derive(Debug, Clone, Copy)]
pub struct BothRoles<T> {
    pub old: T,
    pub new: T,
}

/// The permissions of one role.
#[derive(Debug, Clone)]
pub struct Permissions {
    pub role: RoleArn,
    /// Managed and inline policies.
    pub identity: Vec<NamedDocument>,
    /// The permissions boundary, if the role has one.
    pub boundary: Option<NamedDocument>,
    /// The role's tags, key and value; `None` if they could not be read.
    pub tags: Option<Vec<(String, String)>>,
}

/// A policy, with the name by which a person knows it.
#[derive(Debug, Clone)]
pub struct NamedDocument {
    pub name: String,
    /// The error if the text could not be understood.
    pub document: Result<Document, DocumentError>,
}
