//! `rerole rotate`: shows what a rotation would move, asks, requests it, and follows it.

use clap::Args;
use rerole_core::call::CallError;
use rerole_core::keys::RotationKey;
use rerole_core::request::RotationId;
use rerole_core::rotation::{RotationRecord, Status};
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::bus::{self, DetailType, RequestResult, Requested};
use crate::confirm::confirm;
use crate::coverage::Coverage;
use crate::estimate::{self, Estimate};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{Patience, Until, Wait, follow, note_interrupted};
use crate::invalid_flag::Flag;
use crate::request::{self, LimitFlags, RequestFlags, Roles, default_id, given_id};
use crate::rotation::RotationView;
use crate::rotation::next::next;
use crate::rotation::text::{self, Context};
use crate::silence;
use crate::stack::Stack;
use crate::stack::flags::{OutputFlags, StackFlags};
use crate::terminal::note;
use crate::users::{Users, cluster_table};
use crate::verbs::ChangeFlags;
use crate::words;

#[derive(Debug, Clone, Args)]
pub struct RotateFlags {
    #[command(flatten)]
    pub request: RequestFlags,
    #[command(flatten)]
    pub limits: LimitFlags,
    #[command(flatten)]
    pub change: ChangeFlags,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

/// What the index says of a rotation before it is requested.
#[derive(Debug)]
struct Preview {
    users: Users,
    /// Associations on the old role that the scope leaves out.
    out_of_scope: usize,
    coverage: Coverage,
    estimate: Estimate,
}

/// The rotation that a request is about.
#[derive(Debug)]
enum Target {
    New(RotationId),
    /// It exists already, so asking again would change nothing.
    Existing(Box<RotationRecord>),
}

/// Requests a rotation, and follows it with `--wait`.
///
/// # Errors
/// If nothing is to be moved, the operator does not confirm, or AWS does not respond.
pub async fn run(flags: &RotateFlags) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    let roles = roles(&stack, &flags.request)?;
    let claims = request::claims(&stack.caller_arn, flags.change.reason.as_deref())?;
    let answer = Answer::start(&stack, &flags.output)?;
    let preview = Preview::read(&stack, &roles, &flags.request).await?;
    let id = match target(&stack, &roles, &flags.request, &preview).await? {
        Target::Existing(record) => {
            let key = &record.key;
            let retry = stack.pasted(&format!("rerole retry {key}"));
            note(&format!(
                "rotation {key} was requested before, so nothing was sent; `{retry}` takes up what \
                 it has left, and another ID in --id starts another rotation"
            ));
            return Box::pin(show(&stack, &answer, &record.key, flags.change.wait)).await;
        }
        Target::New(id) => id,
    };
    preview.check(&roles)?;
    let text = preview.text(
        &id,
        &roles,
        &flags.request,
        Shown {
            stack: &stack,
            answer: &answer,
        },
    );
    if flags.change.yes {
        answer.say(&text)?;
    } else {
        answer.show_before_asking(&text)?;
        let question = format!("Move {}?", words::count(preview.movable(), "association"));
        if !confirm(&question)? {
            return Err(Failure::Refused("nothing was changed".to_owned()));
        }
    }
    let mut detail = request::detail(&id, &roles, &flags.request.scope);
    detail.extend(flags.limits.members());
    detail.extend(claims);
    let key = RotationKey::Rotation(id);
    let requested = Requested {
        key: key.clone(),
        roles,
        scope: flags.request.scope.scope()?,
    };
    if let Some(exit) = send(&stack, &requested, detail).await? {
        return Ok(exit);
    }
    Box::pin(show(&stack, &answer, &key, flags.change.wait)).await
}

/// The roles that the flags name.
///
/// # Errors
/// If one is not a role.
pub fn roles(stack: &Stack, flags: &RequestFlags) -> Result<Roles, Failure> {
    Ok(Roles {
        old: stack.role(Flag("--from"), &flags.from)?,
        new: stack.role(Flag("--to"), &flags.to)?,
    })
}

/// Sends the request, and waits until the ledger has it. Returns how the command ends if it has
/// not.
///
/// # Errors
/// If the request is rejected, or AWS does not respond.
pub async fn send(
    stack: &Stack,
    requested: &Requested,
    detail: Map<String, Value>,
) -> Result<Option<Exit>, Failure> {
    let sent = bus::put(stack, DetailType::Request, &Value::Object(detail)).await?;
    match bus::await_request(stack, &sent, requested).await? {
        RequestResult::Recorded => Ok(None),
        RequestResult::Rejected(rejected) => Err(Failure::Rejected(rejected.rejection)),
        RequestResult::Silence => {
            silence::explain(stack, &sent).await;
            Ok(Some(Exit::TimedOut))
        }
    }
}

/// Follows the rotation if asked to, and shows it.
async fn show(
    stack: &Stack,
    answer: &Answer<'_>,
    key: &RotationKey,
    wait: Option<Patience>,
) -> Result<Exit, Failure> {
    let exit = match wait {
        None => None,
        Some(patience) => {
            let wait = Wait {
                until: Until::Finished,
                patience,
                known_seq: 0,
            };
            Some(follow((stack, answer), key, wait).await?.exit)
        }
    };
    let view = Box::pin(RotationView::read(stack, key)).await?;
    let context = Context {
        account: &stack.origin.account,
        now: stack.aws.now(),
        layout: &answer.layout,
    };
    let text = format!("\n{}", text::rotation(&view, context));
    answer.end(&view, &text, &next(&view))?;
    if exit == Some(Exit::Interrupted) {
        note_interrupted(stack, key);
    }
    Ok(exit.unwrap_or(Exit::of(view.status)))
}

