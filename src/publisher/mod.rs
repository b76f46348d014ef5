//! The `publisher` function: puts an event on a bus for each entry of a timeline, and for each
//! association that was moved, as the ledger's stream shows them. It calls nothing else.
//!
//! - [`handler`]: a batch of the stream's records in, the records to deliver again out
//! - `records`: what a batch asks to publish

pub mod handler;
mod records;
