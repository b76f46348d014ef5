//! The `detail` of a `Role Rotation Requested` event: its form, and the rules that it must follow
//! to become a [`RotationRequest`]. The EventBridge event around it is in `event.rs`.
//!
//! The JSON Schema in `docs/` is generated from `RotationDetail`, so the two always agree.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

#[cfg(test)]
use crate::request::members::schema;
use crate::request::members::{claim, deserialize, limit, not_null};
use crate::request::numeric_text::NumericText;
use crate::request::rules::check_partition;
use crate::request::{
    Claims, Glob, LIST_LEN_MAX, MAX_CONCURRENCY_FORM, MAX_ERRORS_FORM, ROTATION_ID_FORM, Rejection,
    RequestRules, RotationId, RotationRequest, Scope,
};
use crate::resource::{OwnAccount, ROLE_ARN_FORM, RoleArn};

/// The form of a role ARN in the JSON Schema. A test compares it with [`RoleArn`]'s own rules.
#[cfg(test)]
const ROLE_ARN_PATTERN: &str = concat!(
    r"^arn:aws(-[a-z0-9-]+)?:iam::[0-9]{12}:role/",
    // Segments of the path: printable, without `*`, `?` and `$`, and neither `.` nor `..`.
    r"((\.{0,2}[!-#%-)+\-,0->@-~]|\.{3})[!-#%-)+-.0->@-~]*/)*",
    r"[A-Za-z0-9_+=,.@-]{1,64}$",
);

/// Parses the `detail` of an event and checks its rules and those of the stack. `event_id` names
/// the rotation if `rotationId` is absent. Returns the request and what the event claims about it.
///
/// # Errors
/// If the detail breaks a rule: the first such rule, with the field and its value.
pub fn parse_detail(
    detail: &Value,
    event_id: Option<&str>,
    rules: &RequestRules,
) -> Result<(RotationRequest, Claims), Rejection> {
    let raw: RotationDetail = deserialize(detail)?;

    let rotation_id = rotation_id(&raw, event_id)?;
    let old_role_arn = role("detail.oldRoleArn", raw.old_role_arn.as_deref())?;
    let new_role_arn = role("detail.newRoleArn", raw.new_role_arn.as_deref())?;
    let scope = Scope {
        regions: globs("detail.regions", raw.regions)?,
        cluster_names: globs("detail.clusterNames", raw.cluster_names)?,
        namespaces: globs("detail.namespaces", raw.namespaces)?,
        service_accounts: globs("detail.serviceAccounts", raw.service_accounts)?,
    };
    let max_errors = limit("detail.maxErrors", raw.max_errors, MAX_ERRORS_FORM)?;
    let max_concurrency = raw.max_concurrency;
    let max_concurrency = limit(
        "detail.maxConcurrency",
        max_concurrency,
        MAX_CONCURRENCY_FORM,
    )?;
    let claims = Claims {
        requested_by: claim("detail.requestedBy", raw.requested_by)?,
        reason: claim("detail.reason", raw.reason)?,
    };
    let request = RotationRequest {
        rotation_id,
        old_role_arn,
        new_role_arn,
        scope,
        dry_run: raw.dry_run,
        max_errors: max_errors.unwrap_or_default(),
        max_concurrency,
        rollback: None,
    };
    rules.check_roles(&request)?;
    Ok((request, claims))
}

/// Checks a request that the ledger has, in the same way as one in an event: it is written as the
/// `detail` of an event and parsed again. Only the source is not checked again, so an operator can
/// change it while a rotation is open. A rollback is held against the rules for the rotation that
/// it takes back.
///
/// # Errors
/// If the request breaks a rule: the first such rule.
pub fn check_recorded(
    recorded: &RotationRequest,
    own_account: Option<&OwnAccount>,
    rules: &RequestRules,
) -> Result<(), Rejection> {
    // Every member has a JSON form. A null would be rejected.
    let rotation = match recorded.rollback {
        None => recorded.clone(),
        Some(_) => RotationRequest {
            rollback: None,
            ..recorded.reversed()
        },
    };
    let detail = serde_json::to_value(rotation).unwrap_or(Value::Null);
    let (request, _) = parse_detail(&detail, None, rules)?;
    check_partition(&request, own_account)
}

