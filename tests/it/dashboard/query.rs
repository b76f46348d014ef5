//! The names in a query of CloudWatch Logs Insights. It knows the part of the language that the
//! queries of the product use.

use std::collections::BTreeSet;

use fancy_regex::Regex;

use crate::dashboard::written::Line;

/// Words of the language. A name after `as` is not a field either.
const WORDS: [&str; 22] = [
    "and",
    "as",
    "asc",
    "by",
    "coalesce",
    "count",
    "count_distinct",
    "desc",
    "fields",
    "filter",
    "in",
    "ispresent",
    "latest",
    "like",
    "limit",
    "max",
    "min",
    "or",
    "sort",
    "stats",
    "sum",
    "avg",
];
/// Fields that CloudWatch adds to each line.
const ADDED_FIELDS: [&str; 1] = ["@timestamp"];

/// A query.
#[derive(Debug)]
pub struct Query {
    /// The functions whose log groups it searches.
    functions: BTreeSet<&'static str>,
    /// The lines that it selects by their message. If there is none, it selects any line.
    messages: Vec<String>,
    fields: BTreeSet<String>,
}

impl Query {
    pub fn new(text: &str, functions: BTreeSet<&'static str>) -> Self {
        let lines = text.lines();
        let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
        let text = lines.collect::<Vec<_>>().join("\n");
        Self {
            functions,
            messages: messages(&text),
            fields: fields(&text),
        }
    }

    /// What the query asks for that is in none of the lines that it selects.
    pub fn problem(&self, lines: &[Line]) -> Option<String> {
        let lines = lines
            .iter()
            .filter(|line| self.functions.contains(line.function));
        for message in &self.messages {
            if !lines.clone().any(|line| line.message == *message) {
                return Some(format!("no line has the message {message:?}"));
            }
        }
        let is_selected =
            |line: &&Line| self.messages.is_empty() || self.messages.contains(&line.message);
        let selected: Vec<_> = lines.filter(is_selected).collect();
        let is_missing =
            |field: &&String| !selected.iter().any(|line| line.fields.contains(*field));
        let missing = self.fields.iter().find(is_missing)?;
        Some(format!("no line that is selected has the field {missing}"))
    }
}

/// The texts that `message` is compared with.
fn messages(text: &str) -> Vec<String> {
    let comparison = Regex::new(r#"message (?:=|in) (\[[^\]]*\]|'[^']*'|"[^"]*")"#).unwrap();
    let compared = comparison.captures_iter(text);
    let texts = compared.flat_map(|found| {
        let texts = found.unwrap()[1].replace('"', "'");
        let texts = texts.split('\'').skip(1).step_by(2);
        texts.map(str::to_owned).collect::<Vec<_>>()
    });
    texts.collect()
}

fn fields(text: &str) -> BTreeSet<String> {
    let quoted = Regex::new(r#"'[^']*'|"[^"]*""#).unwrap();
    let text = quoted.replace_all(text, " ").into_owned();
    let text = text.as_str();
    let alias = Regex::new(r"\bas (\w+)").unwrap();
    let aliases: BTreeSet<_> = alias
        .captures_iter(text)
        .map(|found| found.unwrap()[1].to_owned())
        .collect();
    let name = Regex::new(r"@?[A-Za-z][\w.]*").unwrap();
    let names = name.find_iter(text).map(|found| found.unwrap().as_str());
    let is_field = |name: &&str| {
        !WORDS.contains(name) && !ADDED_FIELDS.contains(name) && !aliases.contains(*name)
    };
    names.filter(is_field).map(str::to_owned).collect()
}
