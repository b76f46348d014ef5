//! The HTTP client that ships: HTTP/1.1 over TLS, one pool of connections for all of the SDK's clients.
//!
//! The SDK's own would bring HTTP/2 and proxies along, an eighth of the binary: DynamoDB and EKS speak HTTP/1.1, and a
//! function in Lambda reaches them without a proxy. It would also read the certificates anew for each client that is made;
//! here they are read once, during init.

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
use hyper_util::client::legacy::connect::{CaptureConnection, HttpConnector as TcpConnector, capture_connection};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tower_service::Service;

use super::CONNECT_TIMEOUT;

/// What a connection reads at a time. Answers are shorter, but for pages; left to itself, each connection would grow its buffer
/// and keep it, and there are up to three of them for an association in work.
const READ_LEN: usize = 4 * 1024;

/// Makes the client. Plain `http://` endpoints work with it, too.
#[must_use]
pub(super) fn client(tls: ClientConfig) -> SharedHttpClient {
    SharedHttpClient::new(Http { connector: shared_connector(tls) })
}

fn shared_connector(tls: ClientConfig) -> SharedHttpConnector {
    let mut tcp = TcpConnector::new();
    // Schemes are told apart above TCP.
    tcp.enforce_http(false);
    // A request may take several writes, none of which waits for an acknowledgement.
    tcp.set_nodelay(true);
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    let mut client = Client::builder(TokioExecutor::new());
    client.pool_timer(TokioTimer::new()).http1_read_buf_exact_size(READ_LEN);
    let client = client.build(Connect(connector));
    SharedHttpConnector::new(Connector { client })
}

/// The same connector for whoever asks: all clients have the same timeouts for connecting, and none for reading, which their
/// timeouts for attempts include.
#[derive(Debug)]
struct Http {
    connector: SharedHttpConnector,
}

impl HttpClient for Http {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
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
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || metadata(&connection));
        }
        let answer = self.client.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(connector_error)?.map(SdkBody::from_body_1_x);
            HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// By this the SDK gives up a connection on which an attempt has failed, so that the next one gets another.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    connection.connection_metadata().as_ref()?;
    let connection = connection.clone();
    let poison = move || {
        if let Some(connected) = connection.connection_metadata().as_ref() {
            connected.poison();
        }
    };
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
}

/// What the SDK may repeat: whatever went wrong on the way, an answer that is not HTTP included.
fn connector_error(error: ClientError) -> ConnectorError {
    if is_caused_by::<Elapsed>(&error) {
        return ConnectorError::timeout(error.into());
    }
    if error.is_connect() || is_caused_by::<std::io::Error>(&error) || is_caused_by::<hyper::Error>(&error) {
        return ConnectorError::io(error.into());
    }
    ConnectorError::other(error.into(), None)
}

fn is_caused_by<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(<dyn Error>::is::<E>)
}

/// Opens connections, in [`CONNECT_TIMEOUT`] or not at all: name, TCP and TLS together.
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
#[path = "http_tests.rs"]
mod tests;
