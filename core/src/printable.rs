//! Text that comes from outside, as it is recorded, logged and shown. A name can be as long as an
//! event, which has up to 1 MB, and a terminal executes control characters.

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

/// Returns the text with its control characters escaped: those of ASCII, and those of Unicode that
/// some terminals also execute.
#[must_use]
pub fn escape_controls(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            escaped.extend(c.escape_default());
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
            ("a\n", "a\\n"),
            ("abc\n", "abc\\…"),
        ] {
            assert_eq!(printable(text.to_owned(), 4), expected);
        }
    }

    #[test]
    fn control_characters_are_escaped_and_others_are_not() {
        let text = "name\u{1b}[2J\r\n\u{9b}31m é \"\\";
        let expected = "name\\u{1b}[2J\\r\\n\\u{9b}31m é \"\\";
        assert_eq!(escape_controls(text), expected);
    }
}
