//! The records of `AssumeRole` and `AssumeRoleWithWebIdentity`.
//!
//! A record of pods has the members of AWS's own one in
//! aws-samples/amazon-eks-security-immersion-day (content/2-identity-and-access-management, deep
//! dive into EKS Pod Identity). The others have those of
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html>.

use std::time::{Duration, SystemTime};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::arn::Scope;
use crate::clock::{english, rfc3339_secs};
use crate::eks::account_of_role;
use crate::iam::role_id;
use crate::rng::{lowercase_alphanumerics, uppercase_alphanumerics, uuid};

/// Somebody receives credentials of a role, or is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialEvent {
    pub at: SystemTime,
    pub role_arn: String,
    pub session_name: String,
    pub caller: CredentialCaller,
    /// How long the credentials are valid.
    pub duration: Duration,
    /// The session's tags, all of which are transitive.
    pub tags: Vec<(String, String)>,
    /// The error's code, if the call failed: `AccessDenied`. Whether AWS records the parameters of
    /// a denied call is not documented; here it does.
    pub error_code: Option<String>,
}

/// Who assumes a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialCaller {
    /// An AWS service, by its principal: `ec2.amazonaws.com`.
    Service(String),
    /// A user, by its ARN.
    User(String),
    /// A session of another role, as in role chaining.
    Session {
        role_arn: String,
        session_name: String,
    },
    /// A token of an OIDC provider, as with IAM roles for service accounts: the provider's ARN, and
    /// `system:serviceaccount:<namespace>:<service account>`.
    WebIdentity {
        provider_arn: String,
        subject: String,
    },
    /// A principal of another account, of which CloudTrail shows no more than the account.
    Account(String),
}

impl CredentialEvent {
    /// A success of this caller. It still needs a time and a role.
    pub fn by(caller: CredentialCaller) -> Self {
        Self {
            at: SystemTime::UNIX_EPOCH,
            role_arn: String::new(),
            session_name: "session".to_owned(),
            caller,
            duration: Duration::from_hours(1),
            tags: Vec::new(),
            error_code: None,
        }
    }

    /// The event's ID, which its stream gives first.
    pub(super) fn id(stream: &mut Rng) -> String {
        uuid(stream)
    }

    /// The record in an account and region. All random values are drawn from `stream`.
    pub(super) fn record(&self, scope: Scope<'_>, stream: &mut Rng) -> Value {
        let Scope { account, region } = scope;
        let id = Self::id(stream);
        let service = match &self.caller {
            CredentialCaller::Service(service) => Some(service.as_str()),
            _ => None,
        };
        let mut record = json!({
            "eventVersion": "1.08",
            "userIdentity": self.identity(stream),
            "eventTime": rfc3339_secs(self.at),
            "eventSource": "sts.amazonaws.com",
            "eventName": self.event_name(),
            "awsRegion": region,
            "sourceIPAddress": service.unwrap_or("192.0.2.101"),
            "userAgent": service.unwrap_or("aws-sdk"),
            "requestParameters": self.parameters(),
            "responseElements": self.response_elements(stream),
            "requestID": uuid(stream),
            "eventID": id,
            "readOnly": true,
            "resources": [{
                "accountId": account_of_role(&self.role_arn),
                "type": "AWS::IAM::Role",
                "ARN": self.role_arn,
            }],
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": account,
            "eventCategory": "Management",
        });
        if let Some(code) = &self.error_code {
            record["errorCode"] = json!(code);
            record["errorMessage"] = json!("Not authorized to assume the role");
        }
        if service.is_some() || matches!(self.caller, CredentialCaller::Account(_)) {
            record["sharedEventID"] = json!(uuid(stream));
        }
        record
    }

    fn event_name(&self) -> &'static str {
        match self.caller {
            CredentialCaller::WebIdentity { .. } => "AssumeRoleWithWebIdentity",
            _ => "AssumeRole",
        }
    }

    fn identity(&self, stream: &mut Rng) -> Value {
        match &self.caller {
            CredentialCaller::Service(service) => {
                json!({ "type": "AWSService", "invokedBy": service })
            }
            CredentialCaller::User(arn) => json!({
                "type": "IAMUser",
                "principalId": format!("AIDA{}", uppercase_alphanumerics(stream, 17)),
                "arn": arn,
                "accountId": arn.split(':').nth(4),
                "accessKeyId": access_key(stream),
                "userName": arn.rsplit('/').next(),
            }),
            CredentialCaller::Session {
                role_arn,
                session_name,
            } => {
                let id = role_id(role_arn);
                let account = account_of_role(role_arn);
                json!({
                    "type": "AssumedRole",
                    "principalId": format!("{id}:{session_name}"),
                    "arn": session_arn(role_arn, session_name),
                    "accountId": account,
                    "accessKeyId": access_key(stream),
                    "sessionContext": { "sessionIssuer": {
                        "type": "Role",
                        "principalId": id,
                        "arn": role_arn,
                        "accountId": account,
                        "userName": role_arn.rsplit('/').next(),
                    }},
                })
            }
            CredentialCaller::WebIdentity {
                provider_arn,
                subject,
            } => json!({
                "type": "WebIdentityUser",
                "principalId": format!("{provider_arn}:sts.amazonaws.com:{subject}"),
                "userName": subject,
                "identityProvider": provider_arn,
            }),
            CredentialCaller::Account(account) => json!({
                "type": "AWSAccount",
                "principalId": format!("AROA{}:session", uppercase_alphanumerics(stream, 17)),
                "accountId": account,
            }),
        }
    }

    fn parameters(&self) -> Value {
        let mut parameters = json!({
            "roleArn": self.role_arn,
            "roleSessionName": self.session_name,
            "durationSeconds": self.duration.as_secs(),
        });
        if !self.tags.is_empty() {
            let tags = self.tags.iter();
            let tags = tags.map(|(key, value)| json!({ "key": key, "value": value }));
            parameters["tags"] = tags.collect();
            let keys = self.tags.iter().map(|(key, _)| json!(key));
            parameters["transitiveTagKeys"] = keys.collect();
        }
        parameters
    }

    /// None of a failure.
    fn response_elements(&self, stream: &mut Rng) -> Value {
        if self.error_code.is_some() {
            return Value::Null;
        }
        let Self {
            role_arn,
            session_name,
            ..
        } = self;
        let mut elements = json!({
            "credentials": {
                "accessKeyId": access_key(stream),
                "sessionToken": lowercase_alphanumerics(stream, 80),
                "expiration": english(self.at + self.duration),
            },
            "assumedRoleUser": {
                "assumedRoleId": format!("{}:{session_name}", role_id(role_arn)),
                "arn": session_arn(role_arn, session_name),
            },
        });
        if !self.tags.is_empty() {
            elements["packedPolicySize"] = json!(56);
        }
        if let CredentialCaller::WebIdentity {
            provider_arn,
            subject,
        } = &self.caller
        {
            elements["subjectFromWebIdentityToken"] = json!(subject);
            elements["provider"] = json!(provider_arn);
            elements["audience"] = json!("sts.amazonaws.com");
        }
        elements
    }
}

fn access_key(stream: &mut Rng) -> String {
    format!("ASIA{}", uppercase_alphanumerics(stream, 16))
}

/// `arn:aws:sts::<account>:assumed-role/<name>/<session>`, without the role's path.
fn session_arn(role_arn: &str, session_name: &str) -> String {
    let partition = role_arn.split(':').nth(1).unwrap_or("aws");
    let account = account_of_role(role_arn).unwrap_or_default();
    let name = role_arn.rsplit('/').next().unwrap_or_default();
    format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session_name}")
}
