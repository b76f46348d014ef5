//! Requests and responses as the services see them, whatever transport they use.

use http::{HeaderMap, Method, Uri};
use serde_json::{Map, Value};

use crate::arn::partition;
use crate::protocol::Encoding;

/// A request from the wire. `path` is still percent-encoded.
pub(crate) struct WireRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) target: Option<String>,
    pub(crate) caller: Caller,
    pub(crate) user_agent: String,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    headers: HeaderMap,
}

impl WireRequest {
    pub(crate) fn new(method: &Method, uri: &Uri, headers: &HeaderMap, body: Vec<u8>) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            method: method.as_str().to_owned(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            target: text("x-amz-target").map(str::to_owned),
            caller: Caller::from_authorization(text("authorization").unwrap_or_default()),
            user_agent: text("user-agent").unwrap_or_default().to_owned(),
            content_type: text("content-type").unwrap_or_default().to_owned(),
            body,
            headers: headers.clone(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The caller that the credential scope of the signature names. The signature itself is not
/// verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) access_key: String,
    pub(crate) region: String,
    /// The service that the request is signed for.
    pub(crate) service: String,
}

impl Caller {
    /// Parses `AWS4-HMAC-SHA256 Credential=AKID/DATE/REGION/SERVICE/aws4_request, …`. A request
    /// without it is anonymous, in us-east-1.
    pub(crate) fn from_authorization(header: &str) -> Self {
        let scope = header
            .split_once("Credential=")
            .map_or("", |(_, rest)| rest);
        let scope = scope.split([',', ' ']).next().unwrap_or_default();
        let mut parts = scope.split('/');
        let access_key = parts
            .next()
            .filter(|key| !key.is_empty())
            .unwrap_or("anonymous");
        let region = parts
            .nth(1)
            .filter(|region| !region.is_empty())
            .unwrap_or("us-east-1");
        Self {
            access_key: access_key.to_owned(),
            region: region.to_owned(),
            service: parts.next().unwrap_or_default().to_owned(),
        }
    }

    /// A 12-digit access key is the account, as in other local emulators of AWS. Every other key
    /// belongs to `default`.
    pub(crate) fn account<'a>(&'a self, default: &'a str) -> &'a str {
        let key = &self.access_key;
        let is_account = key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit());
        if is_account { key } else { default }
    }

    /// A session of a role that is named like the access key. Only IAM, which is not simulated,
    /// knows the owner of a key.
    pub(crate) fn arn(&self, account: &str) -> String {
        let (partition, key) = (partition(&self.region), &self.access_key);
        format!("arn:{partition}:sts::{account}:assumed-role/{key}/session")
    }
}

/// A request to DynamoDB, whose operation is in the `x-amz-target` header.
pub(crate) struct JsonRequest {
    pub(crate) operation: String,
    pub(crate) body: Value,
}

/// A service's response. The pipeline adds the headers that all responses of a service have.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// How the body is written. Services make it of JSON values in any case.
    pub(crate) encoding: Encoding,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
    pub(crate) error_code: Option<String>,
    /// The request was throttled, or failed with an injected error, before it reached the service's
    /// state.
    pub(crate) rejected: bool,
    pub(crate) replayed: bool,
}

impl Response {
    pub(crate) fn ok(content_type: &'static str, body: Value) -> Self {
        Self {
            status: 200,
            content_type,
            encoding: Encoding::Json,
            headers: Vec::new(),
            body,
            error_code: None,
            rejected: false,
            replayed: false,
        }
    }

    pub(crate) fn error(
        content_type: &'static str,
        status: u16,
        code: Option<&str>,
        body: Map<String, Value>,
    ) -> Self {
        Self {
            status,
            error_code: code.map(str::to_owned),
            ..Self::ok(content_type, Value::Object(body))
        }
    }

    pub(crate) fn rejected(self) -> Self {
        Self {
            rejected: true,
            ..self
        }
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status < 300
    }

    /// The body on the wire. A success without content has none.
    pub(crate) fn bytes(&self, request_id: &str) -> Vec<u8> {
        match &self.error_code {
            Some(code) => self.encoding.encode_error(code, &self.body, request_id),
            None if self.body.is_null() && self.status != 200 => Vec::new(),
            None => self.encoding.encode(&self.body, request_id),
        }
    }
}

/// A throttle without an error code. SDKs do not retry it.
pub(crate) fn bare_throttle() -> Response {
    let mut body = Map::new();
    body.insert("message".to_owned(), Value::from("Too Many Requests"));
    Response::error("application/json", 429, None, body).rejected()
}

#[cfg(test)]
mod tests {
    use super::Caller;

    #[test]
    fn the_credential_scope_names_account_region_and_caller() {
        let rows = [
            (
                "AWS4-HMAC-SHA256 Credential=444455556666/20261123/eu-west-1/eks/aws4_request, SignedHeaders=host",
                "444455556666",
                "eu-west-1",
                "arn:aws:sts::444455556666:assumed-role/444455556666/session",
            ),
            (
                "AWS4-HMAC-SHA256 Credential=AKIA/20261123/cn-north-1/eks/aws4_request,SignedHeaders=host",
                "1",
                "cn-north-1",
                "arn:aws-cn:sts::1:assumed-role/AKIA/session",
            ),
            (
                "AWS4-HMAC-SHA256 Credential=12345678901x/20261123//eks/aws4_request",
                "1",
                "us-east-1",
                "arn:aws:sts::1:assumed-role/12345678901x/session",
            ),
            (
                "",
                "1",
                "us-east-1",
                "arn:aws:sts::1:assumed-role/anonymous/session",
            ),
        ];
        for (header, account, region, arn) in rows {
            let caller = Caller::from_authorization(header);
            let of_account = caller.account("1");
            assert_eq!(
                (of_account, caller.region.as_str()),
                (account, region),
                "{header}"
            );
            assert_eq!(caller.arn(of_account), arn, "{header}");
        }
    }
}
