//! `rerole drain`: is a role free that associations have left, with evidence from CloudTrail and
//! IAM. What is read and what follows from it is in `drain` beside this folder.

pub mod flags;
mod wait;

use crate::answer::{Answer, Next};
use crate::drain::Drain;
use crate::drain::text::Context;
use crate::drain::verdict::Verdict;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invalid_flag::Flag;
use crate::stack::Stack;
use crate::terminal::note;
use crate::verbs::drain::flags::DrainFlags;
use crate::verbs::drain::wait::wait;
use crate::verbs::who::view::Who;

/// Shows whether a role is free.
///
/// # Errors
/// If the text names no role, or AWS does not respond.
pub async fn run(flags: &DrainFlags) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    let role = stack.role(Flag("ROLE"), &flags.role)?;
    let answer = Answer::start(&stack, &flags.output)?;
    let (drain, exit) = match flags.wait {
        None => {
            let who = Who::read(&stack, &role).await?;
            let drain = Box::pin(Drain::read(&stack, &role, &who)).await?;
            let exit = drain.verdict.exit();
            (drain, exit)
        }
        Some(patience) => Box::pin(wait(&stack, &role, patience)).await?,
    };
    let context = Context {
        account: &stack.origin.account,
        now: stack.aws.now(),
    };
    let text = format!("\n{}", context.drain(&drain, &answer.layout));
    answer.end(&drain, &text, &next(&drain))?;
    if exit == Exit::Interrupted {
        let again = stack.pasted(&format!("rerole drain {role} --wait"));
        note(&format!("interrupted; wait again with: {again}"));
    }
    Ok(exit)
}

/// The commands that make sense next.
fn next(drain: &Drain) -> Vec<Next> {
    let role = &drain.role_arn;
    let who = Next::new(format!("rerole who {role} --verify")).to("ask EKS who uses it");
    match drain.verdict {
        Verdict::Free | Verdict::InUse | Verdict::Unknown => vec![who],
        Verdict::FreeAfter => {
            let wait = format!("rerole drain {role} --wait");
            vec![Next::new(wait).to("wait until it is free"), who]
        }
    }
}
