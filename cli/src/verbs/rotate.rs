//! `rerole rotate`: shows what a rotation would move and whether the new role will work, asks,
//! requests it, and follows it.

mod preview;

use std::fmt::Write;

use clap::Args;
use rerole_core::call::CallError;
use rerole_core::keys::RotationKey;
use rerole_core::request::RotationId;
use rerole_core::rotation::{RotationRecord, Status};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::answer::{Answer, Next};
use crate::bus::{self, DetailType, RequestResult, Requested};
use crate::confirm::confirm;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{Patience, Until, Wait, follow, note_interrupted};
use crate::preflight::{self, Preflight, Subject};
use crate::preflight_flags::PreflightFlags;
use crate::request::{self, LimitFlags, RequestFlags, Roles, default_id, given_id};
use crate::rotation::RotationView;
use crate::rotation::next::next;
use crate::rotation::text::{self, Context};
use crate::silence;
use crate::stack::Stack;
use crate::stack::flags::{OutputFlags, StackFlags};
use crate::terminal::note;
use crate::verbs::ChangeFlags;
use crate::verbs::rotate::preview::{Preview, Shown};
use crate::words;

#[derive(Debug, Clone, Args)]
pub struct RotateFlags {
    #[command(flatten)]
    pub request: RequestFlags,
    #[command(flatten)]
    pub limits: LimitFlags,
    #[command(flatten)]
    pub preflight: PreflightFlags,
    #[command(flatten)]
    pub change: ChangeFlags,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

/// A rotation that was not requested, because the new role will not work.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Refused {
    /// Always false.
    requested: bool,
    preflight: Preflight,
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
    let roles = flags.request.roles.roles(&stack)?;
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
    let shown = Shown {
        stack: &stack,
        answer: &answer,
    };
    let text = preview.text(&id, &roles, &flags.request, shown);
    if let Some(exit) = agree(shown, (&preview, text), &roles, flags).await? {
        return Ok(exit);
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

/// Shows what would be moved and whether the new role will work, and asks. Returns how the command
/// ends if nothing is to be sent.
async fn agree(
    shown: Shown<'_>,
    (preview, mut text): (&Preview, String),
    roles: &Roles,
    flags: &RotateFlags,
) -> Result<Option<Exit>, Failure> {
    let Shown { stack, answer } = shown;
    let subject = Subject {
        roles,
        items: &preview.users.items,
    };
    if let Some(preflight) = preflight::before(stack, subject, &flags.preflight).await {
        let _ = write!(text, "\n\n{}", preflight::short(&preflight));
        if preflight.is_denied() {
            answer.say(&text)?;
            return refuse(answer, preflight, (roles, &flags.request)).map(Some);
        }
    }
    if flags.change.yes {
        answer.say(&text)?;
        return Ok(None);
    }
    answer.show_before_asking(&text)?;
    let question = format!("Move {}?", words::count(preview.movable(), "association"));
    if !confirm(&question)? {
        return Err(Failure::Refused("nothing was changed".to_owned()));
    }
    Ok(None)
}

/// Ends without sending anything, because the new role will not work.
fn refuse(
    answer: &Answer<'_>,
    preflight: Preflight,
    (roles, flags): (&Roles, &RequestFlags),
) -> Result<Exit, Failure> {
    let exit = preflight.exit();
    let Roles { old, new } = roles;
    let checks = format!(
        "rerole preflight --from {old} --to {new}{}",
        flags.scope.text()
    );
    let mut next = vec![Next::new(checks).to("what was checked, and what was found")];
    let accepting = preflight::accepting(&preflight, roles, &flags.scope);
    let text = match &accepting {
        Some(_) => {
            "\nNothing was sent. To rotate all the same, accept what is denied with --accept ID, or \
             leave out the preflight with --no-preflight."
        }
        None => "\nNothing was sent: the rotation would be refused.",
    };
    next.extend(accepting);
    let refused = Refused {
        requested: false,
        preflight,
    };
    answer.end(&refused, text, &next)?;
    Ok(exit)
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
