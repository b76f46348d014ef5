//! Why the demo stopped before its checks. A failed check is not an error: it is a result.

use std::io;

use crate::playground::PlaygroundError;
use crate::terminal::OutputError;

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Playground(#[from] PlaygroundError),
    #[error("read the event of the demo: {0}")]
    Event(serde_json::Error),
    #[error("put an event on the bus: {0}")]
    Put(String),
    #[error("the function has responded to {event}: {response}")]
    Response { event: String, response: String },
    #[error("{0}: nothing has happened for two minutes")]
    NoProgress(&'static str),
    #[error("read an item of the ledger or an event: {0}")]
    Item(#[from] serde_json::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("listen for signals: {0}")]
    Process(io::Error),
}
