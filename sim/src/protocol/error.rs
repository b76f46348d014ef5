//! An error of a service, before a protocol writes it.

/// Status, code and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// The code that the service had when its protocol was AWS Query. SDKs prefer it.
    pub(crate) query_code: Option<&'static str>,
}

impl ApiError {
    /// With status 400.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self::with_status(400, code, message)
    }

    pub(crate) fn with_status(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            query_code: None,
        }
    }

    pub(crate) fn not_simulated(operation: &str) -> Self {
        Self::new(
            "UnknownOperationException",
            format!("{operation} is not simulated"),
        )
    }
}
