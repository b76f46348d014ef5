use std::collections::BTreeSet;

use html5gum::{Token, Tokenizer};
use rerole_core::printable::escape_controls;

use super::*;
use crate::verbs::report::sample::{HOSTILE, hostile, rolled_back, sample};

/// What a browser sees of a document: its elements, each with its attributes, and its text.
#[derive(Debug, Default)]
struct Seen {
    /// Each element with the names of its attributes.
    elements: BTreeSet<(String, Vec<String>)>,
    text: String,
    /// The text of each `script` and `style`.
    scripts: Vec<String>,
    styles: Vec<String>,
    policy: String,
}

impl Seen {
    fn of(document: &str) -> Self {
        let mut seen = Self::default();
        let (mut open, mut raw) = (Vec::new(), String::new());
        for Ok(token) in Tokenizer::new(document) {
            match token {
                Token::StartTag(tag) => {
                    let name = text_of(&tag.name);
                    let attribute = |key: &str| {
                        let mut all = tag.attributes.iter();
                        all.find(|(name, _)| text_of(name) == key)
                            .map(|(_, value)| text_of(value))
                    };
                    if attribute("http-equiv").is_some() {
                        seen.policy = attribute("content").unwrap();
                    }
                    let names = tag.attributes.keys().map(|name| text_of(name));
                    let names = names.collect();
                    let is_void = ["meta", "input"].contains(&name.as_str()) || tag.self_closing;
                    seen.elements.insert((name.clone(), names));
                    if !is_void {
                        open.push(name);
                    }
                }
                Token::EndTag(tag) => {
                    let name = text_of(&tag.name);
                    assert_eq!(open.pop().as_ref(), Some(&name));
                    match name.as_str() {
                        "script" => seen.scripts.push(std::mem::take(&mut raw)),
                        "style" => seen.styles.push(std::mem::take(&mut raw)),
                        _ => {}
                    }
                }
                Token::String(text) => match open.last().map(String::as_str) {
                    Some("script" | "style") => raw.push_str(&text_of(&text)),
                    _ => seen.text.push_str(&text_of(&text)),
                },
                Token::Comment(_) => panic!("there is no comment"),
                Token::Doctype(_) => {}
                Token::Error(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(open, [""; 0]);
        seen
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn seen(report: &Report) -> Seen {
    Seen::of(&document(report, &Data::new(report)))
}

#[test]
fn no_name_becomes_an_element_or_an_attribute() {
    let hostile = seen(&hostile());
    let harmless = seen(&rolled_back(2 * HOSTILE.len()));
    assert_eq!(hostile.elements.difference(&harmless.elements).count(), 0);
    assert_eq!(hostile.scripts.len(), harmless.scripts.len());
    for name in HOSTILE {
        assert!(hostile.text.contains(&escape_controls(name)), "{name}");
    }
    let is_control = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!hostile.text.contains(is_control));
}

#[test]
fn the_policy_allows_the_script_and_the_style_and_no_others() {
    let seen = seen(&sample(3));
    let [data, script] = seen.scripts.as_slice() else {
        panic!("there are two scripts, of which one is data");
    };
    assert!(data.starts_with("\n{\"reportVersion\":"));
    let [style] = seen.styles.as_slice() else {
        panic!("there is one style");
    };
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let expected = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(style),
        hash(script)
    );
    assert_eq!(seen.policy, expected);
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let seen = seen(&rolled_back(100));
    let names = seen.elements.iter().flat_map(|(_, names)| names);
    let names: BTreeSet<_> = names.map(String::as_str).collect();
    for name in ["src", "href", "srcset", "action", "style", "onclick"] {
        assert!(!names.contains(name), "{name}");
    }
    for text in ["url(", "@import"] {
        assert!(!STYLE.contains(text), "{text}");
    }
}

#[test]
fn an_open_rotation_says_that_it_is_not_finished() {
    let mut report = sample(3);
    assert!(!seen(&report).text.contains("Not finished"));
    report.is_finished = false;
    assert!(
        seen(&report)
            .text
            .contains("Not finished: this is as of 2026-11-23 21:17:00")
    );
}

#[test]
fn a_report_without_associations_has_neither_table_nor_chart() {
    let text = seen(&sample(0)).text;
    assert!(text.contains("The rotation has none."));
    assert!(text.contains("There is no chart"));
    assert!(text.contains("The rotation has no associations."));
}
