//! Amazon Resource Names, parsed once at the edge and trusted after: IAM roles and EKS Pod Identity associations.
//!
//! The patterns are those of the IAM and EKS service models. Nothing here asks AWS whether the thing exists.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The path under which IAM keeps roles that belong to AWS services. Nobody may pass or replace them.
const SERVICE_LINKED_PATH: &str = "/aws-service-role/";

/// What a role ARN looks like, for error messages.
pub const ROLE_ARN_FORM: &str = "an IAM role ARN, arn:<partition>:iam::<12-digit account>:role/<path/><name>";

/// An ARN that is not of the wanted form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{value}\" is not allowed; allowed: {allowed}")]
pub struct InvalidArn {
    /// What was given.
    pub value: String,
    /// What would have been right.
    pub allowed: &'static str,
}

/// `arn:<partition>:iam::<account>:role<path><name>`.
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

    /// `aws`, `aws-cn`, `aws-us-gov`, …
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The 12-digit account id.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The IAM path, with the slash at both ends; `/` for a role that has none.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the role belongs to an AWS service.
    #[must_use]
    pub fn is_service_linked(&self) -> bool {
        self.path.starts_with(SERVICE_LINKED_PATH)
    }
}

impl FromStr for RoleArn {
    type Err = InvalidArn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidArn { value: text.to_owned(), allowed: ROLE_ARN_FORM };
        let Some([partition, "iam", "", account, resource]) = arn_parts(text) else { return Err(invalid()) };
        let path_and_name = resource.strip_prefix("role").filter(|rest| rest.starts_with('/')).ok_or_else(invalid)?;
        let (path, name) = path_and_name.split_at(path_and_name.rfind('/').map_or(0, |at| at + 1));
        if !(is_partition(partition) && is_account(account) && is_role_path(path) && is_role_name(name)) {
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

/// `arn:<partition>:eks:<region>:<account>:podidentityassociation/<cluster>/<associationId>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AssociationArn {
    text: String,
    partition: String,
    region: String,
    account: String,
    cluster_name: String,
    association_id: String,
}

impl AssociationArn {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The 12-digit account id.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    #[must_use]
    pub fn cluster_name(&self) -> &str {
        &self.cluster_name
    }

    /// `a-…`, unique within the cluster and never used again.
    #[must_use]
    pub fn association_id(&self) -> &str {
        &self.association_id
    }

    /// The ARN of the cluster that the association is in: the index's partition key.
    #[must_use]
    pub fn cluster_arn(&self) -> String {
        let Self { partition, region, account, cluster_name, .. } = self;
        format!("arn:{partition}:eks:{region}:{account}:cluster/{cluster_name}")
    }
}

impl FromStr for AssociationArn {
    type Err = InvalidArn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidArn {
            value: text.to_owned(),
            allowed: "arn:<partition>:eks:<region>:<12-digit account>:podidentityassociation/<cluster>/<associationId>",
        };
        let Some([partition, "eks", region, account, resource]) = arn_parts(text) else { return Err(invalid()) };
        let mut names = resource.split('/');
        let (Some("podidentityassociation"), Some(cluster), Some(id), None) =
            (names.next(), names.next(), names.next(), names.next())
        else {
            return Err(invalid());
        };
        if !(is_partition(partition) && is_region(region) && is_account(account) && is_label(cluster) && is_label(id)) {
            return Err(invalid());
        }
        Ok(Self {
            text: text.to_owned(),
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            cluster_name: cluster.to_owned(),
            association_id: id.to_owned(),
        })
    }
}

/// The account id in a Lambda function's ARN, `arn:<partition>:lambda:<region>:<account>:function:<name>`; `None` where
/// a local runtime sends something else.
#[must_use]
pub fn function_account(function_arn: &str) -> Option<&str> {
    match arn_parts(function_arn)? {
        [_, "lambda", _, account, _] if is_account(account) => Some(account),
        _ => None,
    }
}

/// Partition, service, region, account and resource.
fn arn_parts(text: &str) -> Option<[&str; 5]> {
    let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
    Some([parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?])
}

