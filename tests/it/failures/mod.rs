//! Faults of AWS: a rotation waits for retryable errors to pass, and leaves what outlasts its
//! retries to the next delivery. Crashes of the handler are in `crash/`.

/// A ledger or an index that is throttled, out of reach, or whose responses are lost.
mod dynamodb;
/// Calls to EKS that are throttled or fail, or whose responses are lost.
mod eks;
/// Requests and records that arrive late.
mod late;

use rerole_sim::{Options, Throttle};

use crate::harness::{Harness, in_virtual_time, rotation_event};

/// The same seed gives the same calls at the same times, including the faults, so a failing seed
/// reproduces its failure.
#[test]
fn one_seed_gives_one_trace() {
    let trace_of = |seed| {
        in_virtual_time(async {
            let throttle = Some(Throttle {
                rate_per_sec: 20.0,
                burst: 10.0,
            });
            let options = Options {
                seed,
                throttle,
                dynamodb_throttle_share: 0.02,
                ..Options::default()
            };
            let harness = Harness::new(options);
            harness.fleet(60);
            harness.finish(&rotation_event()).await;
            harness.aws.trace_hash()
        })
    };
    assert_eq!(trace_of(7), trace_of(7));
    assert_ne!(trace_of(7), trace_of(8));
}
