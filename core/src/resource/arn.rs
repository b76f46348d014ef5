//! What all Amazon Resource Names have in common: the error for an invalid ARN, the parts, and
//! their forms. The ARN types themselves are in `role_arn.rs` and `association_arn.rs`.
//!
//! The forms are those of the IAM and EKS service models. No function here calls AWS, so a valid
//! ARN may name a resource that does not exist.

/// The text is not an ARN of the required form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{value}\" is not allowed; allowed: {allowed}")]
pub struct InvalidArn {
    /// The text.
    pub value: String,
    /// The form that is allowed.
    pub allowed: &'static str,
}

/// Returns whether the text has the form of a region's name.
#[must_use]
pub fn is_region(text: &str) -> bool {
    text.contains('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Splits an ARN into partition, service, region, account and resource.
pub(super) fn arn_parts(text: &str) -> Option<[&str; 5]> {
    let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
    Some([
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
    ])
}

pub(super) fn is_partition(text: &str) -> bool {
    text == "aws"
        || text.strip_prefix("aws-").is_some_and(|rest| {
            !rest.is_empty()
                && rest
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Returns whether EKS allows the text as a cluster name or an association ID: letters, digits, `-`
/// and `_`, at most 100 characters.
pub(super) fn is_label(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Implements the conversions between an ARN type and its text, which is in its field `text`.
macro_rules! impl_text_form {
    ($arn:ty) => {
        impl std::fmt::Display for $arn {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.text)
            }
        }
        impl std::fmt::Debug for $arn {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.text)
            }
        }
        impl TryFrom<String> for $arn {
            type Error = $crate::resource::InvalidArn;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
        impl From<$arn> for String {
            fn from(arn: $arn) -> Self {
                arn.text
            }
        }
    };
}
pub(super) use impl_text_form;
