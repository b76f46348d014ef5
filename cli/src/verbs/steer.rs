//! `rerole pause`, `resume`, `cancel`, `retry`, `rollback` and `change`: their flags. Their common
//! way is in `command::steer`.

use clap::{ArgGroup, Args};
use rerole_core::command::{Limits, RollbackOrder, RotationOrder};
use rerole_core::request::Rollback;

use crate::command::steer::{self, Flags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::request::LimitFlags;
use crate::stack::flags::{OutputFlags, StackFlags};
use crate::verbs::ChangeFlags;

/// The flags of a command that has nothing besides.
#[derive(Debug, Clone, Args)]
pub struct SteerFlags {
    /// ID of the rotation, with `dry-run/` or `rollback/` in front for one of these
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub change: ChangeFlags,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

#[derive(Debug, Clone, Args)]
pub struct RollbackFlags {
    /// Also take back associations that have changed since in another way
    #[arg(long)]
    pub include_changed: bool,
    /// Only find out what would be taken back, and what has changed since
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub steer: SteerFlags,
}

#[derive(Debug, Clone, Args)]
#[command(group(
    ArgGroup::new("limits").args(["max_errors", "max_concurrency"]).required(true).multiple(true)
))]
pub struct ChangeLimitsFlags {
    #[command(flatten)]
    pub limits: LimitFlags,
    #[command(flatten)]
    pub steer: SteerFlags,
}

impl SteerFlags {
    fn flags(&self) -> Flags<'_> {
        Flags {
            id: &self.id,
            change: &self.change,
            stack: &self.stack,
            output: &self.output,
        }
    }
}

/// Sends a command that has nothing besides.
///
/// # Errors
/// As [`steer::run`].
pub async fn run(order: RotationOrder, flags: &SteerFlags) -> Result<Exit, Failure> {
    Box::pin(steer::run(order, flags.flags())).await
}

/// Takes a rotation back.
///
/// # Errors
/// As [`steer::run`].
pub async fn roll_back(flags: &RollbackFlags) -> Result<Exit, Failure> {
    let order = RollbackOrder {
        rollback: Rollback {
            include_changed: flags.include_changed,
        },
        dry_run: flags.dry_run,
    };
    Box::pin(steer::run(
        RotationOrder::Rollback(order),
        flags.steer.flags(),
    ))
    .await
}

/// Sets new limits.
///
/// # Errors
/// As [`steer::run`].
pub async fn change(flags: &ChangeLimitsFlags) -> Result<Exit, Failure> {
    let limits = Limits {
        max_errors: flags.limits.max_errors,
        max_concurrency: flags.limits.max_concurrency,
    };
    Box::pin(steer::run(
        RotationOrder::Change(limits),
        flags.steer.flags(),
    ))
    .await
}
