//! The command line: its verbs. The flags of each verb are in its module.

use clap::{Parser, Subcommand};

use crate::demo::flags::DemoFlags;
use crate::playground::flags::PlaygroundFlags;
use crate::verbs::completions::CompletionsFlags;
use crate::verbs::doctor::DoctorFlags;
use crate::verbs::drain::flags::DrainFlags;
use crate::verbs::freeze::FreezeFlags;
use crate::verbs::index::flags::IndexCommand;
use crate::verbs::list::flags::ListFlags;
use crate::verbs::plan::PlanFlags;
#[cfg(feature = "evidence")]
use crate::verbs::preflight::PreflightCommand;
use crate::verbs::queues::flags::QueuesCommand;
use crate::verbs::report::ReportFlags;
use crate::verbs::rotate::RotateFlags;
use crate::verbs::status::StatusFlags;
use crate::verbs::steer::{ChangeLimitsFlags, RollbackFlags, SteerFlags};
use crate::verbs::version::VersionFlags;
use crate::verbs::who::flags::WhoFlags;

/// Moves EKS Pod Identity associations from one IAM role to another, safely
///
/// It puts requests and commands on the bus of a deployed stack, and reads its tables. It never
/// writes to EKS.
#[derive(Debug, Parser)]
#[command(name = "rerole", version, about, long_about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find out what a rotation would move, and what would stay: a dry run
    Plan(PlanFlags),
    /// Check whether the new role will work in place of the old one
    #[cfg(feature = "evidence")]
    Preflight(PreflightCommand),
    /// Move the associations of a role to another one
    Rotate(RotateFlags),
    /// List rotations: those that are open, failed or waiting, and rejected events
    List(ListFlags),
    /// Show a rotation, what happened to it and why, and its associations
    Status(StatusFlags),
    /// Write a rotation into one document, for a change ticket or an auditor
    Report(ReportFlags),
    /// Stop a rotation for now: no further update is sent, and its roles stay locked
    Pause(SteerFlags),
    /// Continue a paused rotation where it stopped
    Resume(SteerFlags),
    /// Stop a rotation for good, and release its roles; what was moved stays moved
    Cancel(SteerFlags),
    /// Try again what failed, was not attempted, or was owned by an add-on
    Retry(SteerFlags),
    /// Give the associations that a rotation has moved their old role again, and no others
    Rollback(RollbackFlags),
    /// Set new limits of an open rotation
    Change(ChangeLimitsFlags),
    /// Stop all rotations of the stack; in an emergency, this comes first
    Freeze(FreezeFlags),
    /// Let rotations continue that a freeze has paused
    Unfreeze(FreezeFlags),
    /// Find out who uses a role, and whether it may be deleted
    Who(WhoFlags),
    /// Find out whether a role is free that rotations have left: which pods still have its
    /// credentials, and who else uses it
    Drain(DrainFlags),
    /// Build, check or show the index of associations
    #[command(subcommand)]
    Index(IndexCommand),
    /// List, show or send again what failed and could not be delivered
    #[command(subcommand)]
    Queues(QueuesCommand),
    /// Check whether this deployment is healthy, and what to do where it is not
    Doctor(DoctorFlags),
    /// Show the versions of this CLI and of the deployed stack
    Version(VersionFlags),
    /// Print a script with which a shell completes commands and flags
    Completions(CompletionsFlags),
    /// Rotate a simulated fleet on this machine, without an AWS account; only 127.0.0.1 is used
    Demo(DemoFlags),
    /// Run a stack in a simulated AWS on this machine, for every command of this tool
    Playground(PlaygroundFlags),
}
