//! The form of IAM's responses: pages, texts of policies, and the error of what does not exist.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::protocol::{ApiError, ApiRequest, Paging};

/// What RFC 3986 leaves as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The default of all lists.
const PAGES: Paging = Paging {
    limit: "MaxItems",
    token: "Marker",
    default: 100,
};

/// A page of these entries, which the response has under this name.
pub(super) fn page(
    request: &ApiRequest,
    name: &str,
    entries: Vec<Value>,
) -> Result<Value, ApiError> {
    let (entries, marker) = PAGES.page(request, entries)?;
    let mut body = json!({ "IsTruncated": !marker.is_null(), "Marker": marker });
    body[name] = Value::Array(entries);
    Ok(body)
}

/// The text of a policy, as IAM returns it.
pub(super) fn encoded(document: &str) -> String {
    utf8_percent_encode(document, UNRESERVED).to_string()
}

pub(super) fn no_such_entity(message: impl Into<String>) -> ApiError {
    ApiError::with_status(404, "NoSuchEntity", message)
}
