//! The commands in a text, against `docs/cli.md`, which a test of the tool holds against its code.

/// Checks that each `rerole …` in a code span of a text is a command of the tool, with its flags.
/// Returns how many there are.
pub fn check(markdown: &str) -> usize {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md");
    let page = std::fs::read_to_string(page).unwrap();
    let spans = markdown.split('`').skip(1).step_by(2);
    // A code span may be wrapped.
    let spans = spans.map(|span| span.split_whitespace().collect::<Vec<_>>());
    let commands: Vec<_> = spans
        .filter(|words| words.first() == Some(&"rerole"))
        .collect();
    for command in &commands {
        let section = section(&page, command);
        let section = section.unwrap_or_else(|| panic!("{command:?} is no command of the tool"));
        for word in command.iter().filter(|word| word.starts_with("--")) {
            let has_flag = |line: &str| {
                let mut words = line.split([' ', ',']);
                words.any(|it| it == *word)
            };
            assert!(section.lines().any(has_flag), "{command:?} has no {word}");
        }
    }
    commands.len()
}

/// The section of a command. The name of a command has one word after `rerole`, or two.
fn section<'a>(page: &'a str, command: &[&str]) -> Option<&'a str> {
    (2..=3).rev().find_map(|words| {
        let name = command.get(..words)?.join(" ");
        let (_, section) = page.split_once(&format!("\n## {name}\n"))?;
        section.split("\n## ").next()
    })
}
