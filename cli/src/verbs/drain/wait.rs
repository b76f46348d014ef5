//! `rerole drain --wait`: looks again until the role is free.

use std::time::Duration;

use indicatif::ProgressBar;
use rerole_core::resource::RoleArn;
use tokio::time::{Instant, sleep};

use crate::drain::Drain;
use crate::drain::verdict::Verdict;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::Patience;
use crate::outage::{Outage, Read};
use crate::stack::Stack;
use crate::terminal::{printable, progress_bar};
use crate::verbs::who::verdict::Verdict as Known;
use crate::verbs::who::view::Who;

/// Between two looks. CloudTrail's pace is for all callers of the account, and a drain takes hours.
const POLL: Duration = Duration::from_mins(5);
/// Between two looks while reads fail.
const TRY_AGAIN: Duration = Duration::from_secs(15);

/// A look at the role.
struct Look {
    drain: Drain,
    /// Index and ledger have never heard of the role. Time does not change that.
    is_unheard_of: bool,
}

/// Looks again and again until the role is free, or nothing is known of it at all.
///
/// # Errors
/// If AWS does not respond.
pub async fn wait(
    stack: &Stack,
    role: &RoleArn,
    patience: Patience,
) -> Result<(Drain, Exit), Failure> {
    let ends_at = patience.ends_at(Instant::now());
    let bar = progress_bar(0, "  {msg}, {elapsed}");
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut outage = Outage::default();
    let mut last: Option<Drain> = None;
    let ended = loop {
        let mut pause = POLL;
        let looked = tokio::select! {
            biased;
            interrupted = &mut interrupt => {
                interrupted.map_err(Failure::Process)?;
                let drain = last.ok_or(Failure::Interrupted)?;
                break (drain, Exit::Interrupted);
            }
            looked = look(stack, role) => looked,
        };
        let drain = match outage.bear(looked)? {
            Read::Done(Look {
                drain,
                is_unheard_of,
            }) => {
                show(&bar, &drain);
                if drain.verdict == Verdict::Free || is_unheard_of {
                    let exit = drain.verdict.exit();
                    break (drain, exit);
                }
                drain
            }
            Read::Failed(failure) => {
                bar.set_message(printable(&format!("trying again: {failure}")));
                pause = TRY_AGAIN;
                let Some(drain) = last.take() else {
                    return Err(failure);
                };
                drain
            }
        };
        let left = ends_at.map(|at| at.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            break (drain, Exit::TimedOut);
        }
        tokio::select! {
            interrupted = &mut interrupt => {
                interrupted.map_err(Failure::Process)?;
                break (drain, Exit::Interrupted);
            }
            () = sleep(left.map_or(pause, |left| left.min(pause))) => {}
        }
        last = Some(drain);
    };
    bar.finish_and_clear();
    Ok(ended)
}

async fn look(stack: &Stack, role: &RoleArn) -> Result<Look, Failure> {
    let who = Who::read(stack, role).await?;
    let drain = Box::pin(Drain::read(stack, role, &who)).await?;
    Ok(Look {
        is_unheard_of: who.verdict == Known::Unknown && drain.verdict == Verdict::Unknown,
        drain,
    })
}

fn show(bar: &ProgressBar, drain: &Drain) {
    let why = drain.grounds.first().cloned().unwrap_or_default();
    bar.set_message(printable(&why));
    bar.tick();
}
