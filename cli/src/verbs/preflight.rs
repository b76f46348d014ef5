//! `rerole preflight`: whether a new role will work in place of an old one. The checks are in
//! `preflight`, since `plan`, `rotate` and `report` have them as well.

use clap::Args;
use serde::Serialize;

use crate::answer::{Answer, Next};
use crate::coverage::Coverage;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::preflight::{self, AskAccessAnalyzer, Asked, Preflight, Subject, text};
use crate::preflight_flags::AcceptFlags;
use crate::request::RoleFlags;
use crate::scope::ScopeFlags;
use crate::stack::Stack;
use crate::stack::flags::{OutputFlags, StackFlags};
use crate::users::Users;

#[derive(Debug, Clone, Args)]
pub struct PreflightCommand {
    #[command(flatten)]
    pub roles: RoleFlags,
    #[command(flatten)]
    pub scope: ScopeFlags,
    #[command(flatten)]
    pub accept: AcceptFlags,
    /// Also ask IAM Access Analyzer whether the old role's policies allow what the new role's do
    /// not; AWS charges for each question
    #[arg(long)]
    pub access_analyzer: bool,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

/// A preflight, and as of when the index knows which associations it was about.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answered {
    #[serde(flatten)]
    preflight: Preflight,
    index: Coverage,
}

/// Does all checks, and shows what they have found.
///
/// # Errors
/// If a flag is invalid, or a table cannot be read.
pub async fn run(flags: &PreflightCommand) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    let roles = flags.roles.roles(&stack)?;
    let scope = flags.scope.scope()?;
    let answer = Answer::start(&stack, &flags.output)?;
    let (users, index) = tokio::try_join!(Users::read(&stack, &roles.old), Coverage::read(&stack))?;
    let mut users = users;
    users.keep_in(&scope);
    let subject = Subject {
        roles: &roles,
        items: &users.items,
    };
    let asked = Asked {
        accept: &flags.accept.accept,
        access_analyzer: flags.access_analyzer.then_some(AskAccessAnalyzer),
    };
    let preflight = Box::pin(preflight::read(&stack, subject, asked)).await;
    let text = format!(
        "\n{}\n\n{}",
        text::full(&preflight),
        index.text(stack.aws.now())
    );
    let exit = preflight.exit();
    let next = if preflight.is_denied() {
        let accepting = preflight::accepting(&preflight, &roles, &flags.scope);
        accepting.into_iter().collect()
    } else {
        let accepted = flags
            .accept
            .accept
            .iter()
            .map(|id| format!(" --accept {id}"));
        let flags = format!(
            "--from {} --to {}{}{}",
            roles.old,
            roles.new,
            flags.scope.text(),
            accepted.collect::<String>()
        );
        vec![
            Next::new(format!("rerole plan {flags}")).to("what would move, and what would stay"),
            Next::new(format!("rerole rotate {flags}")).to("start the rotation"),
        ]
    };
    answer.end(&Answered { preflight, index }, &text, &next)?;
    Ok(exit)
}
