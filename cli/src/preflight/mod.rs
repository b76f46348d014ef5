//! Whether a new role will work in place of an old one, before associations are moved: `read` has
//! all checks done, and each check is a function of facts that returns findings. What IAM tells is
//! read in `iam`, policies are judged in `core`, and how findings are written is in `text`.

mod access_analyzer;
mod by_cluster;
mod details;
mod facts;
pub mod finding;
mod moves;
mod own_policies;
mod pass;
mod permissions;
mod reasons;
mod role;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod text;
mod trust;
mod view;

pub use text::{section, short};
pub use view::Preflight;

use rerole_core::call::CallError;
use rerole_core::indexing::IndexItem;
use rerole_core::rotation::RotationRecord;

use crate::answer::Next;
use crate::iam::ReadRole;
use crate::preflight::details::Detail;
use crate::preflight::facts::Facts;
use crate::preflight::finding::{Check, Checked, Key, Level};
use crate::preflight::moves::Move;
use crate::preflight::permissions::PermissionFacts;
use crate::preflight::role::RoleFacts;
use crate::preflight::trust::TrustFacts;
use crate::preflight::view::About;
use crate::preflight_flags::PreflightFlags;
use crate::request::Roles;
use crate::scope::ScopeFlags;
use crate::stack::{Name, Stack};
use crate::terminal::progress_bar;
use crate::users::Users;

/// A command that accepts more is too long to paste.
const ACCEPTED_SHOWN: usize = 10;

/// What a preflight is to be about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub roles: &'a Roles,
    /// Associations on either role.
    pub items: &'a [IndexItem],
}

/// What an operator asks of a preflight.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// The IDs of accepted findings.
    pub accept: &'a [String],
    pub access_analyzer: Option<AskAccessAnalyzer>,
}

/// Access Analyzer is to be asked, which costs money.
#[derive(Debug, Clone, Copy)]
pub struct AskAccessAnalyzer;

/// Checks whether the new role will work, as part of another command, unless the operator does not
/// want that.
pub async fn before(
    stack: &Stack,
    subject: Subject<'_>,
    flags: &PreflightFlags,
) -> Option<Preflight> {
    if flags.no_preflight {
        return None;
    }
    let asked = Asked {
        accept: &flags.accept.accept,
        access_analyzer: None,
    };
    Some(Box::pin(read(stack, subject, asked)).await)
}

/// The command that rotates although something is denied. There is none if the stack or EKS would
/// refuse the rotation.
pub fn accepting(preflight: &Preflight, roles: &Roles, scope: &ScopeFlags) -> Option<Next> {
    let Roles { old, new } = roles;
    let denied: Vec<_> = preflight.of(Level::Denied).collect();
    if denied.iter().any(|it| it.would_be_refused()) {
        return None;
    }
    let ids: Vec<_> = denied
        .iter()
        .map(|it| format!(" --accept {}", it.id))
        .collect();
    let accept = match ids.len() {
        0..=ACCEPTED_SHOWN => ids.concat(),
        _ => " --no-preflight".to_owned(),
    };
    let rotate = format!(
        "rerole rotate --from {old} --to {new}{}{accept}",
        scope.text()
    );
    Some(Next::new(rotate).to("rotate all the same"))
}

/// Checks whether the roles of a rotation work as of now: for the associations that are left on the
/// old role, and for those that are on the new one. Returns `None` if a role does not exist any
/// more.
///
/// # Errors
/// If the index cannot be read.
pub async fn of_rotation(
    stack: &Stack,
    record: &RotationRecord,
) -> Result<Option<Preflight>, CallError> {
    let roles = Roles {
        old: record.old_role_arn.clone(),
        new: record.new_role_arn.clone(),
    };
    let (old, new) = tokio::try_join!(
        Users::read(stack, &roles.old),
        Users::read(stack, &roles.new),
    )?;
    let mut users = old;
    users.items.extend(new.items);
    users
        .items
        .sort_by(|one, other| one.association_arn.cmp(&other.association_arn));
    users
        .items
        .dedup_by(|one, other| one.association_arn == other.association_arn);
    users.keep_in(&record.request.scope);
    let subject = Subject {
        roles: &roles,
        items: &users.items,
    };
    let preflight = Box::pin(read(stack, subject, Asked::default())).await;
    Ok(Some(preflight).filter(|it| !it.is_role_gone))
}

/// Checks whether the new role will work for these associations.
pub async fn read(stack: &Stack, subject: Subject<'_>, asked: Asked<'_>) -> Preflight {
    let Subject { roles, items } = subject;
    let moves: Vec<_> = items.iter().filter_map(|it| Move::of(it, roles)).collect();
    let bar = progress_bar(0, "  asking IAM about the roles");
    bar.tick();
    let facts = Box::pin(Facts::read(stack, roles, &moves)).await;
    bar.finish_and_clear();
    let mut checked = of_roles(stack, &facts, (roles, &moves));
    checked.extend(of_associations(stack, &facts, (roles, &moves)).await);
    let access_analyzer = match asked.access_analyzer {
        Some(AskAccessAnalyzer) => Some(access_analyzer::ask(stack, &facts).await),
        None => None,
    };
    let is_gone = |role: &ReadRole| matches!(role, Ok(None));
    let about = About {
        roles,
        as_of: stack.aws.now(),
        associations: moves.len(),
        is_role_gone: is_gone(&facts.old) || is_gone(&facts.new),
    };
    Preflight {
        access_analyzer,
        ..Preflight::new(about, checked, asked.accept)
    }
}

/// The checks that need no more than the facts about the roles.
fn of_roles(stack: &Stack, facts: &Facts, (roles, moves): (&Roles, &[Move<'_>])) -> Checked {
    let new_path = stack.outputs.get(Name::RolePath);
    let mut checked = role::check(&RoleFacts {
        roles,
        new: &facts.new,
        old: &facts.old,
        new_path,
        // Without it, both roles must have the same path.
        old_path: stack.outputs.get(Name::OldRolePath).or(new_path),
        moves,
    });
    checked.extend(pass::check(roles, &facts.function, moves));
    checked.extend(permissions::check(PermissionFacts {
        roles,
        old: &facts.old,
        new: &facts.new,
        service_use: &facts.service_use,
    }));
    checked
}

/// Judges each association, and asks EKS for those whose verdict depends on what it alone knows.
async fn of_associations(
    stack: &Stack,
    facts: &Facts,
    (roles, moves): (&Roles, &[Move<'_>]),
) -> Checked {
    let trust = TrustFacts::new(roles, &facts.new, &facts.others);
    let judge = |moved| trust.judge(moved, &Detail::UNKNOWN);
    let mut judged: Vec<_> = moves.iter().map(judge).collect();
    let open = moves.iter().zip(&judged);
    let open = open.filter(|(_, judged)| judged.needs_detail);
    let open: Vec<_> = open.map(|(moved, _)| moved).collect();
    let details = details::read(stack, &open).await;
    for (moved, judged) in moves.iter().zip(&mut judged) {
        if let Some(detail) = details.known.get(moved.item.association_arn.as_str()) {
            *judged = trust.judge(moved, detail);
        }
    }
    let mut checked = trust::check(&trust, moves, &judged);
    checked.findings.extend(details.gap.map(|gap| {
        let check = Check {
            name: "trust",
            roles,
        };
        let text = format!("what EKS alone knows of {} associations: {gap}", open.len());
        check.unknown(Key("details"), text)
    }));
    checked
}
