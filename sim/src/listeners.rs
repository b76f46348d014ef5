//! Listeners of a kind of event.

use std::sync::{Arc, Mutex};

use crate::sync::lock;

type Listener<T> = Arc<Mutex<dyn FnMut(&T) + Send>>;

/// All listeners of events of this type.
pub(crate) struct Listeners<T>(Mutex<Vec<Listener<T>>>);

impl<T> Default for Listeners<T> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<T> Listeners<T> {
    pub(crate) fn add(&self, listener: impl FnMut(&T) + Send + 'static) {
        lock(&self.0).push(Arc::new(Mutex::new(listener)));
    }

    /// Passes each event to each listener. While a listener runs, only its own lock is held: it may
    /// use the simulated AWS.
    pub(crate) fn notify(&self, events: &[T]) {
        if events.is_empty() {
            return;
        }
        let listeners = lock(&self.0).clone();
        for event in events {
            for listener in &listeners {
                (*lock(listener))(event);
            }
        }
    }
}
