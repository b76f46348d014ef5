//! The bytes of a response.

use serde_json::Value;

use crate::protocol::{cbor, query};

/// The format of a response's body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    #[default]
    Json,
    /// AWS Query.
    Xml {
        xmlns: &'static str,
        operation: String,
    },
    /// Smithy's RPC protocol.
    Cbor,
}

impl Encoding {
    /// The content type, given that of the service's JSON.
    pub(crate) fn content_type(&self, json: &'static str) -> &'static str {
        match self {
            Self::Json => json,
            Self::Xml { .. } => "text/xml",
            Self::Cbor => "application/cbor",
        }
    }

    /// The headers by which clients recognize the format.
    pub(crate) fn headers(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Cbor => vec![("smithy-protocol", "rpc-v2-cbor".to_owned())],
            Self::Json | Self::Xml { .. } => Vec::new(),
        }
    }

    /// A success with these members.
    pub(crate) fn encode(&self, body: &Value, request_id: &str) -> Vec<u8> {
        match self {
            Self::Json => serde_json::to_vec(body).expect("a JSON value can be serialized"),
            Self::Xml { xmlns, operation } => query::encode(operation, xmlns, body, request_id),
            Self::Cbor => cbor::encode(body),
        }
    }

    /// An error of this code. `body` has its message; in JSON and CBOR it is all of the body.
    pub(crate) fn encode_error(&self, code: &str, body: &Value, request_id: &str) -> Vec<u8> {
        match self {
            Self::Xml { xmlns, .. } => {
                let message = body["message"].as_str().unwrap_or_default();
                query::encode_error(xmlns, code, message, request_id)
            }
            Self::Json | Self::Cbor => self.encode(body, request_id),
        }
    }
}
