//! A call as tests see it: the request, and the record of what became of it.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

/// The simulated services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    Eks,
    DynamoDb,
    StepFunctions,
    EventBridge,
    Sqs,
    Sns,
    Sts,
    Lambda,
    Iam,
    AccessAnalyzer,
    CloudFormation,
    CloudTrail,
    CloudWatch,
}

/// One request that arrived.
#[derive(Clone, Debug)]
pub struct Call {
    /// Position in order of arrival, from 0, since the start or the last `clear_calls`.
    pub index: usize,
    pub service: Service,
    /// The operation's name in the API: `UpdatePodIdentityAssociation`, `TransactWriteItems`.
    pub operation: String,
    pub account: String,
    /// The access key of the signature; `anonymous` without a signature.
    pub access_key: String,
    pub region: String,
    /// The resource that the call is about:
    ///
    /// - EKS: `<cluster>/<associationId>` or `<cluster>`.
    /// - DynamoDB: the table, followed by `/<partition key>/<sort key>` if the call is about one
    ///   item. Several tables are joined with `+`.
    /// - Step Functions: `<state machine>/<execution>`.
    /// - EventBridge: the bus, or `<bus>/<rule>`. Several buses are joined with `+`.
    /// - IAM: the name of the role, or the ARN of the policy.
    /// - CloudTrail: the trail, or the value that events are looked up by.
    /// - All others: the name of the queue, topic, function, stack or alarm.
    pub subject: String,
    /// The idempotency token: `clientRequestToken` of EKS, `ClientRequestToken` of DynamoDB.
    pub token: Option<String>,
    /// The parsed body; null without a body. Of a request that is not in JSON, its members. Tests
    /// copy the log often, so it is shared.
    pub body: Arc<Value>,
}

/// What became of a call.
#[derive(Clone, Debug)]
pub struct CallRecord {
    pub call: Call,
    /// When the request arrived at the transport.
    pub sent_at: SystemTime,
    /// When the call took effect; none if the service responded with an error or never received the
    /// request.
    pub applied_at: Option<SystemTime>,
    /// When the client received the response; none if it never did.
    pub received_at: Option<SystemTime>,
    /// The status with which the service responded, even if the response was lost.
    pub status: Option<u16>,
    pub error_code: Option<String>,
    pub response: Arc<Value>,
    /// EKS repeated the response to an earlier call with the same token, without another effect.
    pub replayed: bool,
}
