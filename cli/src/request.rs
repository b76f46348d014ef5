//! The request of a rotation or a dry run: its flags, its ID, and the `detail` of its event.

use clap::Args;
use rerole_core::request::{MaxConcurrency, MaxErrors, RotationId};
use rerole_core::resource::RoleArn;
use rerole_core::timestamp::Timestamp;
use serde_json::{Map, Value, json};

use crate::invalid_flag::{Flag, InvalidFlag};
use crate::scope::ScopeFlags;
use crate::stack::Stack;

const ID_LEN_MAX: usize = 64;

/// The two roles.
#[derive(Debug, Clone, Args)]
pub struct RoleFlags {
    /// Role to replace: its ARN, or its path and name, such as platform/app-2025
    #[arg(long, value_name = "ROLE")]
    pub from: String,
    /// Role to move to, in the same form
    #[arg(long, value_name = "ROLE")]
    pub to: String,
}

/// What a rotation and its dry run have in common.
#[derive(Debug, Clone, Args)]
pub struct RequestFlags {
    #[command(flatten)]
    pub roles: RoleFlags,
    #[command(flatten)]
    pub scope: ScopeFlags,
    /// ID of the rotation; the same ID never starts a second rotation [default: the roles' names]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
}

/// The limits of a rotation.
#[derive(Debug, Clone, Default, Args)]
pub struct LimitFlags {
    /// How many associations may fail before the rotation stops: a number or a percentage
    #[arg(long, value_name = "N|P%")]
    pub max_errors: Option<MaxErrors>,
    /// How many associations are in flight at most
    #[arg(long, value_name = "N")]
    pub max_concurrency: Option<MaxConcurrency>,
}

/// The two roles of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    pub old: RoleArn,
    pub new: RoleArn,
}

impl RoleFlags {
    /// The roles that the flags name.
    ///
    /// # Errors
    /// If one is not a role.
    pub fn roles(&self, stack: &Stack) -> Result<Roles, InvalidFlag> {
        Ok(Roles {
            old: stack.role(Flag("--from"), &self.from)?,
            new: stack.role(Flag("--to"), &self.to)?,
        })
    }
}

impl LimitFlags {
    /// The members of a request or a command.
    pub fn members(&self) -> Map<String, Value> {
        let limits = [
            ("maxErrors", self.max_errors.map(|limit| limit.to_string())),
            (
                "maxConcurrency",
                self.max_concurrency.map(|limit| limit.to_string()),
            ),
        ];
        let given = limits
            .into_iter()
            .filter_map(|(name, limit)| Some((name, limit?)));
        given
            .map(|(name, limit)| (name.to_owned(), json!(limit)))
            .collect()
    }
}

/// The `detail` of a request, without limits.
pub fn detail(id: &RotationId, roles: &Roles, scope: &ScopeFlags) -> Map<String, Value> {
    let mut detail = scope.members();
    detail.insert("rotationId".to_owned(), json!(id.to_string()));
    detail.insert("oldRoleArn".to_owned(), json!(roles.old.as_str()));
    detail.insert("newRoleArn".to_owned(), json!(roles.new.as_str()));
    detail
}

/// Who asks and why, as members of a `detail`.
///
/// # Errors
/// If the reason does not have the form of a claim.
pub fn claims(caller_arn: &str, reason: Option<&str>) -> Result<Map<String, Value>, InvalidFlag> {
    use rerole_core::request::{CLAIM_FORM, Claim};
    let mut claims = Map::new();
    if let Some(claim) = Claim::new(caller_arn) {
        claims.insert("requestedBy".to_owned(), json!(claim.to_string()));
    }
    if let Some(reason) = reason {
        let claim = Claim::new(reason)
            .ok_or_else(|| InvalidFlag::new("--reason", reason, CLAIM_FORM.to_owned()))?;
        claims.insert("reason".to_owned(), json!(claim.to_string()));
    }
    Ok(claims)
}

/// Parses the ID that an operator gives.
///
/// # Errors
/// If it is not the ID of a rotation.
pub fn given_id(text: &str) -> Result<RotationId, InvalidFlag> {
    RotationId::new(text).ok_or_else(|| {
        let form = rerole_core::request::ROTATION_ID_FORM;
        InvalidFlag::new("--id", text, form.to_owned())
    })
}

/// The ID of a rotation that got none: the names of its roles, so repeating a command is safe.
/// `number` tells later rotations between the same roles apart.
pub fn default_id(roles: &Roles, number: u32) -> Option<RotationId> {
    let suffix = match number {
        1 => String::new(),
        number => format!("-{number}"),
    };
    named_id(roles, &suffix)
}

/// The ID of a dry run that got none. Each dry run is a new look, so it has the time.
pub fn default_plan_id(roles: &Roles, now: Timestamp) -> Option<RotationId> {
    let digits = |c: &char| c.is_ascii_digit();
    let time: String = now.to_string().chars().filter(digits).take(14).collect();
    named_id(roles, &format!("-{time}"))
}

fn named_id(roles: &Roles, suffix: &str) -> Option<RotationId> {
    let name = |role: &RoleArn| {
        // A role's name may have characters that an ID may not.
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        role.name()
            .chars()
            .map(|c| if allowed(c) { c } else { '-' })
            .collect::<String>()
    };
    let half = (ID_LEN_MAX - suffix.len() - "-to-".len()) / 2;
    let short = |name: String| name.chars().take(half).collect::<String>();
    let (old, new) = (short(name(&roles.old)), short(name(&roles.new)));
    RotationId::new(&format!("{old}-to-{new}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(old: &str, new: &str) -> Roles {
        let arn = |name: &str| {
            format!("arn:aws:iam::111122223333:role/{name}")
                .parse()
                .unwrap()
        };
        Roles {
            old: arn(old),
            new: arn(new),
        }
    }

    #[test]
    fn an_id_is_made_of_the_names_of_the_roles() {
        let id = |roles: &Roles, number| default_id(roles, number).unwrap().to_string();
        let simple = roles("platform/app-2025", "platform/app-2026");
        assert_eq!(id(&simple, 1), "app-2025-to-app-2026");
        assert_eq!(id(&simple, 3), "app-2025-to-app-2026-3");
        let odd = roles("a+b=c,d.e@f", "g");
        assert_eq!(id(&odd, 1), "a-b-c-d-e-f-to-g");
        let long = roles(&"x".repeat(64), &"y".repeat(64));
        assert_eq!(id(&long, 12).len(), 63);
        let now = "2026-11-23T21:17:00.123Z".parse().unwrap();
        let planned = default_plan_id(&simple, now).unwrap();
        assert_eq!(planned.to_string(), "app-2025-to-app-2026-20261123211700");
    }
}
