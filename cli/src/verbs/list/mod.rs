//! `rerole list`: which rotations there are. Its flags are in `flags`, what it lists in `listed`,
//! and how that is written as text in `text`.

pub mod flags;
pub mod listed;
mod text;

use crate::answer::Answer;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::stack::Stack;
use crate::verbs::list::flags::ListFlags;
use crate::verbs::list::listed::List;
use crate::verbs::list::text::View;

/// Lists rotations.
///
/// # Errors
/// If a flag is invalid, or AWS does not respond.
pub async fn run(flags: &ListFlags) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    let answer = Answer::start(&stack, &flags.output)?;
    let list = List::read(&stack, flags).await?;
    let layout = &answer.layout;
    let now = stack.aws.now();
    if let Some(frozen) = &list.frozen {
        answer.say(&format!("\n{}\n", frozen.text(layout, now)))?;
    }
    let view = View {
        account: &stack.origin.account,
        now,
        layout,
    };
    answer.end(&list, &view.text(&list, flags), &list.next(flags))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests;
