//! `rerole plan`: asks for a dry run, follows it, and shows what a rotation would move, what would
//! stay and why. With `--verify`, EKS is also asked for associations that the index does not know.

use clap::Args;
use rerole_core::keys::RotationKey;
use rerole_core::rotation::{Counts, Status};
use serde::Serialize;
use serde_json::json;

use crate::answer::{Answer, Next};
use crate::bus::Requested;
use crate::coverage::Coverage;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{Followed, Patience, Until, Wait, follow};
use crate::preflight::{self, Preflight, Subject};
use crate::preflight_flags::PreflightFlags;
use crate::request::{self, RequestFlags, Roles, default_plan_id, given_id};
use crate::rotation::RotationView;
use crate::rotation::rows::{self, RowView, Shown};
use crate::rotation::text::{self, Context};
use crate::stack::Stack;
use crate::stack::flags::{OutputFlags, StackFlags};
use crate::terminal::note;
use crate::users::Users;
use crate::verbs::rotate::send;
use crate::verify::{self, VerifiedView};

#[derive(Debug, Clone, Args)]
pub struct PlanFlags {
    #[command(flatten)]
    pub request: RequestFlags,
    /// Also look in EKS for associations that the index does not know
    #[arg(long)]
    pub verify: bool,
    #[command(flatten)]
    pub preflight: PreflightFlags,
    /// Why, for example a change ticket; it is recorded
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

/// A finished dry run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Plan {
    #[serde(flatten)]
    rotation: RotationView,
    associations: Vec<RowView>,
    /// How EKS differs from the index. Null if it was not asked.
    verified: Option<VerifiedView>,
    index: Coverage,
    /// Whether the new role will work. Null if that was not checked.
    preflight: Option<Preflight>,
    /// What a person should look at before the rotation is started.
    findings: Vec<String>,
}

/// Asks for a dry run and shows its result.
///
/// # Errors
/// If the request is rejected, or AWS does not respond.
pub async fn run(flags: &PlanFlags) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    let roles = flags.request.roles.roles(&stack)?;
    let scope = flags.request.scope.scope()?;
    let claims = request::claims(&stack.caller_arn, flags.reason.as_deref())?;
    let id = match &flags.request.id {
        Some(id) => Some(given_id(id)?),
        None => default_plan_id(&roles, stack.aws.now()),
    };
    let id = id.ok_or_else(|| Failure::Refused("name an ID in --id".to_owned()))?;
    let answer = Answer::start(&stack, &flags.output)?;
    let mut detail = request::detail(&id, &roles, &flags.request.scope);
    detail.insert("dryRun".to_owned(), json!(true));
    detail.extend(claims);
    let key = RotationKey::DryRun(id);
    if stack.aws.ledger.rotations().read(&key).await?.is_some() {
        let status = stack.pasted(&format!("rerole status {key}"));
        return Err(Failure::Refused(format!(
            "the dry run {key} was made before: `{status}` shows it; for a new look, name another \
             ID in --id, or none"
        )));
    }
    let requested = Requested {
        key: key.clone(),
        roles: roles.clone(),
        scope: scope.clone(),
    };
    if let Some(exit) = send(&stack, &requested, detail).await? {
        return Ok(exit);
    }
    let wait = Wait {
        until: Until::Finished,
        patience: Patience::Unlimited,
        known_seq: 0,
    };
    let Followed { record, exit } = follow((&stack, &answer), &key, wait).await?;
    if record.finished_at().is_none() {
        let status = stack.pasted(&format!("rerole status {key} --watch"));
        note(&format!("the dry run continues; follow it with: {status}"));
        return Ok(exit);
    }
    let old_role = roles.old.as_str();
    let associations = rows::read(&stack, &key, old_role, &[Shown::All]).await?;
    let rotation = Box::pin(RotationView::of(&stack, &record)).await?;
    let index = Coverage::read(&stack).await?;
    let verified = if flags.verify {
        let verified = verify::users(&stack, &roles.old, &scope).await?;
        Some(VerifiedView::from(verified))
    } else {
        None
    };
    let findings = findings(&rotation, &index, verified.as_ref());
    let preflight = preflight(&stack, &roles, flags).await?;
    let plan = Plan {
        rotation,
        associations,
        verified,
        index,
        preflight,
        findings,
    };
    let text = plan.text(&stack, &answer);
    answer.end(&plan, &text, &next(&plan, &roles, flags))?;
    Ok(plan.exit())
}