fn is_partition(text: &str) -> bool {
    text == "aws"
        || text.strip_prefix("aws-").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether the text has the form of a region's name.
#[must_use]
pub fn is_region(text: &str) -> bool {
    text.contains('-') && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Cluster names and association ids: EKS allows letters, digits, `-` and `_`, 100 characters at most.
fn is_label(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether this is an IAM path: `/`, or printable ASCII between two slashes, 512 characters at most.
#[must_use]
pub fn is_role_path(text: &str) -> bool {
    text.len() <= 512
        && text.starts_with('/')
        && text.ends_with('/')
        && text.bytes().all(|b| b.is_ascii_graphic())
        && !text.contains("//")
}

fn is_role_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

macro_rules! text_form {
    ($arn:ty) => {
        impl fmt::Display for $arn {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }
        impl fmt::Debug for $arn {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }
        impl TryFrom<String> for $arn {
            type Error = InvalidArn;
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
text_form!(RoleArn);
text_form!(AssociationArn);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_arns_fall_into_their_parts() {
        for (text, partition, account, path) in [
            ("arn:aws:iam::111122223333:role/app", "aws", "111122223333", "/"),
            ("arn:aws:iam::111122223333:role/team/a/app", "aws", "111122223333", "/team/a/"),
            ("arn:aws-cn:iam::111122223333:role/x+=,.@-_1", "aws-cn", "111122223333", "/"),
            ("arn:aws-us-gov:iam::000000000001:role/p/q", "aws-us-gov", "000000000001", "/p/"),
        ] {
            let role: RoleArn = text.parse().unwrap();
            assert_eq!((role.partition(), role.account(), role.path()), (partition, account, path));
            assert_eq!(role.as_str(), text);
        }
    }

    #[test]
    fn what_is_no_role_arn_is_refused() {
        let overlong = format!("arn:aws:iam::111122223333:role/{}", "n".repeat(65));
        for text in [
            "",
            "app",
            "arn:aws:iam::111122223333:role",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/team/",
            "arn:aws:iam::111122223333:role//app",
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
    fn service_linked_roles_are_known_by_their_path() {
        let linked = "arn:aws:iam::111122223333:role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS";
        assert!(linked.parse::<RoleArn>().unwrap().is_service_linked());
        assert!(!"arn:aws:iam::111122223333:role/aws-service-roles".parse::<RoleArn>().unwrap().is_service_linked());
    }

    #[test]
    fn association_arns_name_cluster_and_region() {
        let text = "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod-1/a-0123456789abcdefg";
        let arn: AssociationArn = text.parse().unwrap();
        assert_eq!(arn.region(), "eu-west-1");
        assert_eq!(arn.account(), "111122223333");
        assert_eq!(arn.cluster_name(), "prod-1");
        assert_eq!(arn.association_id(), "a-0123456789abcdefg");
        assert_eq!(arn.cluster_arn(), "arn:aws:eks:eu-west-1:111122223333:cluster/prod-1");
    }

    #[test]
    fn what_is_no_association_arn_is_refused() {
        for text in [
            "",
            "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod-1",
            "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod-1/a-1/b",
            "arn:aws:eks:eu-west-1:111122223333:podidentityassociation//a-1",
            "arn:aws:eks:eu-west-1:111122223333:cluster/prod-1",
            "arn:aws:eks::111122223333:podidentityassociation/prod-1/a-1",
            "arn:aws:iam::111122223333:role/app",
        ] {
            assert!(text.parse::<AssociationArn>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_functions_own_account_comes_from_its_arn_where_that_is_one() {
        for (arn, account) in [
            ("arn:aws:lambda:us-east-1:111122223333:function:rotate", Some("111122223333")),
            ("arn:aws:lambda:us-east-1:111122223333:function:rotate:live", Some("111122223333")),
            ("function-arn", None),
            ("", None),
        ] {
            assert_eq!(function_account(arn), account, "{arn}");
        }
    }
}
