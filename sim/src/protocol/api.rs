//! The services as their clients address them: a row for each.

use crate::call::Service;

const JSON_1_0: &str = "application/x-amz-json-1.0";
const JSON_1_1: &str = "application/x-amz-json-1.1";

/// How clients address a service, and the codes that it uses for errors that every service has.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) service: Service,
    /// What the `x-amz-target` header starts with. SDKs disagree on CloudTrail's.
    targets: &'static [&'static str],
    /// The service's name in the credential scope of a signature, which tells apart the services
    /// whose requests are forms.
    scope: &'static str,
    pub(crate) content_type: &'static str,
    /// What precedes the code in the `__type` of an error.
    pub(crate) error_prefix: &'static str,
    /// The namespace of XML.
    pub(crate) xmlns: &'static str,
    /// Status and code of a throttle.
    pub(crate) throttle: (u16, &'static str),
    /// The code of a 5xx status.
    pub(crate) failure: &'static str,
    /// The code of a request that lacks a member or has an invalid one.
    pub(crate) invalid: &'static str,
    /// The members, one of which names what a request is about.
    pub(crate) subjects: &'static [&'static str],
}

/// A service with JSON 1.1 and the codes of most services; each row changes what differs.
const BASE: Api = Api {
    service: Service::EventBridge,
    targets: &[],
    scope: "",
    content_type: JSON_1_1,
    error_prefix: "",
    xmlns: "",
    throttle: (400, "ThrottlingException"),
    failure: "InternalFailure",
    invalid: "ValidationException",
    subjects: &[],
};

static APIS: [Api; 11] = [
    Api {
        targets: &["AWSEvents."],
        ..BASE
    },
    Api {
        service: Service::StepFunctions,
        targets: &["AWSStepFunctions."],
        content_type: JSON_1_0,
        error_prefix: "com.amazonaws.swf.service.v2.model#",
        ..BASE
    },
    Api {
        service: Service::Sqs,
        targets: &["AmazonSQS."],
        content_type: JSON_1_0,
        error_prefix: "com.amazonaws.sqs#",
        throttle: (403, "RequestThrottled"),
        invalid: "MissingParameter",
        subjects: &["QueueUrl", "QueueName", "SourceArn"],
        ..BASE
    },
    Api {
        service: Service::CloudTrail,
        targets: &[
            "CloudTrail_20131101.",
            "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.",
        ],
        invalid: "InvalidTrailNameException",
        subjects: &["Name", "TrailName"],
        ..BASE
    },
    Api {
        service: Service::CloudWatch,
        targets: &["GraniteServiceVersion20100801."],
        scope: "monitoring",
        content_type: JSON_1_0,
        error_prefix: "com.amazonaws.cloudwatch#",
        xmlns: "http://monitoring.amazonaws.com/doc/2010-08-01/",
        throttle: (400, "Throttling"),
        failure: "InternalServiceError",
        invalid: "MissingParameter",
        subjects: &["AlarmName", "AlarmNamePrefix"],
    },
    Api {
        service: Service::Sts,
        scope: "sts",
        xmlns: "https://sts.amazonaws.com/doc/2011-06-15/",
        throttle: (400, "Throttling"),
        invalid: "ValidationError",
        ..BASE
    },
    Api {
        service: Service::CloudFormation,
        scope: "cloudformation",
        xmlns: "http://cloudformation.amazonaws.com/doc/2010-05-15/",
        throttle: (400, "Throttling"),
        invalid: "ValidationError",
        subjects: &["StackName"],
        ..BASE
    },
    Api {
        service: Service::Sns,
        scope: "sns",
        xmlns: "http://sns.amazonaws.com/doc/2010-03-31/",
        throttle: (400, "Throttling"),
        invalid: "InvalidParameter",
        subjects: &["TopicArn"],
        ..BASE
    },
    Api {
        service: Service::Lambda,
        content_type: "application/json",
        throttle: (429, "TooManyRequestsException"),
        failure: "ServiceException",
        invalid: "InvalidParameterValueException",
        subjects: &["FunctionName"],
        ..BASE
    },
    Api {
        service: Service::Iam,
        scope: "iam",
        xmlns: "https://iam.amazonaws.com/doc/2010-05-08/",
        throttle: (400, "Throttling"),
        failure: "ServiceFailure",
        invalid: "ValidationError",
        subjects: &["RoleName", "PolicyArn", "Arn"],
        ..BASE
    },
    Api {
        service: Service::AccessAnalyzer,
        content_type: "application/json",
        throttle: (429, "ThrottlingException"),
        failure: "InternalServerException",
        ..BASE
    },
];

impl Api {
    /// The API and the operation that an `x-amz-target` header names.
    pub(crate) fn of_target(target: &str) -> Option<(&'static Self, &str)> {
        APIS.iter().find_map(|api| {
            let mut prefixes = api.targets.iter();
            let operation = prefixes.find_map(|prefix| target.strip_prefix(prefix))?;
            Some((api, operation))
        })
    }

    /// The API and the operation of `/service/GraniteServiceVersion20100801/operation/NAME`, the
    /// paths of Smithy's RPC protocol. The service is named there as in targets.
    pub(crate) fn of_rpc_path(path: &str) -> Option<(&'static Self, &str)> {
        let (service, operation) = path.strip_prefix("/service/")?.split_once("/operation/")?;
        let is_named = |target: &&'static str| target.strip_suffix('.') == Some(service);
        let api = APIS.iter().find(|api| api.targets.iter().any(is_named))?;
        Some((api, operation))
    }

    /// The API that a credential scope names.
    pub(crate) fn of_scope(scope: &str) -> Option<&'static Self> {
        let mut apis = APIS.iter();
        apis.find(|api| !api.scope.is_empty() && api.scope == scope)
    }

    pub(crate) fn of(service: Service) -> Option<&'static Self> {
        APIS.iter().find(|api| api.service == service)
    }
}
