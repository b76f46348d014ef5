//! Which services a role has used, as IAM's `GetServiceLastAccessedDetails` reports it.
//!
//! IAM reports attempts, also denied ones, up to four hours late, and only those of its tracking
//! period (400 days). A service that the report does not name is unknown.

use std::collections::BTreeMap;
use std::fmt;

use crate::timestamp::Timestamp;

/// The report about one role: the last use of each service by its namespace (`s3`), `None` without
/// one in the tracking period. Empty if there is no report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastAccessed(BTreeMap<String, Option<Timestamp>>);

/// Whether a service was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    Used(Timestamp),
    /// Not in the tracking period.
    NotUsed,
    Unknown,
}

impl LastAccessed {
    /// Returns whether the service was used.
    #[must_use]
    pub fn of(&self, service: &str) -> Use {
        match self.0.get(&service.to_ascii_lowercase()) {
            Some(Some(time)) => Use::Used(*time),
            Some(None) => Use::NotUsed,
            None => Use::Unknown,
        }
    }

    /// Returns the services that were used.
    pub fn used(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|(_, last)| last.is_some())
            .map(|(service, _)| service.as_str())
    }
}

impl FromIterator<(String, Option<Timestamp>)> for LastAccessed {
    fn from_iter<I: IntoIterator<Item = (String, Option<Timestamp>)>>(services: I) -> Self {
        let services = services.into_iter();
        Self(
            services
                .map(|(name, last)| (name.to_ascii_lowercase(), last))
                .collect(),
        )
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Used(time) => {
                let time = time.to_string();
                write!(f, "used on {}", time.split('T').next().unwrap_or(&time))
            }
            Self::NotUsed => f.write_str("not used in the tracking period"),
            Self::Unknown => f.write_str("use unknown"),
        }
    }
}
