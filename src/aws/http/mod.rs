//! The HTTP client that ships: HTTP/1.1 over TLS, with one pool of connections for all of the SDK's
//! clients.
//!
//! The SDK's own HTTP client adds HTTP/2 and proxies, an eighth of the binary. Neither is needed:
//! AWS speaks HTTP/1.1, and a function in Lambda needs no proxy. That client also reads the
//! certificates for each client that is made. This one reads them once, during init.

mod tls;

pub use tls::http_client;

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{
    CaptureConnection, HttpConnector as TcpConnector, capture_connection,
};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tower_service::Service;

use crate::aws::client_config::CONNECT_TIMEOUT;

/// How many bytes a connection reads at a time. Only the responses with pages are longer. Without
/// this limit each connection would grow its buffer and keep it, and an association in flight uses
/// up to three connections.
const READ_BUFFER_LEN: usize = 4 * 1024;

/// Creates the client. It also accepts plain `http://` endpoints.
#[must_use]
pub(super) fn client(tls: ClientConfig) -> SharedHttpClient {
    SharedHttpClient::new(Http {
        connector: shared_connector(tls),
    })
}

fn shared_connector(tls: ClientConfig) -> SharedHttpConnector {
    let mut tcp = TcpConnector::new();
    // The HTTPS connector above this one decides by the scheme.
    tcp.enforce_http(false);
    // A request may take several writes. None of them should wait for an acknowledgement.
    tcp.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let mut client = Client::builder(TokioExecutor::new());
    client
        .pool_timer(TokioTimer::new())
        .http1_read_buf_exact_size(READ_BUFFER_LEN);
    let client = client.build(Connect(connector));
    SharedHttpConnector::new(Connector { client })
}

/// Gives all of the SDK's clients the same connector. It ignores their settings: all have the same
/// connect timeout, and none has a read timeout, because the attempt timeout covers reading.
#[derive(Debug)]
struct Http {
    connector: SharedHttpConnector,
}

impl HttpClient for Http {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.connector.clone()
    }
}

#[derive(Debug)]
struct Connector {
    client: Client<Connect, SdkBody>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || metadata(&connection));
        }
        let response = self.client.request(request);
        HttpConnectorFuture::new(async move {
            let response = response
                .await
                .map_err(connector_error)?
                .map(SdkBody::from_body_1_x);
            HttpResponse::try_from(response)
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Returns the means by which the SDK discards a connection on which an attempt failed, so the next
/// attempt opens another.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    connection.connection_metadata().as_ref()?;
    let connection = connection.clone();
    let poison = move || {
        if let Some(connected) = connection.connection_metadata().as_ref() {
            connected.poison();
        }
    };
    Some(
        ConnectionMetadata::builder()
            .proxied(false)
            .poison_fn(poison)
            .build(),
    )
}

/// Classifies an error for the SDK, which may retry timeouts and I/O errors. A response that is not
/// HTTP counts as an I/O error.
fn connector_error(error: ClientError) -> ConnectorError {
    if is_caused_by::<Elapsed>(&error) {
        return ConnectorError::timeout(error.into());
    }
    if error.is_connect()
        || is_caused_by::<std::io::Error>(&error)
        || is_caused_by::<hyper::Error>(&error)
    {
        return ConnectorError::io(error.into());
    }
    ConnectorError::other(error.into(), None)
}

fn is_caused_by<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(<dyn Error>::is::<E>)
}

/// Opens connections. Name resolution, TCP and TLS together may take [`CONNECT_TIMEOUT`].
#[derive(Debug, Clone)]
struct Connect(HttpsConnector<TcpConnector>);

impl Service<Uri> for Connect {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { timeout(CONNECT_TIMEOUT, connecting).await? })
    }
}

#[cfg(test)]
mod tests;
