//! What an operator asks for: the `detail` of a `Role Rotation Requested` event, checked rule by rule and turned into a
//! [`RotationRequest`]. The EventBridge envelope around it is in `intake.rs`.
//!
//! The JSON Schema in `docs/` is generated from `RotationDetail`, so that the two cannot drift apart.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::arn::{ROLE_ARN_FORM, RoleArn};
use crate::max_concurrency::{MAX_CONCURRENCY_FORM, MaxConcurrency};
use crate::max_errors::{MAX_ERRORS_FORM, MaxErrors};
use crate::scope::{Glob, Scope};

/// The contract allows this many entries in `clusterNames` and in `namespaces`.
const LIST_LEN_MAX: usize = 100;
/// EKS allows 100 characters in a cluster name.
const CLUSTER_NAME_LEN_MAX: usize = 100;
/// Kubernetes allows 63 characters in a namespace's name (RFC 1123 label).
const NAMESPACE_LEN_MAX: usize = 63;
/// A rejected value is shown up to here: it may be a whole megabyte.
const SHOWN_VALUE_LEN_MAX: usize = 200;

/// A rotation, as it was asked for. Two events ask for the same rotation when these are equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationRequest {
    pub rotation_id: RotationId,
    pub old_role_arn: RoleArn,
    pub new_role_arn: RoleArn,
    #[serde(flatten)]
    pub scope: Scope,
    pub dry_run: bool,
    pub max_errors: MaxErrors,
    /// A ceiling lower than the function's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<MaxConcurrency>,
}

impl RotationRequest {
    /// The ledger's partition key. A dry run has its own, so that it is never in the way of the real run with its id.
    #[must_use]
    pub fn ledger_key(&self) -> String {
        if self.dry_run { format!("dry-run/{}", self.rotation_id) } else { self.rotation_id.to_string() }
    }
}

/// The identity of a rotation: 1 to 64 of `[A-Za-z0-9_-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RotationId(String);

/// What a rotation id looks like, for error messages.
pub const ROTATION_ID_FORM: &str = "1 to 64 letters, digits, \"_\" or \"-\"";

impl RotationId {
    /// `None` where the text is not of the allowed form.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        ((1..=64).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RotationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an event may not run. Delivering it again cannot help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field} {value} is not allowed; allowed: {allowed}")]
pub struct Rejection {
    /// Path of the field in the event, for example `detail.newRoleArn`.
    pub field: String,
    /// What the field held, as JSON, cut where it is very long.
    pub value: String,
    /// What would have been right.
    pub allowed: String,
}

impl Rejection {
    pub(crate) fn new(field: impl Into<String>, value: &Value, allowed: impl Into<String>) -> Self {
        let mut value = if value.is_null() { "(nothing)".to_owned() } else { value.to_string() };
        if value.len() > SHOWN_VALUE_LEN_MAX {
            let cut = (0..=SHOWN_VALUE_LEN_MAX).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
            value.truncate(cut);
            value.push('…');
        }
        Self { field: field.into(), value, allowed: allowed.into() }
    }
}

/// The event's `detail`, as JSON. Unknown members are errors: a misspelt `dryrun` must not rotate a fleet. A member that
/// is present and null is an error, too: it is what a broken template leaves behind, and "no limit" would be its
/// most dangerous reading.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, schemars(title = "Role Rotation Requested", extend("required" = ["oldRoleArn", "newRoleArn"])))]
pub(crate) struct RotationDetail {
    /// Identity of the rotation; the event's id where absent. The same id must always come with the same request.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = r"^[A-Za-z0-9_-]{1,64}$")))]
    rotation_id: Option<String>,
    /// The IAM role that is being replaced, wherever it is an association's role or target role.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = ROLE_ARN_PATTERN)))]
    old_role_arn: Option<String>,
    /// The IAM role that takes its place. Same partition and account as the old one, and not equal to it.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = ROLE_ARN_PATTERN)))]
    new_role_arn: Option<String>,
    /// Only associations in these clusters: names, or globs in which `*` stands for any run of characters.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(
        test,
        schemars(with = "Vec<String>", length(min = 1, max = 100), inner(regex(pattern = r"^[A-Za-z0-9*_-]{1,100}$")))
    )]
    cluster_names: Option<Vec<String>>,
    /// Only associations in these namespaces: names, or globs in which `*` stands for any run of characters.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(
        test,
        schemars(with = "Vec<String>", length(min = 1, max = 100), inner(regex(pattern = r"^[A-Za-z0-9*_-]{1,63}$")))
    )]
    namespaces: Option<Vec<String>>,
    /// Read everything, write nothing to EKS, and record what would happen.
    #[serde(default)]
    dry_run: bool,
    /// More failures than this stop the rotation: a count ("5") or a percentage of the associations ("10%").
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = r"^((0|[1-9][0-9]{0,6})|(0|[1-9][0-9]?|100)%)$")))]
    max_errors: Option<String>,
    /// No more associations than this are in work at the same time: a count ("5"). How fast EKS may be called is found out;
    /// this is a ceiling for those who want one.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = r"^([1-9][0-9]?|1[01][0-9]|12[0-8])$")))]
    max_concurrency: Option<String>,
}

/// The role ARN's form for the JSON Schema; a test holds it against [`RoleArn`]'s own rules.
#[cfg(test)]
const ROLE_ARN_PATTERN: &str = r"^arn:aws(-[a-z0-9-]+)?:iam::[0-9]{12}:role/([!-.0-~]+/)*[A-Za-z0-9_+=,.@-]{1,64}$";

fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Checks the `detail` of an event. `event_id` names the rotation where `rotationId` is absent;
/// `role_path` is the IAM path under which new roles must lie.
///
/// # Errors
/// The first rule that the detail breaks, with the field and its value.
pub fn parse_detail(detail: &Value, event_id: Option<&str>, role_path: &str) -> Result<RotationRequest, Rejection> {
    let raw: RotationDetail = typed(detail)?;

    let rotation_id = match (&raw.rotation_id, event_id) {
        (Some(text), _) => RotationId::new(text)
            .ok_or_else(|| Rejection::new("detail.rotationId", &detail["rotationId"], ROTATION_ID_FORM))?,
        (None, Some(text)) => RotationId::new(text)
            .ok_or_else(|| Rejection::new("id", &Value::from(text), format!("{ROTATION_ID_FORM}, or a rotationId")))?,
        (None, None) => return Err(Rejection::new("id", &Value::Null, "an event id, or a rotationId")),
    };
    let old_role_arn = role("detail.oldRoleArn", raw.old_role_arn.as_deref())?;
    let new_role_arn = role("detail.newRoleArn", raw.new_role_arn.as_deref())?;
    check_roles(&old_role_arn, &new_role_arn, role_path)?;

    Ok(RotationRequest {
        rotation_id,
        old_role_arn,
        new_role_arn,
        scope: Scope {
            cluster_names: globs("detail.clusterNames", raw.cluster_names, CLUSTER_NAME_LEN_MAX)?,
            namespaces: globs("detail.namespaces", raw.namespaces, NAMESPACE_LEN_MAX)?,
        },
        dry_run: raw.dry_run,
        max_errors: match raw.max_errors {
            None => MaxErrors::default(),
            Some(text) => text
                .parse()
                .map_err(|_| Rejection::new("detail.maxErrors", &Value::from(text.as_str()), MAX_ERRORS_FORM))?,
        },
        max_concurrency: raw.max_concurrency.map(|text| max_concurrency(&text)).transpose()?,
    })
}

/// Deserializes, and turns a type error into a rejection that names the field.
fn typed<T: DeserializeOwned>(detail: &Value) -> Result<T, Rejection> {
    // Serde also reads a struct from an array, member by member: no operator means that.
    if !detail.is_object() {
        return Err(Rejection::new("detail", detail, "a JSON object"));
    }
    serde_path_to_error::deserialize(detail).map_err(|error| {
        let path = error.path().to_string();
        let value = error.path().iter().try_fold(detail, |value, segment| match segment {
            serde_path_to_error::Segment::Map { key } => value.get(key),
            serde_path_to_error::Segment::Seq { index } => value.get(index),
            _ => None,
        });
        let field = if path == "." { "detail".to_owned() } else { format!("detail.{path}") };
        Rejection::new(field, value.unwrap_or(&Value::Null), error.inner().to_string())
    })
}

fn role(field: &str, text: Option<&str>) -> Result<RoleArn, Rejection> {
    let parsed = text.and_then(|text| text.parse::<RoleArn>().ok());
    let role = parsed.ok_or_else(|| Rejection::new(field, &Value::from(text), ROLE_ARN_FORM))?;
    if role.is_service_linked() {
        return Err(Rejection::new(field, &Value::from(text), "a role that is not service-linked"));
    }
    Ok(role)
}

/// The roles may be of any account: target roles are, and EKS itself keeps the others to the cluster's account.
fn check_roles(old: &RoleArn, new: &RoleArn, role_path: &str) -> Result<(), Rejection> {
    let broken =
        |field: &str, role: &RoleArn, allowed: String| Err(Rejection::new(field, &Value::from(role.as_str()), allowed));
    if old == new {
        return broken("detail.newRoleArn", new, "a role other than oldRoleArn".to_owned());
    }
    if old.partition() != new.partition() {
        return broken("detail.newRoleArn", new, format!("a role in oldRoleArn's partition, {}", old.partition()));
    }
    if old.account() != new.account() {
        return broken("detail.newRoleArn", new, format!("a role in oldRoleArn's account, {}", old.account()));
    }
    if !new.path().starts_with(role_path) {
        return broken("detail.newRoleArn", new, format!("a role under the path {role_path} (ROLE_PATH)"));
    }
    Ok(())
}

fn max_concurrency(text: &str) -> Result<MaxConcurrency, Rejection> {
    text.parse().map_err(|_| Rejection::new("detail.maxConcurrency", &Value::from(text), MAX_CONCURRENCY_FORM))
}

fn globs(field: &str, texts: Option<Vec<String>>, len_max: usize) -> Result<Option<Vec<Glob>>, Rejection> {
    let Some(texts) = texts else { return Ok(None) };
    if !(1..=LIST_LEN_MAX).contains(&texts.len()) {
        let allowed = format!("1 to {LIST_LEN_MAX} entries, not {}; leave the field out to cover all", texts.len());
        return Err(Rejection::new(field, &Value::from(texts), allowed));
    }
    let glob = |(at, text): (usize, String)| {
        Glob::new(&text, len_max).ok_or_else(|| {
            let allowed = format!("1 to {len_max} letters, digits, \"-\", \"_\" or \"*\"");
            Rejection::new(format!("{field}[{at}]"), &Value::from(text), allowed)
        })
    };
    texts.into_iter().enumerate().map(glob).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
