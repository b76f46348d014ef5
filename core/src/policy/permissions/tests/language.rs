//! Permissions as short texts, a statement on each line:
//!
//! ```text
//! allow s3:Get*,s3:List* on arn:aws:s3:::logs/* if StringEquals aws:SourceVpc vpc-1 and …
//! deny not iam:* on not arn:aws:s3:::a
//! boundary allow s3:* on *
//! 2008 allow s3:GetObject on arn:aws:s3:::${aws:username}
//! tag team=a
//! unreadable
//! ```

use serde_json::{Map, Value, json};

use super::{NamedDocument, Permissions};
use crate::policy::Document;

/// The documents, by the words in front of their statements.
const DOCUMENTS: [(&str, &str, &str); 3] = [
    ("app", "", "2012-10-17"),
    ("app-2008", "2008 ", "2008-10-17"),
    ("limit", "boundary ", "2012-10-17"),
];

/// Returns the permissions of the role with this name.
pub(super) fn permissions(role: &str, text: &str) -> Permissions {
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let mut permissions = Permissions {
        role: format!("arn:aws:iam::111122223333:role/{role}")
            .parse()
            .unwrap(),
        identity: Vec::new(),
        boundary: None,
        tags: None,
    };
    for (name, prefix, version) in DOCUMENTS {
        let statements = lines.iter().filter_map(|line| line.strip_prefix(prefix));
        let statements: Vec<_> = statements
            .filter(|line| line.starts_with("allow ") || line.starts_with("deny "))
            .map(statement)
            .collect();
        let is_unreadable = lines.contains(&&*format!("{prefix}unreadable"));
        if statements.is_empty() && !is_unreadable {
            continue;
        }
        let text = json!({ "Version": version, "Statement": statements }).to_string();
        let document = NamedDocument {
            name: name.to_owned(),
            document: Document::parse(if is_unreadable { "{" } else { &text }),
        };
        if is_unreadable {
            assert!(document.document.is_err());
        } else {
            assert!(
                document.document.is_ok(),
                "{name}: {:?}",
                document.document.err()
            );
        }
        match prefix {
            "boundary " => permissions.boundary = Some(document),
            _ => permissions.identity.push(document),
        }
    }
    let tags = lines
        .iter()
        .filter_map(|line| line.strip_prefix("tag")?.trim().split_once('='));
    let tags: Vec<_> = tags
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    permissions.tags = lines
        .iter()
        .any(|line| line.starts_with("tag"))
        .then_some(tags);
    permissions
}

fn statement(line: &str) -> Value {
    let (what, conditions) = line.split_once(" if ").unwrap_or((line, ""));
    let words: Vec<_> = what.split(' ').collect();
    let mut statement = Map::new();
    let effect = if words[0] == "allow" { "Allow" } else { "Deny" };
    statement.insert("Effect".to_owned(), json!(effect));
    let on = words.iter().position(|word| *word == "on").unwrap();
    for (name, words) in [("Action", &words[1..on]), ("Resource", &words[on + 1..])] {
        let (name, list) = match words {
            ["not", list] => (format!("Not{name}"), list),
            [list] => (name.to_owned(), list),
            _ => panic!("{line}"),
        };
        statement.insert(name, json!(list.split(',').collect::<Vec<_>>()));
    }
    let mut members = Map::new();
    for condition in conditions
        .split(" and ")
        .filter(|condition| !condition.is_empty())
    {
        let words: Vec<_> = condition.split(' ').collect();
        let keys = members.entry(words[0]).or_insert_with(|| json!({}));
        keys[words[1]] = json!(words[2].split(',').collect::<Vec<_>>());
    }
    if !members.is_empty() {
        statement.insert("Condition".to_owned(), Value::Object(members));
    }
    Value::Object(statement)
}
