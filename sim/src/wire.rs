//! Requests and answers as the services see them, independent of the door they came through.

use crate::eks::partition;
use http::HeaderMap;
use serde_json::{Map, Value};

/// A request off the wire. `path` is still percent-encoded.
pub(crate) struct WireRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) target: Option<String>,
    pub(crate) caller: Caller,
    pub(crate) user_agent: String,
    pub(crate) body: Vec<u8>,
}

impl WireRequest {
    pub(crate) fn new(method: &http::Method, uri: &http::Uri, headers: &HeaderMap, body: Vec<u8>) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            method: method.as_str().to_owned(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            target: text("x-amz-target").map(str::to_owned),
            caller: Caller::from_authorization(text("authorization").unwrap_or_default()),
            user_agent: text("user-agent").unwrap_or_default().to_owned(),
            body,
        }
    }
}

/// Who calls, as the credential scope of the signature says. The signature itself is not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) access_key: String,
    pub(crate) region: String,
}

impl Caller {
    /// Reads `AWS4-HMAC-SHA256 Credential=AKID/DATE/REGION/SERVICE/aws4_request, …`. A request without it comes from
    /// nobody in particular in us-east-1.
    pub(crate) fn from_authorization(header: &str) -> Self {
        let scope = header.split_once("Credential=").map_or("", |(_, rest)| rest);
        let scope = scope.split([',', ' ']).next().unwrap_or_default();
        let mut parts = scope.split('/');
        let access_key = parts.next().filter(|key| !key.is_empty()).unwrap_or("anonymous").to_owned();
        let region = parts.nth(1).filter(|region| !region.is_empty()).unwrap_or("us-east-1").to_owned();
        Self { access_key, region }
    }

    /// A 12-digit access key is the account, as in other local counterparts of AWS; any other key belongs to `default`.
    pub(crate) fn account<'a>(&'a self, default: &'a str) -> &'a str {
        let is_account = self.access_key.len() == 12 && self.access_key.bytes().all(|byte| byte.is_ascii_digit());
        if is_account { &self.access_key } else { default }
    }

    /// A session of a role that is named like the access key: whose key it is would be for IAM to say, which is not here.
    pub(crate) fn arn(&self, account: &str) -> String {
        format!("arn:{}:sts::{account}:assumed-role/{}/session", partition(&self.region), self.access_key)
    }
}

/// What a service answers. Headers other than these are the door's business.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
    pub(crate) error_code: Option<String>,
    /// The request did not get as far as the service's data: a throttle, an injected error.
    pub(crate) turned_away: bool,
    pub(crate) replayed: bool,
}

impl Answer {
    pub(crate) fn ok(content_type: &'static str, body: Value) -> Self {
        Self {
            status: 200,
            content_type,
            headers: Vec::new(),
            body,
            error_code: None,
            turned_away: false,
            replayed: false,
        }
    }

    pub(crate) fn error(content_type: &'static str, status: u16, code: Option<&str>, body: Map<String, Value>) -> Self {
        Self {
            status,
            content_type,
            headers: Vec::new(),
            body: Value::Object(body),
            error_code: code.map(str::to_owned),
            turned_away: false,
            replayed: false,
        }
    }

    pub(crate) fn turned_away(mut self) -> Self {
        self.turned_away = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("", "1", "us-east-1", "arn:aws:sts::1:assumed-role/anonymous/session"),
        ];
        for (header, account, region, arn) in rows {
            let caller = Caller::from_authorization(header);
            let of_account = caller.account("1");
            assert_eq!((of_account, caller.region.as_str()), (account, region), "{header}");
            assert_eq!(caller.arn(of_account), arn, "{header}");
        }
    }
}
