//! Time that runs faster. rerole waits on purpose: for the next renewal of a lease, for updates
//! that EKS may not show yet, for the indexer. In real time, the demo would take twenty seconds,
//! most of which it waits.
//!
//! The playground has one clock, that of tokio. Here it is paused, and moved on by more than the
//! time that passes.

use std::convert::Infallible;
use std::thread;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{advance, pause, resume};

/// How many seconds pass in the demo for one outside. With a higher number, the work itself, which
/// is not faster, would look slow beside the waits.
pub const SPEED: u32 = 5;
/// How long the clock stands still. Much shorter than anything that is waited for.
const TICK: Duration = Duration::from_millis(1);

/// Runs this with the faster clock. It must run on the only thread of the runtime.
pub async fn in_fast_time<T>(work: impl Future<Output = T>) -> T {
    pause();
    let output = tokio::select! {
        output = work => output,
        never = move_on() => match never {},
    };
    resume();
    output
}

/// Moves the clock on, without an end. While the blocking task runs, tokio does not move the clock
/// by itself.
async fn move_on() -> Infallible {
    loop {
        // It only fails if the runtime is shutting down.
        let _ = spawn_blocking(|| thread::sleep(TICK)).await;
        advance(TICK * SPEED).await;
    }
}
