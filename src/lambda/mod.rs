//! What the functions need of the Lambda runtime: start, invocations, errors, logs and metrics.
//! What a function does with an invocation is in `rotate` and `indexer`.

pub mod bootstrap;
pub mod diagnostic;
pub mod invocation;
pub mod logging;
pub mod metrics;