// The comments on this type and its fields are the descriptions in the JSON Schema.
/// The `detail` of the event. An unknown member is an error, so a misspelled `dryrun` cannot move a
/// fleet. A member that is null is also an error: a broken template may produce it, and to read it
/// as "no limit" would be dangerous.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(
    test,
    schemars(
        title = "Role Rotation Requested",
        extend("required" = ["oldRoleArn", "newRoleArn"])
    )
)]
struct RotationDetail {
    /// The ID of the rotation. Default: the event's ID. Every event with the same ID must have the
    /// same roles, scope and `dryRun`. Its limits and claims are those of the first event.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(
        test,
        schemars(with = "String", regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))
    )]
    rotation_id: Option<String>,
    /// The IAM role to replace, in associations that have it as their role or target role.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = ROLE_ARN_PATTERN)))]
    old_role_arn: Option<String>,
    /// The IAM role that replaces the old role. A different role in the same partition and account.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = ROLE_ARN_PATTERN)))]
    new_role_arn: Option<String>,
    /// Move only associations in these regions: names, or globs in which `*` matches any number of
    /// characters. An entry that starts with `!` excludes, and exclusion wins. Default: all
    /// regions.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(
        test,
        schemars(
            with = "Vec<String>",
            length(min = 1, max = 100),
            inner(regex(pattern = r"^!?[A-Za-z0-9*_-]{1,32}$"))
        )
    )]
    regions: Option<Vec<String>>,
    /// Move only associations in these clusters: names, globs or exclusions, as in `regions`.
    /// Default: all clusters.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(
        test,
        schemars(
            with = "Vec<String>",
            length(min = 1, max = 100),
            inner(regex(pattern = r"^!?[A-Za-z0-9*_-]{1,100}$"))
        )
    )]
    cluster_names: Option<Vec<String>>,
    /// Move only associations in these namespaces: names, globs or exclusions, as in `regions`.
    /// Default: all namespaces.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(
        test,
        schemars(
            with = "Vec<String>",
            length(min = 1, max = 100),
            inner(regex(pattern = r"^!?[A-Za-z0-9*_-]{1,63}$"))
        )
    )]
    namespaces: Option<Vec<String>>,
    /// Move only associations of these service accounts: names, globs or exclusions, as in
    /// `regions`. Default: all service accounts.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(
        test,
        schemars(
            with = "Vec<String>",
            length(min = 1, max = 100),
            inner(regex(pattern = r"^!?[A-Za-z0-9.*_-]{1,253}$"))
        )
    )]
    service_accounts: Option<Vec<String>>,
    /// Read everything, write nothing to EKS, and record what a rotation would do.
    #[serde(default)]
    dry_run: bool,
    /// The maximum number of failed associations: a count ("5") or a percentage of the
    /// associations ("10%"). One more failure stops the rotation. Default: "10%".
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "Value", extend("anyOf" = schema::max_errors())))]
    max_errors: Option<NumericText>,
    /// The maximum number of associations in flight at the same time: a count ("5"). It can only
    /// lower the function's own maximum. rerole finds out by itself how fast it can call EKS.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "Value", extend("anyOf" = schema::max_concurrency())))]
    max_concurrency: Option<NumericText>,
    /// Who asks for the rotation. A claim: it is recorded and shown, but not checked.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = schema::CLAIM_PATTERN)))]
    requested_by: Option<String>,
    /// Why the rotation is requested, for example a change ticket. A claim, as `requestedBy`.
    #[serde(default, deserialize_with = "not_null")]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = schema::CLAIM_PATTERN)))]
    reason: Option<String>,
}

fn rotation_id(raw: &RotationDetail, event_id: Option<&str>) -> Result<RotationId, Rejection> {
    if let Some(text) = &raw.rotation_id {
        return RotationId::new(text).ok_or_else(|| {
            Rejection::new(
                "detail.rotationId",
                &Value::from(text.as_str()),
                ROTATION_ID_FORM,
            )
        });
    }
    let Some(text) = event_id else {
        let allowed = "an event id, or a rotationId";
        return Err(Rejection::new("id", &Value::Null, allowed));
    };
    RotationId::new(text).ok_or_else(|| {
        let allowed = format!("{ROTATION_ID_FORM}, or a rotationId");
        Rejection::new("id", &Value::from(text), allowed)
    })
}

fn role(field: &str, text: Option<&str>) -> Result<RoleArn, Rejection> {
    let parsed = text.and_then(|text| text.parse::<RoleArn>().ok());
    let role = parsed.ok_or_else(|| Rejection::new(field, &Value::from(text), ROLE_ARN_FORM))?;
    let allowed = if role.is_service_linked() {
        "a role that is not service-linked"
    } else if role.is_reserved() {
        "a role that AWS does not reserve for single sign-on"
    } else {
        return Ok(role);
    };
    Err(Rejection::new(field, &Value::from(text), allowed))
}

/// Parses a list of a scope. The result is sorted and has no duplicates, so lists that mean the
/// same are the same.
fn globs<const LEN_MAX: usize, const ALSO: char>(
    field: &str,
    texts: Option<Vec<String>>,
) -> Result<Option<Vec<Glob<LEN_MAX, ALSO>>>, Rejection> {
    let Some(texts) = texts else { return Ok(None) };
    if !(1..=LIST_LEN_MAX).contains(&texts.len()) {
        let allowed = format!(
            "1 to {LIST_LEN_MAX} entries, not {}; leave the field out to cover all",
            texts.len()
        );
        return Err(Rejection::new(field, &Value::from(texts), allowed));
    }
    let glob = |(at, text): (usize, String)| {
        Glob::new(&text).ok_or_else(|| {
            let field = format!("{field}[{at}]");
            Rejection::new(field, &Value::from(text), Glob::<LEN_MAX, ALSO>::form())
        })
    };
    let globs: Result<BTreeSet<_>, _> = texts.into_iter().enumerate().map(glob).collect();
    Ok(Some(globs?.into_iter().collect()))
}

#[cfg(test)]
mod tests;
