//! How many associations must be in flight to call EKS at the rates that its pacers allow.

/// The time that an association takes besides its calls to EKS: the ledger row, the index item, and
/// some slack, which keeps an association ready when a permit is due.
const OVERHEAD_SECS: f64 = 0.5;
/// Two more associations: one being described, and one waiting for its update.
const SPARE: f64 = 2.0;

/// The load of one class of calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Whether any call has been sent.
    pub is_used: bool,
    /// The rate, in calls per second.
    pub per_sec: f64,
    /// The mean latency. Zero before the first response.
    pub latency_secs: f64,
}

/// The load of the two classes of calls that move associations, in one region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MoveLoad {
    pub describes: Load,
    pub updates: Load,
}

/// Returns how many associations must be in flight for both rates to be used in full.
///
/// More would only wait for permits. An association that waits too long for its update must be
/// described again, because its observation is too old.
#[must_use]
pub fn concurrency(MoveLoad { describes, updates }: MoveLoad) -> usize {
    let per_sec = if updates.is_used {
        describes.per_sec.min(updates.per_sec)
    } else {
        describes.per_sec
    };
    // Before the first update, assume that an update takes as long as a Describe.
    let calls_secs = describes.latency_secs
        + if updates.is_used {
            updates.latency_secs
        } else {
            describes.latency_secs
        };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number of a few thousand"
    )]
    let concurrency = (per_sec * (calls_secs + OVERHEAD_SECS) + SPARE).ceil() as usize;
    concurrency
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_rate_determines_the_concurrency() {
        let load = |per_sec, latency_secs| Load {
            is_used: true,
            per_sec,
            latency_secs,
        };
        let unused = Load {
            is_used: false,
            ..load(10.0, 0.0)
        };
        for (describes, updates, expected) in [
            (load(5.0, 0.1), load(5.0, 0.1), 6),
            (load(50.0, 0.1), load(5.0, 0.1), 6),
            (load(5.0, 0.1), load(50.0, 0.1), 6),
            (load(1.0, 0.1), load(1.0, 0.1), 3),
            (load(20.0, 2.0), load(20.0, 2.0), 92),
            // A dry run sends no updates.
            (load(50.0, 0.1), unused, 37),
            (load(10.0, 0.0), unused, 7),
        ] {
            assert_eq!(
                concurrency(MoveLoad { describes, updates }),
                expected,
                "{describes:?} {updates:?}"
            );
        }
    }
}
