//! The account that the function runs in. Clusters and associations of any other account are out of
//! reach, so a message, a response or an item that names one is wrong.

use crate::resource::arn::{arn_parts, is_account, is_partition};

/// The account that the function runs in, and its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAccount {
    /// The partition: `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: String,
    /// The 12-digit account ID.
    pub account: String,
}

impl OwnAccount {
    /// Reads the account in a Lambda function's ARN,
    /// `arn:<partition>:lambda:<region>:<account>:function:<name>`. Returns `None` for another
    /// text, which a local runtime may send.
    #[must_use]
    pub fn of_function(function_arn: &str) -> Option<Self> {
        match arn_parts(function_arn)? {
            [partition, "lambda", _, account, _]
                if is_partition(partition) && is_account(account) =>
            {
                Some(Self {
                    partition: partition.to_owned(),
                    account: account.to_owned(),
                })
            }
            _ => None,
        }
    }

    /// Returns why an ARN cannot be that of a cluster or an association of this account, or `None`
    /// if it can.
    #[must_use]
    pub fn excludes(&self, arn: &str) -> Option<String> {
        let Self { partition, account } = self;
        let is_own = matches!(
            arn_parts(arn),
            Some([of_partition, _, _, of_account, _])
                if of_partition == partition && of_account == account
        );
        (!is_own).then(|| {
            format!("{arn} is not in the function's account, {account} in partition {partition}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_read_from_a_valid_function_arn_only() {
        for (arn, expected) in [
            (
                "arn:aws:lambda:us-east-1:111122223333:function:rotate",
                Some(("aws", "111122223333")),
            ),
            (
                "arn:aws-cn:lambda:cn-north-1:111122223333:function:rotate:live",
                Some(("aws-cn", "111122223333")),
            ),
            ("arn:aws:lambda:us-east-1:1111:function:rotate", None),
            (
                "arn:aws-:lambda:us-east-1:111122223333:function:rotate",
                None,
            ),
            (
                "arn:aws-CN:lambda:us-east-1:111122223333:function:rotate",
                None,
            ),
            ("arn:aws:eks:us-east-1:111122223333:cluster/prod", None),
            ("function-arn", None),
            ("", None),
        ] {
            let found = OwnAccount::of_function(arn);
            let found = found
                .as_ref()
                .map(|own| (own.partition.as_str(), own.account.as_str()));
            assert_eq!(found, expected, "{arn}");
        }
    }

    #[test]
    fn an_arn_of_another_account_or_partition_is_excluded() {
        let own = OwnAccount::of_function("arn:aws:lambda:us-east-1:111122223333:function:rotate");
        let own = own.unwrap();
        for (arn, is_own) in [
            ("arn:aws:eks:eu-west-1:111122223333:cluster/prod", true),
            ("arn:aws:eks:eu-west-1:999999999999:cluster/prod", false),
            ("arn:aws-cn:eks:cn-north-1:111122223333:cluster/prod", false),
            ("prod", false),
        ] {
            assert_eq!(own.excludes(arn).is_none(), is_own, "{arn}");
        }
    }
}
