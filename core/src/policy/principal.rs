//! Who a statement is about: the entries of `Principal` and `NotPrincipal`. Which of them a request
//! comes from is decided in `caller.rs`.

use std::fmt;

/// An entry of a statement's `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// `"Principal": "*"`: all principals.
    Everyone,
    /// `{"AWS": "*"}`. The documentation calls it equivalent to `"*"` for anonymous callers.
    AnyAws,
    /// An account: `{"AWS": "111122223333"}` or the ARN of its root.
    Account(String),
    /// The ARN of a role, a session, a user or a federated user.
    Arn(String),
    /// The unique ID of a role or user, as IAM shows one that has been deleted: `AROA…`.
    UniqueId(String),
    /// An entry of `AWS` in no documented form, such as an ARN with a wildcard.
    Unclear(String),
    Service(String),
    Federated(String),
    CanonicalUser(String),
}

impl Principal {
    /// Reads an entry of the member `AWS`.
    pub(super) fn from_aws(text: &str) -> Self {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        match parts[..] {
            ["*"] => Self::AnyAws,
            [account] if is_account(account) => Self::Account(account.to_owned()),
            [id] if is_unique_id(id) => Self::UniqueId(id.to_owned()),
            ["arn", _, "iam", "", account, "root"] if is_account(account) => {
                Self::Account(account.to_owned())
            }
            ["arn", partition, "iam" | "sts", "", account, resource]
                if partition.starts_with("aws")
                    && is_account(account)
                    && resource.contains('/')
                    && !text.contains(['*', '?', '$']) =>
            {
                Self::Arn(text.to_owned())
            }
            _ => Self::Unclear(text.to_owned()),
        }
    }
}

/// Returns whether the text has the form of a unique ID: a prefix of four letters that says what
/// it identifies, and letters and digits.
fn is_unique_id(text: &str) -> bool {
    ["AROA", "AIDA", "ASIA", "AGPA"]
        .iter()
        .any(|prefix| text.starts_with(prefix))
        && (16..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone | Self::AnyAws => f.write_str("*"),
            Self::Account(text)
            | Self::Arn(text)
            | Self::UniqueId(text)
            | Self::Unclear(text)
            | Self::Service(text)
            | Self::Federated(text)
            | Self::CanonicalUser(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_aws_is_read_by_its_form() {
        let account = |text: &str| Principal::Account(text.to_owned());
        let arn = |text: &str| Principal::Arn(text.to_owned());
        let unclear = |text: &str| Principal::Unclear(text.to_owned());
        for (text, expected) in [
            ("*", Principal::AnyAws),
            ("111122223333", account("111122223333")),
            ("arn:aws-cn:iam::111122223333:root", account("111122223333")),
            (
                "arn:aws:iam::111122223333:role/a/b",
                arn("arn:aws:iam::111122223333:role/a/b"),
            ),
            (
                "arn:aws:sts::111122223333:assumed-role/b/session",
                arn("arn:aws:sts::111122223333:assumed-role/b/session"),
            ),
            (
                "AROAEXAMPLE123456789",
                Principal::UniqueId("AROAEXAMPLE123456789".to_owned()),
            ),
            (
                "arn:aws:iam::111122223333:role/*",
                unclear("arn:aws:iam::111122223333:role/*"),
            ),
            ("arn:aws:iam::*:root", unclear("arn:aws:iam::*:root")),
            ("1111", unclear("1111")),
            (
                "１１１１２２２２３３３３",
                unclear("１１１１２２２２３３３３"),
            ),
            ("", unclear("")),
        ] {
            assert_eq!(Principal::from_aws(text), expected);
        }
    }
}
