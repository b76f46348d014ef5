//! The client of IAM: reads roles. Their policies are in `policies`, and when services were last
//! used in `last_accessed`.

use std::fmt::Display;
use std::time::Duration;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::Role as Described;
use percent_encoding::percent_decode_str;
use rerole::aws::call_error::call_error;
use rerole::aws::page::{Page, PageLimit, paginate};
use rerole_core::call::{CallError, ErrorClass, Operation};
use rerole_core::resource::RoleArn;
use rerole_core::timestamp::Timestamp;

use crate::iam::{Reading, Role, Unreadable};
use crate::stack::Stack;

/// The code for what does not exist.
const NO_SUCH_ENTITY: &str = "NoSuchEntity";

/// IAM, as the operator may read it.
#[derive(Debug)]
pub struct Iam {
    pub(super) client: Client,
    account: String,
}

/// A call of IAM by its action, such as `iam:GetRole`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Action(pub(super) &'static str);

impl Iam {
    pub fn of(stack: &Stack) -> Self {
        Self {
            client: Client::new(&stack.sdk),
            account: stack.origin.account.clone(),
        }
    }

    /// Reads a role. Returns `None` if there is no role with this ARN.
    pub async fn role(&self, arn: &RoleArn) -> Reading<Option<Role>> {
        if arn.account() != self.account {
            return Err(Unreadable::new(format!(
                "not readable from account {}: it is a role of account {}",
                self.account,
                arn.account()
            )));
        }
        let action = Action("iam:GetRole");
        let got = self.client.get_role().role_name(arn.name()).send().await;
        let got = got.map_err(|error| call_error(action.on(&arn), &error));
        let role = match got {
            Err(error) if error.code.as_deref() == Some(NO_SUCH_ENTITY) => return Ok(None),
            other => other.map_err(|error| action.unreadable(&error))?.role,
        };
        // IAM finds a role by its name alone. One under another path is another role.
        let role = role.filter(|role| role.arn == arn.as_str());
        Ok(role.map(|role| described(arn, role)))
    }
}

fn described(arn: &RoleArn, role: Described) -> Role {
    let secs = role
        .max_session_duration
        .and_then(|it| u64::try_from(it).ok());
    let tags = role.tags.unwrap_or_default().into_iter();
    let last_used = role.role_last_used.and_then(|used| {
        let at = used.last_used_date?.to_millis().ok()?;
        Some((Timestamp::from_millis(at), used.region))
    });
    Role {
        arn: arn.clone(),
        trust: document(role.assume_role_policy_document.as_deref()),
        max_session: secs.map(Duration::from_secs),
        last_used,
        tags: tags.map(|tag| (tag.key, tag.value)).collect(),
        boundary_arn: role
            .permissions_boundary
            .and_then(|it| it.permissions_boundary_arn),
    }
}

/// A policy document. IAM returns it percent-encoded, as RFC 3986 has it.
pub(super) fn document(encoded: Option<&str>) -> Reading<String> {
    let encoded = encoded.ok_or_else(|| Unreadable::new("IAM returned no document"))?;
    let decoded = percent_decode_str(encoded).decode_utf8();
    let decoded = decoded.map_err(|_| Unreadable::new("IAM returned a document that is no UTF-8"));
    Ok(decoded?.into_owned())
}

impl Action {
    pub(super) fn on(self, subject: &(dyn Display + Sync)) -> Operation<'_> {
        Operation::on(self.0, subject)
    }

    /// Why the call failed. A denial needs no more words than what is missing.
    pub(super) fn unreadable(self, error: &CallError) -> Unreadable {
        // To the table of error classes, a denial that names iam:GetRole is about the new role.
        let is_denied = matches!(error.class, ErrorClass::Denied | ErrorClass::RoleNotReady);
        if is_denied {
            Unreadable::new(format!("not readable: {}", self.0))
        } else {
            Unreadable::new(format!("not readable: {error}"))
        }
    }
}

/// Reads all pages of a list. IAM names the start of a page by a marker.
pub(super) async fn all<T>(
    limit: PageLimit,
    read: impl AsyncFnMut(Option<String>) -> Result<Page<T, String>, CallError>,
) -> Result<Vec<T>, CallError> {
    let mut all = Vec::new();
    let mut pages = paginate(limit, read);
    while let Some(page) = pages.next::<T, CallError>().await? {
        all.extend(page);
    }
    Ok(all)
}
