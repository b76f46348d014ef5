//! `rerole who`: who uses a role, since when, as of when, and whether it may be deleted. What is
//! known is read in `view`, what follows from it is decided in `verdict`, and how it is written is
//! in `text`.

pub mod flags;
pub mod text;
pub mod verdict;
pub mod view;
mod wait;

use crate::answer::{Answer, Next};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invalid_flag::Flag;
use crate::stack::Stack;
use crate::terminal::note;
use crate::verbs::who::flags::WhoFlags;
use crate::verbs::who::verdict::Verdict;
use crate::verbs::who::view::Who;
use crate::verbs::who::wait::wait;

/// Shows who uses a role.
///
/// # Errors
/// If the text names no role, or AWS does not respond.
pub async fn run(flags: &WhoFlags) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    let role = stack.role(Flag("ROLE"), &flags.role)?;
    let answer = Answer::start(&stack, &flags.output)?;
    let (who, exit) = match flags.wait {
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
    let text = format!("\n{}", text::who(&who, &stack, &answer.layout));
    answer.end(&who, &text, &next(&who, flags))?;
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
    if who.verdict == Verdict::MayBeUsedUntil {
        next.push(Next::new(format!("rerole who {role} --wait")).to("wait until it is over"));
    }
    next
}
