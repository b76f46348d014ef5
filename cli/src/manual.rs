//! Checks that the commands of this tool that the manual shows exist, with these flags. The page
//! about the tool itself is generated in `page`.

mod page;

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::Cli;

/// The pages, and the texts besides them that name commands.
const PAGES: [(&str, &str); 9] = [
    ("README.md", include_str!("../../README.md")),
    ("docs/operating.md", include_str!("../../docs/operating.md")),
    ("docs/lifecycle.md", include_str!("../../docs/lifecycle.md")),
    ("docs/indexer.md", include_str!("../../docs/indexer.md")),
    ("docs/deploying.md", include_str!("../../docs/deploying.md")),
    ("docs/event.md", include_str!("../../docs/event.md")),
    ("docs/audit.md", include_str!("../../docs/audit.md")),
    ("docs/local.md", include_str!("../../docs/local.md")),
    ("ARCHITECTURE.md", include_str!("../../ARCHITECTURE.md")),
];
/// What stands for a value, and such a value.
const PLACEHOLDERS: [(&str, &str); 5] = [
    ("ID", "app-2026"),
    ("ROLE", "platform/app-2025"),
    ("QUEUE", "on-failure"),
    ("SHELL", "bash"),
    ("TIMEOUT", "30m"),
];

#[test]
fn each_command_in_the_manual_exists_with_its_flags() {
    let mut checked = 0;
    for (page, text) in PAGES {
        for command in commands(text) {
            checked += 1;
            let words = command.split_whitespace().map(|word| {
                let placeholder = PLACEHOLDERS.iter().find(|(name, _)| *name == word);
                placeholder.map_or(word, |(_, value)| value)
            });
            let words: Vec<_> = words.collect();
            let Err(error) = Cli::try_parse_from(&words) else {
                continue;
            };
            // A page may name a verb without its arguments.
            let names_verb = words.len() <= 3
                && matches!(
                    error.kind(),
                    ErrorKind::MissingRequiredArgument
                        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                        | ErrorKind::DisplayHelp
                );
            assert!(names_verb, "{page}: {command}\n{error}");
        }
    }
    assert!(checked > 50, "only {checked} commands were found");
}

/// The commands in code spans and in lines of code blocks.
fn commands(markdown: &str) -> Vec<String> {
    let mut prose = String::new();
    let mut commands = Vec::new();
    let mut is_code = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            commands.push(line.to_owned());
        } else {
            // A code span may be wrapped.
            prose.push_str(line);
            prose.push(' ');
        }
    }
    let spans = prose.split('`').skip(1).step_by(2);
    commands.extend(spans.map(str::to_owned));
    commands.retain(|text| text.starts_with("rerole "));
    commands
}
