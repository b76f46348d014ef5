//! Text that comes from outside, as it is recorded, logged and shown. A name can be as long as an
//! event, which has up to 1 MB, and a terminal executes control characters.

use std::fmt::Write;

/// Returns the text with its control characters escaped, and only its beginning with `…` if it has
/// more than `len_max` bytes.
#[must_use]
pub fn printable(mut text: String, len_max: usize) -> String {
    let is_long = text.len() > len_max;
    text.truncate(text.floor_char_boundary(len_max));
    let mut text = escape_controls(&text);
    if is_long || text.len() > len_max {
        text.truncate(text.floor_char_boundary(len_max));
        text.push('…');
    }
    text
}

/// Returns the text with its control characters escaped as in JSON: those of ASCII, those of
/// Unicode that some terminals also execute, and those that change the direction of text.
#[must_use]
pub fn escape_controls(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        let turns_text = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns_text {
            // Writing to a string does not fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character_boundary() {
        for (text, expected) in [
            ("", ""),
            ("abcd", "abcd"),
            ("abcde", "abcd…"),
            ("abcé", "abc…"),
            ("abc\n", "abc\\…"),
        ] {
            assert_eq!(printable(text.to_owned(), 4), expected);
        }
    }

    #[test]
    fn control_characters_are_escaped_and_others_are_not() {
        let text = "name\u{1b}[2J\r\n\u{9b}31m \u{202e}é \"";
        let expected = "name\\u001b[2J\\u000d\\u000a\\u009b31m \\u202eé \"";
        assert_eq!(escape_controls(text), expected);
        let json = format!("\"{}\"", escape_controls("a\u{1b}\u{9b}"));
        assert_eq!(
            serde_json::from_str::<String>(&json).unwrap(),
            "a\u{1b}\u{9b}"
        );
    }
}
