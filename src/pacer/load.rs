//! How much goes through, and how many associations it takes to keep it going.

/// What one pacer lets through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Whether a call has ever left.
    pub is_used: bool,
    /// Calls per second.
    pub per_sec: f64,
    /// How long an answer takes. Zero until one came.
    pub latency_secs: f64,
}

/// What an association takes beside its calls to EKS: the ledger's row, the index item, and a little patience, so that one
/// is ready when its turn comes.
const BESIDE_CALLS_SECS: f64 = 0.5;
/// One that is looked at, and one that waits to be written.
const WAITING: f64 = 2.0;

/// How many associations have to be in work so that neither looks nor updates are ever short of one. More would only wait,
/// and what waits longer than a look is good for has to be looked at again.
#[must_use]
pub fn width(looks: &Load, updates: &Load) -> usize {
    let per_sec = if updates.is_used { looks.per_sec.min(updates.per_sec) } else { looks.per_sec };
    // A look and an update at least take about as long as one another.
    let calls_secs = looks.latency_secs + if updates.is_used { updates.latency_secs } else { looks.latency_secs };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of a few thousand")]
    let width = (per_sec * (calls_secs + BESIDE_CALLS_SECS) + WAITING).ceil() as usize;
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_both_decides_how_many_are_in_work() {
        let load = |per_sec, latency_secs| Load { is_used: true, per_sec, latency_secs };
        let unused = Load { is_used: false, ..load(10.0, 0.0) };
        for (looks, updates, expected) in [
            (load(5.0, 0.1), load(5.0, 0.1), 6),
            (load(50.0, 0.1), load(5.0, 0.1), 6),
            (load(5.0, 0.1), load(50.0, 0.1), 6),
            (load(1.0, 0.1), load(1.0, 0.1), 3),
            (load(20.0, 2.0), load(20.0, 2.0), 92),
            // A dry run never writes.
            (load(50.0, 0.1), unused, 37),
            (load(10.0, 0.0), unused, 7),
        ] {
            assert_eq!(width(&looks, &updates), expected, "{looks:?} {updates:?}");
        }
    }
}
