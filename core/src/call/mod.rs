//! Failed calls to AWS, as plain data without any SDK type.

mod error;
mod error_class;

pub use error::CallError;
pub use error_class::{ErrorClass, Failure};
