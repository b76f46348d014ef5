//! Hexadecimal text, for hashes.

/// Encodes bytes as lowercase hex, two digits for each byte.
#[must_use]
pub fn lowercase(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_lowercase_hex() {
        assert_eq!(lowercase(&[0x00, 0x0f, 0xa0, 0xff]), "000fa0ff");
    }
}
