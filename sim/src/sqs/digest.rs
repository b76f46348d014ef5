//! The MD5 digests by which clients check messages.

use std::fmt::Write;

use md5::{Digest, Md5};
use serde_json::Value;

/// The transport type of a text. Binary values are not simulated.
const STRING: u8 = 1;

/// The digest of a body, in hexadecimal.
pub(crate) fn of_body(body: &str) -> String {
    hex(&Md5::digest(body))
}

/// The digest of message attributes, as the developer guide defines it; none without attributes.
pub(crate) fn of_attributes(attributes: &Value) -> Option<String> {
    let mut attributes: Vec<_> = attributes.as_object()?.iter().collect();
    if attributes.is_empty() {
        return None;
    }
    attributes.sort_by_key(|(name, _)| *name);
    let mut digest = Md5::new();
    for (name, attribute) in attributes {
        let text = |member: &str| attribute[member].as_str().unwrap_or_default();
        add(&mut digest, name);
        add(&mut digest, text("DataType"));
        digest.update([STRING]);
        add(&mut digest, text("StringValue"));
    }
    Some(hex(&digest.finalize()))
}

fn add(digest: &mut Md5, text: &str) {
    let len = u32::try_from(text.len()).expect("a message is smaller than 4 GB");
    digest.update(len.to_be_bytes());
    digest.update(text);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{of_attributes, of_body};

    #[test]
    fn digests_are_those_of_sqs() {
        assert_eq!(of_body("hello"), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(of_attributes(&json!({})), None);
        assert_eq!(of_attributes(&json!(null)), None);
    }
}
