//! The two transports to the simulated AWS: an HTTP client in process, and a server on 127.0.0.1.

mod in_process;
mod loopback;

pub(crate) use in_process::InProcessTransport;
pub use loopback::LoopbackServer;
