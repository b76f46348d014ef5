//! A simulated Lambda Runtime API on loopback. It hands out events one by one, and reports when the
//! function polls and what it responds.

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

/// A request of the function.
#[derive(Debug)]
pub enum Request {
    /// The function polls for an event.
    Poll(Instant),
    /// The function has handled an event, or reports an error.
    Response(Instant, Value),
}

/// A Runtime API for one function.
pub struct RuntimeApi {
    pub address: SocketAddr,
    requests: mpsc::UnboundedReceiver<Request>,
    events: mpsc::UnboundedSender<Value>,
    server: JoinHandle<io::Result<()>>,
}

#[derive(Clone)]
struct Shared {
    requests: mpsc::UnboundedSender<Request>,
    events: Arc<Mutex<mpsc::UnboundedReceiver<Value>>>,
}

impl RuntimeApi {
    pub async fn start() -> io::Result<Self> {
        let (request_sender, requests) = mpsc::unbounded_channel();
        let (events, event_receiver) = mpsc::unbounded_channel();
        let shared = Shared {
            requests: request_sender,
            events: Arc::new(Mutex::new(event_receiver)),
        };
        let invocation = "/2018-06-01/runtime/invocation";
        let routes = Router::new()
            .route(&format!("{invocation}/next"), get(poll))
            .route(&format!("{invocation}/{{id}}/response"), post(respond))
            .route(&format!("{invocation}/{{id}}/error"), post(respond))
            .with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(axum::serve(listener, routes).into_future());
        Ok(Self {
            address,
            requests,
            events,
            server,
        })
    }

    /// Waits for the next request of the function.
    pub async fn next_request(&mut self, timeout: Duration) -> io::Result<Request> {
        match tokio::time::timeout(timeout, self.requests.recv()).await {
            Ok(Some(request)) => Ok(request),
            Ok(None) => Err(io::Error::other("the Runtime API stopped")),
            Err(_) => Err(io::Error::other(format!(
                "the function sent no request for {timeout:?}"
            ))),
        }
    }

    /// Hands an event to the polling function.
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

/// Keeps the poll waiting until an event is sent.
async fn poll(State(api): State<Shared>) -> Response {
    // If the receiver is dropped, the measurement is over and the function is about to be stopped.
    let _ = api.requests.send(Request::Poll(Instant::now()));
    let Some(event) = api.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = SystemTime::now() + Duration::from_mins(15);
    let deadline_ms = deadline
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let headers = [
        ("lambda-runtime-aws-request-id", "bench".to_owned()),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:111122223333:function:rotate".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5e1b4151-5ac6c58e3a4d6c7e9f0a1b2c".to_owned(),
        ),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event.to_string()).into_response()
}

async fn respond(State(api): State<Shared>, Path(_id): Path<String>, body: String) -> StatusCode {
    let response = serde_json::from_str(&body).unwrap_or(Value::String(body));
    let _ = api
        .requests
        .send(Request::Response(Instant::now(), response));
    StatusCode::ACCEPTED
}
