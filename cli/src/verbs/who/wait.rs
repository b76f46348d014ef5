//! `rerole who --wait`: looks again until no use of the role is known.

use std::time::Duration;

use indicatif::ProgressBar;
use rerole_core::resource::RoleArn;
use tokio::time::{Instant, sleep};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::Patience;
use crate::outage::{Outage, Read};
use crate::stack::Stack;
use crate::terminal::{printable, progress_bar};
use crate::verbs::who::flags::WhoFlags;
use crate::verbs::who::verdict::Verdict;
use crate::verbs::who::view::Who;

/// Between two looks into ledger and index. A drain takes hours.
const POLL: Duration = Duration::from_secs(15);
/// Between two questions to EKS while it shows more than the index. They read every association.
const VERIFY_AGAIN: Duration = Duration::from_mins(10);

/// Looks again and again until no use of the role is known, or nothing is known of it at all.
///
/// # Errors
/// If AWS does not respond.
pub async fn wait(
    stack: &Stack,
    role: &RoleArn,
    flags: &WhoFlags,
    patience: Patience,
) -> Result<(Who, Exit), Failure> {
    let ends_at = patience.ends_at(Instant::now());
    let bar = progress_bar(0, "  {msg}, {elapsed}");
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut outage = Outage::default();
    let mut last: Option<Who> = None;
    let ended = loop {
        let mut pause = POLL;
        let who = match outage.bear(look(stack, role, flags).await)? {
            Read::Done(who) => {
                show(&bar, &who);
                if who.verified.is_some() {
                    pause = VERIFY_AGAIN;
                }
                // Time does not make an unknown role known.
                if has_no_use(&who) {
                    let exit = who.verdict.exit();
                    break (who, exit);
                }
                who
            }
            Read::Failed(failure) => {
                bar.set_message(printable(&format!("trying again: {failure}")));
                let Some(who) = last.take() else {
                    return Err(failure);
                };
                who
            }
        };
        let left = ends_at.map(|at| at.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            break (who, Exit::TimedOut);
        }
        tokio::select! {
            interrupted = &mut interrupt => {
                interrupted.map_err(Failure::Process)?;
                break (who, Exit::Interrupted);
            }
            () = sleep(left.map_or(pause, |left| left.min(pause))) => {}
        }
        last = Some(who);
    };
    bar.finish_and_clear();
    Ok(ended)
}

/// Reads what is known of the role. EKS is asked as well, if it should be, once nothing else is
/// known to use it.
async fn look(stack: &Stack, role: &RoleArn, flags: &WhoFlags) -> Result<Who, Failure> {
    let who = Who::read(stack, role).await?;
    if flags.verify && has_no_use(&who) {
        return who.verify(stack, role).await;
    }
    Ok(who)
}

fn has_no_use(who: &Who) -> bool {
    matches!(who.verdict, Verdict::NoKnownUse | Verdict::Unknown)
}

fn show(bar: &ProgressBar, who: &Who) {
    let why = who.grounds.first().cloned().unwrap_or_default();
    bar.set_message(printable(&why));
    bar.tick();
}
