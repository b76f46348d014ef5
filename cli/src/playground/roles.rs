//! The two roles of the tour in IAM, and the pods that use them.
//!
//! The new role is what a careful operator makes of the old one: it trusts only the clusters of the
//! account, and it may no longer do two things. The pods use one of them.

use std::collections::BTreeMap;
use std::time::Duration;

use rerole_sim::{LastUse, PodFleet, Policy, Role, ServiceUse, SimulatedAws};
use serde_json::{Value, json};

/// The managed policy of both roles.
const SHARED_POLICY: &str = "platform/app-data";
/// When the pods used what the new role may not do, and when they used the rest.
const RARELY_USED: Duration = Duration::from_hours(11 * 24);
const OFTEN_USED: Duration = Duration::from_hours(5);

/// An account, and the two roles of a rotation in it.
pub struct RolesOfTour<'a> {
    pub account: &'a str,
    pub old_role_arn: &'a str,
    pub new_role_arn: &'a str,
}

impl RolesOfTour<'_> {
    /// Creates both roles with their policies, and starts a pod for each association.
    pub fn create(&self, aws: &SimulatedAws) {
        let shared = format!("arn:aws:iam::{}:policy/{SHARED_POLICY}", self.account);
        aws.put_policy(Policy {
            arn: shared.clone(),
            description: Some("What the apps of the platform read and write".to_owned()),
            document: shared_policy(self.account).to_string(),
        });
        let used = |ago: Duration| {
            let region = aws.options().region.clone();
            let at = aws.now() - ago;
            Some(LastUse { at, region })
        };
        let service = |namespace: &str, name: &str, last_used| ServiceUse {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            last_used,
        };
        aws.put_role(Role {
            attached_policies: vec![shared.clone()],
            inline_policies: BTreeMap::from([("legacy".to_owned(), legacy_policy().to_string())]),
            last_used: used(OFTEN_USED),
            services: vec![
                service("s3", "Amazon S3", used(OFTEN_USED)),
                service("sns", "Amazon SNS", None),
                service("sqs", "Amazon SQS", used(RARELY_USED)),
            ],
            ..Role::new(self.old_role_arn)
        });
        aws.put_role(Role {
            attached_policies: vec![shared],
            trust_policy: trust_policy(self.account).to_string(),
            services: vec![service("s3", "Amazon S3", None)],
            ..Role::new(self.new_role_arn)
        });
        aws.run_pods(PodFleet::default());
    }
}

/// Pods of the account's clusters.
fn trust_policy(account: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "pods.eks.amazonaws.com" },
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {
                "StringEquals": { "aws:SourceAccount": account },
                "ArnLike": { "aws:SourceArn": format!("arn:aws:eks:*:{account}:cluster/*") },
            },
        }],
    })
}

fn shared_policy(account: &str) -> Value {
    let bucket = format!("arn:aws:s3:::app-data-{account}");
    json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket },
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": format!("{bucket}/*"),
            },
        ],
    })
}

/// What the old role may do beside that.
fn legacy_policy() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": ["sqs:SendMessage", "sns:Publish"],
            "Resource": "*",
        }],
    })
}
