//! An HTTP server on 127.0.0.1, for any client that talks to AWS over HTTP.
//!
//! It never listens on another interface, since requests are not authenticated. A fault that breaks
//! the connection closes the socket.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use http::request::Parts;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::pipeline::Pipeline;
use crate::wire::WireRequest;

/// DynamoDB accepts requests of up to 16 MB.
const BODY_LEN_MAX: usize = 16 * 1024 * 1024;
/// How long a shutdown waits for calls in flight. A frozen call never ends.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// A listener that cannot accept is out of file descriptors. This pause lets other connections
/// close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running server. It also stops when it is dropped.
#[derive(Debug)]
pub struct LoopbackServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl LoopbackServer {
    pub(crate) async fn start(pipeline: Arc<Pipeline>, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let app = Router::new()
            .fallback(handle)
            .layer(DefaultBodyLimit::max(BODY_LEN_MAX))
            .with_state(pipeline);
        let app = app.into_make_service_with_connect_info::<Breaker>();
        let server = axum::serve(BreakableListener(listener), app);
        let server = server.with_graceful_shutdown(async {
            // An error means that the LoopbackServer was dropped, which also stops the server.
            let _ = stopped.await;
        });
        let task = tokio::spawn(async move { server.await });
        Ok(Self {
            address,
            stop,
            task,
        })
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Accepts no more calls, waits up to a second for those in flight, and stops.
    pub async fn shutdown(self) {
        let Self { stop, task, .. } = self;
        let abort = task.abort_handle();
        let _ = stop.send(());
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, task).await.is_err() {
            abort.abort();
        }
    }
}

async fn handle(
    State(pipeline): State<Arc<Pipeline>>,
    ConnectInfo(breaker): ConnectInfo<Breaker>,
    head: Parts,
    body: Bytes,
) -> Response {
    let request = WireRequest::new(&head.method, &head.uri, &head.headers, body.to_vec());
    let Ok(response) = pipeline.handle(request).await else {
        breaker.0.store(true, Ordering::Relaxed);
        // This response never arrives: from now on writes to the socket fail.
        return Response::new(Body::empty());
    };
    response.map(Body::from)
}

/// Breaks one connection.
#[derive(Clone, Debug, Default)]
struct Breaker(Arc<AtomicBool>);

impl Connected<IncomingStream<'_, BreakableListener>> for Breaker {
    fn connect_info(stream: IncomingStream<'_, BreakableListener>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A listener whose connections can be broken. An HTTP server offers its handlers no way to do
/// that, so each connection's `Breaker` reaches the handler as the address of its peer.
struct BreakableListener(TcpListener);

impl Listener for BreakableListener {
    type Io = BreakableStream;
    type Addr = Breaker;

    async fn accept(&mut self) -> (BreakableStream, Breaker) {
        loop {
            match self.0.accept().await {
                Ok((stream, _)) => {
                    let breaker = Breaker::default();
                    return (
                        BreakableStream {
                            stream,
                            breaker: breaker.clone(),
                        },
                        breaker,
                    );
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Breaker> {
        Ok(Breaker::default())
    }
}

struct BreakableStream {
    stream: TcpStream,
    breaker: Breaker,
}

impl BreakableStream {
    fn unbroken(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if self.breaker.0.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(Pin::new(&mut self.stream))
    }
}

impl AsyncRead for BreakableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl AsyncWrite for BreakableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.unbroken()?.poll_write(context, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unbroken()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
