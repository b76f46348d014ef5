//! `rerole report`: a rotation as one document, for a change ticket or an auditor. What it says is
//! read in `data`; each format renders that and nothing else.

mod chart;
mod csv;
pub mod data;
pub mod digest;
mod file;
mod html;
mod markdown;
#[cfg(test)]
mod sample;
mod text;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use rerole_core::printable::escape_controls;

use crate::answer::{Answer, Next, note_skew};
use crate::drain::Drain;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invalid_flag::InvalidFlag;
use crate::named::find_rotation;
use crate::preflight;
use crate::stack::Stack;
use crate::stack::flags::{OutputFlags, StackFlags};
use crate::terminal::OutputError;
use crate::verbs::report::data::Report;
use crate::verbs::report::digest::Data;

#[derive(Debug, Clone, Args)]
pub struct ReportFlags {
    /// ID of the rotation, with `dry-run/` or `rollback/` in front for one of these
    #[arg(value_name = "ID")]
    pub id: String,
    /// Form of the report: `html` is one file with a filter and charts, `csv` has the associations
    /// only, and `md` the first 50 of them [default: as the extension of FILE, or else md]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Write the report to a file, which is replaced if it exists, and not to standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Leave out the evidence as of now, which is not in the ledger: what IAM and
    /// CloudTrail tell of the roles
    #[arg(long)]
    pub no_evidence: bool,
    #[command(flatten)]
    pub stack: StackFlags,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Html,
    Md,
    Csv,
    Json,
}

/// Writes a report about a rotation. It is done once that is written, however the rotation ended.
///
/// # Errors
/// If there is no such rotation, AWS does not respond, or the file cannot be written.
pub async fn run(flags: &ReportFlags) -> Result<Exit, Failure> {
    let format = flags.format()?;
    let stack = Stack::find(&flags.stack).await?;
    let record = find_rotation(&stack, &flags.id).await?;
    let mut report = Box::pin(Report::read(&stack, &record)).await?;
    if !flags.no_evidence && format != Format::Csv {
        report.preflight = Box::pin(preflight::of_rotation(&stack, &record)).await?;
        // A dry run leaves no role.
        if !record.request.dry_run {
            let read = Drain::read(&stack, &record.old_role_arn, &report.old_role);
            report.drain = Some(Box::pin(read).await?);
        }
    }
    let document = format.document(&report)?;
    match &flags.out {
        None => {
            note_skew(&stack.origin);
            print(&document)?;
        }
        Some(path) => {
            file::write(path, &document)?;
            let answer = Answer::start(&stack, &OutputFlags::default())?;
            answer.end(&(), &written(&report, path), &next(&report))?;
        }
    }
    Ok(Exit::Done)
}

impl ReportFlags {
    fn format(&self) -> Result<Format, InvalidFlag> {
        let Some(path) = self.out.as_deref().filter(|_| self.format.is_none()) else {
            return Ok(self.format.unwrap_or(Format::Md));
        };
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        Format::from_str(&extension, true).map_err(|_| {
            let allowed = "a file that ends with .html, .md, .csv or .json, or any with --format";
            InvalidFlag::new("--out", path.display(), allowed.to_owned())
        })
    }
}

impl Format {
    fn document(self, report: &Report) -> Result<String, OutputError> {
        Ok(match self {
            Self::Html => html::document(report, &Data::new(report)),
            Self::Md => markdown::document(report),
            Self::Csv => csv::document(&report.rows).map_err(OutputError)?,
            Self::Json => Data::new(report).json(),
        })
    }
}

/// Prints the document and nothing else, so it can be piped.
fn print(document: &str) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(document.as_bytes());
    written.and_then(|()| stdout.flush()).map_err(OutputError)
}

fn written(report: &Report, path: &Path) -> String {
    let path = escape_controls(&path.display().to_string());
    let title = escape_controls(&text::title(&report.rotation));
    format!("\n{title} is written to {path}.")
}

fn next(report: &Report) -> Vec<Next> {
    let id = &report.rotation.id;
    let mut next = Vec::new();
    if !report.is_finished {
        let status = format!("rerole status {id} --watch");
        next.push(Next::new(status).to("follow it to the end, and report again"));
    }
    let who = format!("rerole who {} --verify", report.rotation.old_role_arn);
    next.push(Next::new(who).to("ask EKS who uses the old role"));
    next
}

#[cfg(test)]
mod tests;
