//! The situations that histories reach, counted. A guarantee that was never in danger has not been
//! tested, so CI fails if one of [`REQUIRED`] was not reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often each situation was reached.
pub type Counts = BTreeMap<String, u64>;

/// The situations of one history.
#[derive(Debug, Clone, Default)]
pub struct Situations(Arc<Mutex<Counts>>);

impl Situations {
    pub fn note(&self, name: &str) {
        *self.lock().entry(name.to_owned()).or_default() += 1;
    }

    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the histories of CI must reach.
pub const REQUIRED: [&str; 0] = [];

/// The required situations that were not reached.
pub fn missing(counts: &Counts) -> Vec<&'static str> {
    let is_missing = |name: &&str| !counts.contains_key(*name);
    REQUIRED.into_iter().filter(is_missing).collect()
}
