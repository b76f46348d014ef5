//! Generates `docs/cli.md` from the definitions of the commands, the documented permissions, and
//! the screens that the tests have taken.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use clap::{Command, CommandFactory};
use expect_test::expect_file;
use serde_json::Value;
use strum::VariantArray;

use crate::args::Cli;
use crate::exit::Exit;
use crate::stack::Name;

const INTRODUCTION: &str = include_str!("introduction.txt");
const PERMISSIONS: &str = "../docs/cli-permissions.json";
const HELP_WIDTH: usize = 100;
/// The commands, and a screen of each.
const SCREENS: [(&str, &str); 25] = [
    ("plan", "tour-01-plan"),
    ("preflight", "preflight"),
    ("rotate", "rotate-asks"),
    ("list", "list-all"),
    ("status", "status-rows"),
    ("report", "report-out"),
    ("pause", "pause-asks"),
    ("resume", "tour-05-resume"),
    ("cancel", "cancel-asks"),
    ("retry", "tour-06-retry"),
    ("rollback", "tour-08-rollback"),
    ("change", "change"),
    ("freeze", "freeze"),
    ("unfreeze", "unfreeze"),
    ("who", "tour-07-who"),
    ("drain", "drain"),
    ("index build", "index-build"),
    ("index check", "index-check"),
    ("index status", "index-status"),
    ("index show", "index-show"),
    ("queues list", "queues-list"),
    ("queues show", "queues-show"),
    ("queues redrive", "queues-redrive"),
    ("doctor", "doctor"),
    ("version", "version"),
];
/// What each exit code means.
const EXITS: [(Exit, &str); 8] = [
    (Exit::Done, "done, or nothing to report"),
    (
        Exit::Error,
        "error: one line on standard error says what failed, where, and what to do",
    ),
    (
        Exit::Usage,
        "a flag is invalid, or a question could not be asked",
    ),
    (
        Exit::FinishedOtherwise,
        "a rotation finished otherwise (`CompletedWithFailures`, `Failed`, `Cancelled`, `Rejected`, \
         `NoAssociations`, `RollbackIncomplete`), a plan, a preflight or `doctor` has findings, or \
         the index differs from EKS",
    ),
    (
        Exit::StillInUse,
        "the old role is still in use: `Incomplete`, or what `who` or `drain` found",
    ),
    (
        Exit::WaitsForPerson,
        "the rotation waits for a person: `Paused`",
    ),
    (
        Exit::TimedOut,
        "the time of `--wait` is over, or no verdict arrived within 30 seconds",
    ),
    (Exit::Interrupted, "interrupted by Ctrl-C"),
];

type Permissions = BTreeSet<(String, String)>;

fn permissions(actions: &Value) -> Permissions {
    let actions = actions.as_object().unwrap().iter();
    let each = actions.flat_map(|(action, resources)| {
        let resources = resources.as_array().unwrap().iter();
        resources.map(|it| (action.clone(), it.as_str().unwrap().to_owned()))
    });
    each.collect()
}

fn permission_table(permissions: &Permissions) -> String {
    let mut by_action: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (action, resource) in permissions {
        let resources = by_action.entry(action).or_default();
        resources.push(format!("`{resource}`"));
    }
    let rows = by_action
        .iter()
        .map(|(action, resources)| format!("| `{action}` | {} |\n", resources.join(", ")));
    format!(
        "| action | on |\n| --- | --- |\n{}",
        rows.collect::<String>()
    )
}

/// The page.
fn page() -> String {
    let documented: Value = serde_json::from_str(&read(PERMISSIONS)).unwrap();
    let verbs = documented["verbs"].as_object().unwrap();
    let verbs: BTreeMap<_, _> = verbs
        .iter()
        .map(|(verb, actions)| (verb.as_str(), permissions(actions)))
        .collect();
    let mut all = verbs.values();
    let first = all.next().cloned().unwrap_or_default();
    let common = all.fold(first, |common, it| &common & it);
    let mut page = introduction((&common, &permissions(&documented["withoutVerdict"])));
    let mut cli = Cli::command().term_width(HELP_WIDTH);
    cli.build();
    for command in cli.get_subcommands_mut() {
        let name = command.get_name().to_owned();
        if name == "help" {
            continue;
        }
        let nested: Vec<_> = command
            .get_subcommands()
            .map(|it| it.get_name().to_owned())
            .filter(|it| it != "help")
            .collect();
        if nested.is_empty() {
            page.push_str(&section(command, &name, (&verbs, &common)));
        }
        for inner in nested {
            let verb = format!("{name} {inner}");
            let command = command.find_subcommand_mut(&inner).unwrap();
            page.push_str(&section(command, &verb, (&verbs, &common)));
        }
    }
    page
}

fn introduction((common, silent): (&Permissions, &Permissions)) -> String {
    let variables = Name::VARIANTS
        .iter()
        .map(|name| format!("| `{}` | `{}` |\n", name.variable(), name.key()));
    let variables: String = variables.collect();
    let exits = EXITS
        .iter()
        .map(|(exit, meaning)| format!("| {} | {meaning} |\n", exit.code()));
    let exits: String = exits.collect();
    INTRODUCTION
        .replace(
            "{variables}\n",
            &format!("| variable | output or parameter |\n| --- | --- |\n{variables}"),
        )
        .replace(
            "{exits}\n",
            &format!("| code | meaning |\n| --- | --- |\n{exits}"),
        )
        .replace("{common}\n", &permission_table(common))
        .replace("{silent}\n", &permission_table(silent))
}

/// The section about a command: what it is for, its help, its permissions, and a screen.
fn section(
    command: &mut Command,
    verb: &str,
    (verbs, common): (&BTreeMap<&str, Permissions>, &Permissions),
) -> String {
    let about = command.get_about().map(ToString::to_string);
    let help = command.render_long_help().to_string();
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    let mut text = format!(
        "\n## rerole {verb}\n\n{}.\n\n```text\n{}\n```\n",
        about.unwrap_or_default(),
        help.join("\n").trim_end()
    );
    if let Some(permissions) = verbs.get(verb) {
        let besides = permissions - common;
        let table = if besides.is_empty() {
            "It needs no permissions besides those of every command.\n".to_owned()
        } else {
            permission_table(&besides)
        };
        let _ = write!(text, "\n{table}");
    }
    let screen = SCREENS.iter().find(|(name, _)| *name == verb);
    if let Some((_, file)) = screen {
        let _ = write!(text, "\n```text\n{}```\n", screen_text(file));
    }
    text
}

fn screen_text(file: &str) -> String {
    read(&format!("tests/operator/screens/80/{file}.txt"))
}

/// Reads a file when the test runs, since another test may have updated it.
fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_page_about_the_tool_is_up_to_date() {
    expect_file!["../../../docs/cli.md"].assert_eq(&page());
}
