//! Door 1: an HTTP client that an SDK config takes, answering in process and in tokio's time.
//!
//! The connector's own timeouts (connect, read) do not exist here: nothing connects. The SDK's attempt and operation
//! timeouts work as always, by dropping the future.

use crate::SimulatedAws;
use crate::wire::WireRequest;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use std::io;

/// The HTTP client and its only connector.
#[derive(Clone, Debug)]
pub(crate) struct InProcessDoor(SimulatedAws);

impl InProcessDoor {
    pub(crate) fn to(aws: SimulatedAws) -> Self {
        Self(aws)
    }
}

impl HttpClient for InProcessDoor {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcessDoor {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let aws = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = read(request)?;
            let Ok(response) = aws.handle(request).await else {
                let reset = io::Error::new(io::ErrorKind::ConnectionReset, "the simulated connection broke");
                return Err(ConnectorError::io(reset.into()));
            };
            let response = response.map(SdkBody::from);
            Ok(HttpResponse::try_from(response).expect("headers that are text are valid for the SDK, too"))
        })
    }
}

fn read(request: HttpRequest) -> Result<WireRequest, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (head, body) = request.into_parts();
    let Some(body) = body.bytes() else {
        return Err(ConnectorError::user("this door takes bodies that are in memory, not streams".into()));
    };
    Ok(WireRequest::new(&head.method, &head.uri, &head.headers, body.to_vec()))
}