/// The rotation that the flags name. Without an ID, it is the first one between these roles that is
/// not finished, or a new one.
async fn target(
    stack: &Stack,
    roles: &Roles,
    flags: &RequestFlags,
    preview: &Preview,
) -> Result<Target, Failure> {
    let read = async |id: &RotationId| -> Result<Option<RotationRecord>, CallError> {
        let key = RotationKey::Rotation(id.clone());
        stack.aws.ledger.rotations().read(&key).await
    };
    let requested = |id: RotationId| -> Result<Requested, Failure> {
        Ok(Requested {
            key: RotationKey::Rotation(id),
            roles: roles.clone(),
            scope: flags.scope.scope()?,
        })
    };
    if let Some(id) = &flags.id {
        let id = given_id(id)?;
        let wanted = requested(id.clone())?;
        return Ok(match read(&id).await? {
            // One that differs is requested, too, so the function says how it differs.
            Some(record) if wanted.is_asked_for_by(&record) => Target::Existing(Box::new(record)),
            _ => Target::New(id),
        });
    }
    let mut last = None;
    for number in 1.. {
        let Some(id) = default_id(roles, number) else {
            break;
        };
        let wanted = requested(id.clone())?;
        let Some(record) = read(&id).await? else {
            return match last {
                Some(last) if !is_left_to_a_new_one(&last, preview) => {
                    Ok(Target::Existing(Box::new(last)))
                }
                _ => Ok(Target::New(id)),
            };
        };
        if wanted.is_asked_for_by(&record) {
            if record.finished_at().is_none() {
                return Ok(Target::Existing(Box::new(record)));
            }
            last = Some(record);
        }
    }
    Err(Failure::Refused("name an ID in --id".to_owned()))
}

/// Whether the next rotation between the same roles is a new one. What the last one has left is
/// taken up by `retry`, so repeating a command does not start another rotation.
fn is_left_to_a_new_one(last: &RotationRecord, preview: &Preview) -> bool {
    let is_done = matches!(
        last.status(),
        Status::Succeeded | Status::Incomplete | Status::NoAssociations
    );
    is_done && preview.movable() > 0
}

/// What a text is shown with.
struct Shown<'a> {
    stack: &'a Stack,
    answer: &'a Answer<'a>,
}

impl Preview {
    async fn read(stack: &Stack, roles: &Roles, flags: &RequestFlags) -> Result<Self, Failure> {
        let scope = flags.scope.scope()?;
        let (users, coverage) = tokio::join!(Users::read(stack, &roles.old), Coverage::read(stack));
        let mut users = users?;
        let out_of_scope = users.keep_in(&scope);
        let estimate = estimate::of(stack, &users).await?;
        Ok(Self {
            users,
            out_of_scope,
            coverage: coverage?,
            estimate,
        })
    }

    fn movable(&self) -> u64 {
        let items = &self.users.items;
        items.iter().filter(|item| item.owner_arn.is_none()).count() as u64
    }

    /// Whether there is something to move.
    fn check(&self, roles: &Roles) -> Result<(), Failure> {
        match self.users.items.len() {
            0 => Err(self.nothing_to_move(roles)),
            all if self.movable() == 0 => Err(Failure::Refused(format!(
                "nothing can be moved: an add-on owns all {all} associations on {} in this scope; \
                 change the role of the add-on instead",
                roles.old
            ))),
            _ => Ok(()),
        }
    }

    fn nothing_to_move(&self, roles: &Roles) -> Failure {
        let elsewhere = match self.out_of_scope {
            0 => String::new(),
            count => format!(", and {count} outside the scope"),
        };
        let incomplete = self.coverage.incomplete();
        let index = if incomplete.is_empty() {
            "`rerole index status` shows how old the index is".to_owned()
        } else {
            format!(
                "the index of {} was never complete: rerole index build",
                words::list(&incomplete, 5)
            )
        };
        Failure::Refused(format!(
            "the index has no association on {} in this scope{elsewhere}; {index}",
            roles.old
        ))
    }

    fn text(
        &self,
        id: &RotationId,
        roles: &Roles,
        flags: &RequestFlags,
        Shown { stack, answer }: Shown<'_>,
    ) -> String {
        let account = &stack.origin.account;
        let name =
            |role: &rerole_core::resource::RoleArn| words::role(role.as_str()).in_account(account);
        let clusters = self.users.by_cluster();
        let moved = words::count(self.movable(), "association");
        let stays = self.users.items.len() as u64 - self.movable();
        let scope = Value::Object(flags.scope.members());
        let mut lines = vec![
            format!("\nRotation {}: moves {moved}", answer.layout.heading(id)),
            format!("  from      {}", name(&roles.old)),
            format!("  to        {}", name(&roles.new)),
            format!("  scope     {}", text::scope(&scope)),
            format!("  takes     {}", self.estimate.text()),
        ];
        if stays > 0 {
            lines.push(format!("  stays     {stays} that an add-on owns"));
        }
        if self.out_of_scope > 0 {
            lines.push(format!(
                "  stays     {} outside the scope",
                self.out_of_scope
            ));
        }
        lines.push(format!("\n{}\n", cluster_table(&clusters, &answer.layout)));
        lines.push(self.coverage.text(stack.aws.now()));
        lines.join("\n")
    }
}
