//! `rerole who`: who uses a role, since when, as of when, and whether it may be deleted. What is
//! known is read in `view`, what follows from it is decided in `verdict`, and how it is written is
//! in `text`.

pub mod flags;
pub mod text;
pub mod verdict;
pub mod view;
mod wait;

use serde::Serialize;

use crate::answer::{Answer, Next};
use crate::drain::Drain;
use crate::drain::text::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invalid_flag::Flag;
use crate::stack::Stack;
use crate::terminal::note;
use crate::verbs::who::flags::WhoFlags;
use crate::verbs::who::verdict::Verdict;
use crate::verbs::who::view::Who;
use crate::verbs::who::wait::wait;

/// The answer.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WhoAnswer {
    #[serde(flatten)]
    pub who: Who,
    /// Whether it is free, with evidence. Null if that was not asked for.
    pub drain: Option<Drain>,
}

/// Shows who uses a role.
///
/// # Errors
/// If the text names no role, or AWS does not respond.
pub async fn run(flags: &WhoFlags) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    let role = stack.role(Flag("ROLE"), &flags.role)?;
    let answer = Answer::start(&stack, &flags.output)?;
    let (who, mut exit) = match flags.wait {
        None => {
            let mut who = Who::read(&stack, &role).await?;
            if flags.verify {
                who = who.verify(&stack, &role).await?;
            }
            let exit = who.verdict.exit();
            (who, exit)
        }
        Some(timeout) => Box::pin(wait(&stack, &role, flags, timeout)).await?,
    };
    let mut text = format!("\n{}", text::who(&who, &stack, &answer.layout));
    let mut drain = None;
    if flags.drain && exit != Exit::Interrupted {
        let read = Box::pin(Drain::read(&stack, &role, &who)).await?;
        let context = Context {
            account: &stack.origin.account,
            now: stack.aws.now(),
        };
        text = format!("{text}\n\n{}", context.addition(&read, &answer.layout));
        // The evidence is about more than what index and ledger know.
        if exit != Exit::TimedOut {
            exit = read.verdict.exit();
        }
        drain = Some(read);
    }
    let next = next(&who, flags);
    answer.end(&WhoAnswer { who, drain }, &text, &next)?;
    if exit == Exit::Interrupted {
        let again = stack.pasted(&format!("rerole who {role} --wait"));
        note(&format!("interrupted; wait again with: {again}"));
    }
    Ok(exit)
}

/// The commands that make sense next.
fn next(who: &Who, flags: &WhoFlags) -> Vec<Next> {
    let role = &who.role_arn;
    let mut next = Vec::new();
    if let Some(open) = who.open_rotations.first() {
        next.push(Next::new(format!("rerole status {}", open.id)).to("how far its rotation is"));
    } else if !who.users.is_empty() {
        let plan = format!("rerole plan --from {role} --to ROLE");
        next.push(Next::new(plan).to("what a rotation would move"));
    }
    let differs = who
        .verified
        .as_ref()
        .is_some_and(|it| !it.unknown.is_empty() || !it.gone.is_empty());
    if !who.index.is_fresh() || differs {
        next.push(Next::new("rerole index build").to("complete the index"));
    }
    if !flags.verify {
        next.push(Next::new(format!("rerole who {role} --verify")).to("ask EKS as well"));
    }
    if !flags.drain && matches!(who.verdict, Verdict::MayBeUsedUntil | Verdict::NoKnownUse) {
        let drain = format!("rerole drain {role}");
        next.push(Next::new(drain).to("see in CloudTrail who still has its credentials"));
    }
    if who.verdict == Verdict::MayBeUsedUntil {
        next.push(Next::new(format!("rerole who {role} --wait")).to("wait until it is over"));
    }
    next
}
