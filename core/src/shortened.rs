//! Shortens text that comes from outside before it is recorded or logged: a name can be as long as
//! an event, which has up to 1 MB.

/// Returns the text, or its beginning with `…` if it has more than `len_max` bytes.
#[must_use]
pub fn shortened(mut text: String, len_max: usize) -> String {
    if text.len() > len_max {
        text.truncate(text.floor_char_boundary(len_max));
        text.push('…');
    }
    text
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
        ] {
            assert_eq!(shortened(text.to_owned(), 4), expected);
        }
    }
}
