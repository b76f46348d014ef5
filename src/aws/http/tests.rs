//! The HTTP client against small servers on loopback, which respond as AWS never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use rcgen::{CertificateParams, KeyPair, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const RESPONSE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue";

/// Creates a connector that trusts these certificates.
fn connector(roots: RootCertStore) -> SharedHttpConnector {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let tls = tls.with_safe_default_protocol_versions().unwrap();
    shared_connector(tls.with_root_certificates(roots).with_no_client_auth())
}

async fn get(connector: &SharedHttpConnector, url: &str) -> Result<HttpResponse, ConnectorError> {
    connector.call(HttpRequest::get(url).unwrap()).await
}

/// Sends `response` for each request. Closes the connection after a response without a length.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, response: &str) {
    let mut seen = Vec::new();
    while stream.read_buf(&mut seen).await.is_ok_and(|read| read > 0) {
        if seen.ends_with(b"\r\n\r\n") {
            seen.clear();
            stream.write_all(response.as_bytes()).await.unwrap();
            if !response.contains("content-length") {
                return;
            }
        }
    }
}

/// Starts a server that sends `response`. Returns its URL and its number of connections so far.
async fn server(response: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve(stream, response));
        }
    });
    (url, connections)
}

async fn read(response: HttpResponse) -> String {
    let body = aws_smithy_types::byte_stream::ByteStream::new(response.into_body());
    String::from_utf8(body.collect().await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn successive_calls_reuse_a_connection() {
    let (url, connections) = server(RESPONSE).await;
    let connector = connector(RootCertStore::empty());
    for _ in 0..3 {
        assert_eq!(read(get(&connector, &url).await.unwrap()).await, "true");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

/// The SDK poisons a connection on which an attempt has failed.
#[tokio::test]
async fn a_poisoned_connection_is_not_reused() {
    let (url, connections) = server(RESPONSE).await;
    let connector = connector(RootCertStore::empty());
    let capture = CaptureSmithyConnection::new();
    let mut request = HttpRequest::get(&url).unwrap();
    request.add_extension(capture.clone());
    let response = connector.call(request).await.unwrap();
    capture
        .get()
        .expect("the connection that was used")
        .poison();
    read(response).await;
    read(get(&connector, &url).await.unwrap()).await;
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

/// The SDK may retry I/O errors: no server listens, the connection breaks in the middle of a
/// response, or the response is not HTTP.
#[tokio::test]
async fn a_request_without_a_valid_response_is_an_io_error() {
    let connector = connector(RootCertStore::empty());
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let refused = get(&connector, &format!("http://{closed}/"))
        .await
        .unwrap_err();
    assert!(refused.is_io(), "{refused:?}");
    for response in ["HTTP/1.1 200", "SSH-2.0-OpenSSH\r\n"] {
        let (url, _) = server(response).await;
        let broken = get(&connector, &url).await.unwrap_err();
        assert!(broken.is_io(), "{response}: {broken:?}");
    }
}

/// The server accepts the connection and sends nothing, so the TLS handshake never completes. The
/// clock is virtual.
#[tokio::test(start_paused = true)]
async fn a_connection_that_takes_too_long_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let started_at = tokio::time::Instant::now();
    let error = get(&connector(RootCertStore::empty()), &url)
        .await
        .unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    // Timers have a resolution of a millisecond.
    assert!(
        started_at
            .elapsed()
            .saturating_sub(CONNECT_TIMEOUT)
            .as_millis()
            <= 1
    );
}

/// The server's certificate must chain to a trusted root and be for the server's name. Otherwise no
/// byte of the request is sent.
#[tokio::test]
async fn only_a_trusted_server_gets_requests() {
    let ours = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let another = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let wrong_name = CertificateParams::new(["aws.example".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    for (presented, key, trusted, gets_request) in [
        (
            &ours.cert,
            ours.signing_key.serialize_der(),
            &ours.cert,
            true,
        ),
        (
            &ours.cert,
            ours.signing_key.serialize_der(),
            &another.cert,
            false,
        ),
        (&wrong_name, key.serialize_der(), &wrong_name, false),
    ] {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        let key = PrivateKeyDer::try_from(key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(
            config
                .with_single_cert(vec![presented.der().clone()], key)
                .unwrap(),
        ));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, RESPONSE).await;
            }
        });
        let mut roots = RootCertStore::empty();
        roots.add(trusted.der().clone()).unwrap();
        match get(&connector(roots), &url).await {
            Ok(response) => assert!(gets_request, "{response:?}"),
            Err(error) => assert!(!gets_request && error.is_io(), "{error:?}"),
        }
    }
}
