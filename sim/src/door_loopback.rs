//! Door 2: an HTTP server on 127.0.0.1, for anything that speaks to AWS over HTTP.
//!
//! Never another interface: nothing here checks who calls. A fault that breaks the connection breaks the socket, too.

use crate::SimulatedAws;
use crate::wire::WireRequest;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use http::{HeaderMap, Method, Uri};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// DynamoDB takes requests of up to 16 MB.
const BODY_LEN_MAX: usize = 16 * 1024 * 1024;
/// How long a shutdown waits for calls in flight. A frozen call never ends by itself.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(1);
/// A listener that cannot accept is out of file descriptors; this gives others time to close some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running server. Dropping it stops it, too.
#[derive(Debug)]
pub struct LoopbackServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl LoopbackServer {
    pub(crate) async fn start(aws: SimulatedAws, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let app = Router::new().fallback(answer).layer(DefaultBodyLimit::max(BODY_LEN_MAX)).with_state(aws);
        let server = axum::serve(Cuttable(listener), app.into_make_service_with_connect_info::<Cut>());
        let server = server.with_graceful_shutdown(async {
            // An error means that the LoopbackServer was dropped, which stops it as well.
            let _ = stopped.await;
        });
        Ok(Self { address, stop, task: tokio::spawn(async move { server.await }) })
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes no more calls, waits a little for those in flight, and stops.
    pub async fn shutdown(self) {
        let Self { stop, task, .. } = self;
        let abort = task.abort_handle();
        let _ = stop.send(());
        if tokio::time::timeout(SHUTDOWN_PATIENCE, task).await.is_err() {
            abort.abort();
        }
    }
}

async fn answer(
    State(aws): State<SimulatedAws>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(response) = aws.handle(WireRequest::new(&method, &uri, &headers, body.to_vec())).await else {
        cut.0.store(true, Ordering::Relaxed);
        // Never arrives: the socket refuses to write from now on.
        return Response::new(Body::empty());
    };
    response.map(Body::from)
}

/// Cuts one connection.
#[derive(Clone, Debug, Default)]
struct Cut(Arc<AtomicBool>);

impl Connected<IncomingStream<'_, Cuttable>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Cuttable>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A listener whose connections can be cut: an HTTP server offers its handlers no way to break a connection.
struct Cuttable(TcpListener);

impl Listener for Cuttable {
    type Io = CuttableStream;
    type Addr = Cut;

    async fn accept(&mut self) -> (CuttableStream, Cut) {
        loop {
            match self.0.accept().await {
                Ok((stream, _)) => {
                    let cut = Cut::default();
                    return (CuttableStream { stream, cut: cut.clone() }, cut);
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Cut> {
        Ok(Cut::default())
    }
}

struct CuttableStream {
    stream: TcpStream,
    cut: Cut,
}

impl CuttableStream {
    fn whole(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if self.cut.0.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(Pin::new(&mut self.stream))
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.whole()?.poll_write(context, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