/// Checks whether the new role will work, unless the operator does not want that.
async fn preflight(
    stack: &Stack,
    roles: &Roles,
    flags: &PlanFlags,
) -> Result<Option<Preflight>, Failure> {
    let mut users = Users::read(stack, &roles.old).await?;
    users.keep_in(&flags.request.scope.scope()?);
    let subject = Subject {
        roles,
        items: &users.items,
    };
    Ok(preflight::before(stack, subject, &flags.preflight).await)
}

impl Plan {
    fn exit(&self) -> Exit {
        let is_denied = self.preflight.as_ref().is_some_and(Preflight::is_denied);
        match self.rotation.status {
            Status::Planned if self.findings.is_empty() && !is_denied => Exit::Done,
            Status::Planned => Exit::FinishedOtherwise,
            other => Exit::of(other),
        }
    }

    fn text(&self, stack: &Stack, answer: &Answer<'_>) -> String {
        let now = stack.aws.now();
        let context = Context {
            account: &stack.origin.account,
            now,
            layout: &answer.layout,
        };
        let mut parts = vec![text::rotation(&self.rotation, context)];
        if !self.associations.is_empty() {
            parts.push(rows::cluster_table(&self.associations, &answer.layout));
        }
        let stay: Vec<_> = self
            .associations
            .iter()
            .filter(|row| {
                row.outcome != format!("{:?}", rerole_core::rotation::Outcome::WouldUpdate)
            })
            .cloned()
            .collect();
        if !stay.is_empty() {
            let table = rows::table(&stay, &stack.origin.account, &answer.layout);
            parts.push(format!("Not moved:\n{table}"));
        }
        if let Some(verified) = &self.verified {
            parts.push(verified.text(&stack.origin.account, &answer.layout));
        }
        parts.push(self.index.text(now));
        parts.extend(self.preflight.as_ref().map(preflight::short));
        if !self.findings.is_empty() {
            let lines: Vec<_> = self.findings.iter().map(|it| format!("  {it}")).collect();
            parts.push(format!("Findings:\n{}", lines.join("\n")));
        }
        format!("\n{}", parts.join("\n\n"))
    }
}

/// What a person should look at before the rotation is started.
fn findings(view: &RotationView, index: &Coverage, verified: Option<&VerifiedView>) -> Vec<String> {
    let Counts {
        drifted,
        owned_by_addon,
        failed,
        ..
    } = view.counts;
    let mut findings = Vec::new();
    let mut note = |count: u64, what: &str| {
        if count > 0 {
            findings.push(format!("{count} {what}"));
        }
    };
    note(failed, "that cannot be read or moved");
    note(
        owned_by_addon,
        "on the old role that an add-on owns, so they stay",
    );
    note(drifted, "on a third role, left alone");
    if let Some(VerifiedView {
        unknown,
        gone,
        unread,
    }) = verified
    {
        note(
            unknown.len() as u64,
            "in EKS that the index does not know: rerole index build",
        );
        note(
            gone.len() as u64,
            "in the index that EKS does not show on it any more",
        );
        note(unread.len() as u64, "that EKS did not show");
    }
    for region in &index.regions {
        if region.is_stale {
            findings.push(format!("the index of {} is not up to date", region.region));
        }
    }
    findings
}

fn next(plan: &Plan, roles: &Roles, flags: &PlanFlags) -> Vec<Next> {
    if plan.rotation.status != Status::Planned {
        return crate::rotation::next::next(&plan.rotation);
    }
    let who = Next::new(format!("rerole who {}", roles.old)).to("who uses the old role");
    if let Some(preflight) = plan.preflight.as_ref().filter(|it| it.is_denied()) {
        let accepting = preflight::accepting(preflight, roles, &flags.request.scope);
        return accepting.into_iter().chain([who]).collect();
    }
    let scope = flags.request.scope.text();
    let rotate = format!(
        "rerole rotate --from {} --to {}{scope}",
        roles.old, roles.new
    );
    vec![Next::new(rotate).to("start the rotation"), who]
}
