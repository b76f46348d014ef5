//! An HTTP client for SDK configs that passes requests to the pipeline in process, in tokio's time.
//!
//! There is no connection, so connect and read timeouts never fire. The SDK's attempt and operation
//! timeouts work as always: they drop the future.

use std::io;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use crate::pipeline::Pipeline;
use crate::wire::WireRequest;

/// The HTTP client and its only connector.
#[derive(Clone, Debug)]
pub(crate) struct InProcessTransport(Arc<Pipeline>);

impl InProcessTransport {
    pub(crate) fn new(pipeline: Arc<Pipeline>) -> Self {
        Self(pipeline)
    }
}

impl HttpClient for InProcessTransport {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcessTransport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let pipeline = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let request = to_wire(request)?;
            let Ok(response) = pipeline.handle(request).await else {
                let message = "the simulated connection broke";
                let reset = io::Error::new(io::ErrorKind::ConnectionReset, message);
                return Err(ConnectorError::io(reset.into()));
            };
            let response = response.map(SdkBody::from);
            Ok(HttpResponse::try_from(response).expect("headers in text are valid for the SDK"))
        })
    }
}

fn to_wire(request: HttpRequest) -> Result<WireRequest, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    let (head, body) = request.into_parts();
    let Some(body) = body.bytes() else {
        let message = "this transport supports bodies in memory, not streams";
        return Err(ConnectorError::user(message.into()));
    };
    Ok(WireRequest::new(
        &head.method,
        &head.uri,
        &head.headers,
        body.to_vec(),
    ))
}
