//! The `indexer` function: keeps the association index equal to what EKS shows.
//!
//! `handler` turns a payload into a response or an error. `cloudtrail` describes what CloudTrail
//! events name, and `reconciler` compares the whole index with EKS, by a walk that is in `walker`.
//! Both repair the index, and `reversions` checks what they find. Which associations to describe is
//! decided in `rerole_core::indexing`, and calls to AWS are in `crate::aws`.

pub mod cloudtrail;
pub mod comparison;
pub mod error;
mod hand_over;
pub mod handler;
pub mod index_writer;
mod invalid_items;
pub mod payload;
pub mod reconciler;
pub mod response;
pub mod retry;
pub mod reversions;
pub mod walker;
