//! What the services have in common whose operations are members in and members out: how a request
//! names its operation, and how members, errors and times are written in JSON, XML and CBOR.
//!
//! A service sees an [`ApiRequest`] and returns members or an [`ApiError`], whatever its client
//! speaks. EKS and DynamoDB are older and have protocol code of their own.

mod api;
mod cbor;
mod encoding;
mod error;
mod members;
mod page;
mod query;
mod request;

pub(crate) use api::Api;
pub(crate) use encoding::Encoding;
pub(crate) use error::ApiError;
pub(crate) use page::Paging;
pub(crate) use request::ApiRequest;
