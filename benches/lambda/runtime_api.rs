//! The Lambda Runtime API on loopback: hands events over one by one, and tells when the function asks and what it answers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// What the function did.
#[derive(Debug)]
pub enum Seen {
    /// It asked for an event.
    Poll(Instant),
    /// It answered, or failed.
    Answer(Instant, Value),
}

/// A Runtime API for one function.
pub struct RuntimeApi {
    pub address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Seen>,
    events: mpsc::UnboundedSender<Value>,
    server: JoinHandle<io::Result<()>>,
}

#[derive(Clone)]
struct Shared {
    seen: mpsc::UnboundedSender<Seen>,
    events: Arc<Mutex<mpsc::UnboundedReceiver<Value>>>,
}

impl RuntimeApi {
    pub async fn start() -> io::Result<Self> {
        let (seen_in, seen) = mpsc::unbounded_channel();
        let (events, events_out) = mpsc::unbounded_channel();
        let shared = Shared { seen: seen_in, events: Arc::new(Mutex::new(events_out)) };
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(answered))
            .with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(axum::serve(listener, routes).into_future());
        Ok(Self { address, seen, events, server })
    }

    /// What the function did next.
    pub async fn seen(&mut self, patience: Duration) -> io::Result<Seen> {
        match tokio::time::timeout(patience, self.seen.recv()).await {
            Ok(Some(seen)) => Ok(seen),
            Ok(None) => Err(io::Error::other("the Runtime API ended")),
            Err(_) => Err(io::Error::other(format!("the function did nothing for {patience:?}"))),
        }
    }

    /// Hands an event to the function, which is polling.
    pub fn send(&self, event: Value) -> io::Result<Instant> {
        let sent_at = Instant::now();
        self.events.send(event).map_err(io::Error::other)?;
        Ok(sent_at)
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Keeps the poll waiting until there is an event.
async fn next(State(api): State<Shared>) -> Response {
    // A receiver that is gone means that the measurement is over; the process is about to be stopped.
    let _ = api.seen.send(Seen::Poll(Instant::now()));
    let Some(event) = api.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = SystemTime::now() + Duration::from_mins(15);
    let deadline_millis = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let headers = [
        ("lambda-runtime-aws-request-id", "bench".to_owned()),
        ("lambda-runtime-deadline-ms", deadline_millis.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:111122223333:function:rotate".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-5e1b4151-5ac6c58e3a4d6c7e9f0a1b2c".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event.to_string()).into_response()
}

async fn answered(State(api): State<Shared>, Path(_id): Path<String>, body: String) -> StatusCode {
    let answer = serde_json::from_str(&body).unwrap_or(Value::String(body));
    let _ = api.seen.send(Seen::Answer(Instant::now(), answer));
    StatusCode::ACCEPTED
}
