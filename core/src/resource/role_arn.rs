//! The ARN of an IAM role.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::resource::arn::{InvalidArn, arn_parts, impl_text_form, is_account, is_partition};

/// The form of a role ARN, for error messages.
pub const ROLE_ARN_FORM: &str =
    "an IAM role ARN, arn:<partition>:iam::<12-digit account>:role/<path/><name>";
/// The path of the roles that belong to AWS services. Customers can neither pass nor replace them.
const SERVICE_LINKED_PATH: &str = "/aws-service-role/";
/// The path of the roles that IAM Identity Center manages. Only it may change their trust policy,
/// so no pod can use them.
const RESERVED_PATH: &str = "/aws-reserved/";

/// The ARN of an IAM role, `arn:<partition>:iam::<account>:role<path><name>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleArn {
    text: String,
    partition: String,
    account: String,
    path: String,
}

impl RoleArn {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the partition: `aws`, `aws-cn`, `aws-us-gov`, …
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// Returns the 12-digit account ID.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Returns the IAM path, which starts and ends with a slash. The default path is `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns whether the role is service-linked.
    #[must_use]
    pub fn is_service_linked(&self) -> bool {
        self.path.starts_with(SERVICE_LINKED_PATH)
    }

    /// Returns whether the role is reserved for single sign-on.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.path.starts_with(RESERVED_PATH)
    }

    /// Returns the name without the path. It is unique in an account, whatever the path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }
}

impl FromStr for RoleArn {
    type Err = InvalidArn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidArn {
            value: text.to_owned(),
            allowed: ROLE_ARN_FORM,
        };
        let Some([partition, "iam", "", account, resource]) = arn_parts(text) else {
            return Err(invalid());
        };
        let path_and_name = resource
            .strip_prefix("role")
            .filter(|rest| rest.starts_with('/'))
            .ok_or_else(invalid)?;
        let (path, name) = path_and_name.split_at(path_and_name.rfind('/').map_or(0, |at| at + 1));
        if !(is_partition(partition)
            && is_account(account)
            && is_role_path(path)
            && is_role_name(name))
        {
            return Err(invalid());
        }
        Ok(Self {
            text: text.to_owned(),
            partition: partition.to_owned(),
            account: account.to_owned(),
            path: path.to_owned(),
        })
    }
}

impl_text_form!(RoleArn);

/// The form of an IAM path, for error messages.
pub const ROLE_PATH_FORM: &str = "an IAM path with a slash at both ends, without \"*\", \"?\", \"$\", \
     and without the segments \".\" and \"..\", such as /platform/";

/// Returns whether the text is an IAM path: `/`, or segments of printable ASCII between slashes, at
/// most 512 characters.
///
/// IAM allows more. `*`, `?` and `$` have a meaning in policies, and `.` and `..` have one in
/// paths, so a path with them looks like another one, or covers more than it shows.
#[must_use]
pub fn is_role_path(text: &str) -> bool {
    let Some(segments) = text.strip_prefix('/') else {
        return false;
    };
    let is_segment = |segment: &str| {
        let allowed = |b: u8| b.is_ascii_graphic() && !b"*?$".contains(&b);
        !["", ".", ".."].contains(&segment) && segment.bytes().all(allowed)
    };
    text.len() <= 512
        && (segments.is_empty()
            || segments
                .strip_suffix('/')
                .is_some_and(|segments| segments.split('/').all(is_segment)))
}

fn is_role_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_arn_has_partition_account_and_path() {
        for (text, partition, account, path) in [
            (
                "arn:aws:iam::111122223333:role/app",
                "aws",
                "111122223333",
                "/",
            ),
            (
                "arn:aws:iam::111122223333:role/team/a/app",
                "aws",
                "111122223333",
                "/team/a/",
            ),
            (
                "arn:aws-cn:iam::111122223333:role/x+=,.@-_1",
                "aws-cn",
                "111122223333",
                "/",
            ),
            (
                "arn:aws-us-gov:iam::000000000001:role/p/q",
                "aws-us-gov",
                "000000000001",
                "/p/",
            ),
        ] {
            let role: RoleArn = text.parse().unwrap();
            assert_eq!(
                (role.partition(), role.account(), role.path()),
                (partition, account, path)
            );
            assert_eq!(role.as_str(), text);
            assert!(text.ends_with(&format!("{path}{}", role.name())), "{text}");
        }
    }

    #[test]
    fn an_invalid_role_arn_is_rejected() {
        let overlong = format!("arn:aws:iam::111122223333:role/{}", "n".repeat(65));
        for text in [
            "",
            "app",
            "arn:aws:iam::111122223333:role",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/team/",
            "arn:aws:iam::111122223333:role//app",
            "arn:aws:iam::111122223333:role/platform/../admin/app",
            "arn:aws:iam::111122223333:role/./app",
            "arn:aws:iam::111122223333:role/plat*/app",
            "arn:aws:iam::111122223333:role/platform?/app",
            "arn:aws:iam::111122223333:role/${aws:username}/app",
            "arn:aws:iam::111122223333:role/plаtform/app",
            "arn:aws:iam::111122223333:user/app",
            "arn:aws:iam::111122223333:role/app two",
            "arn:aws:iam::1111:role/app",
            "arn:aws:iam:us-east-1:111122223333:role/app",
            "arn:aws:sts::111122223333:assumed-role/app/session",
            "arn:gcp:iam::111122223333:role/app",
            " arn:aws:iam::111122223333:role/app",
            &overlong,
        ] {
            let error = text.parse::<RoleArn>().unwrap_err();
            assert_eq!(error.value, text);
        }
    }

    #[test]
    fn a_service_linked_role_is_recognized_by_its_path() {
        for (path_and_name, expected) in [
            (
                "aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS",
                true,
            ),
            ("aws-service-roles", false),
        ] {
            let role = format!("arn:aws:iam::111122223333:role/{path_and_name}");
            let role: RoleArn = role.parse().unwrap();
            assert_eq!(role.is_service_linked(), expected, "{role}");
        }
    }
    #[test]
    fn a_path_has_no_wildcard_and_no_segment_that_means_another() {
        let longest = format!("/{}/", "p".repeat(510));
        let overlong = format!("/{}/", "p".repeat(511));
        for (path, expected) in [
            ("/", true),
            ("/platform/", true),
            ("/a.b/..c/.d/%2e/", true),
            (&longest, true),
            (&overlong, false),
            ("", false),
            ("//", false),
            ("/platform", false),
            ("platform/", false),
            ("/a//b/", false),
            ("/./", false),
            ("/a/../b/", false),
            ("/a*/", false),
            ("/a?/", false),
            ("/${a}/", false),
            ("/a b/", false),
            ("/é/", false),
        ] {
            assert_eq!(is_role_path(path), expected, "{path}");
        }
    }
}
