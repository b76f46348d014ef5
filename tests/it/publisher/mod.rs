//! The publisher: what it puts on the bus follows the ledger's stream, whatever fails.

mod delivery;
mod events;
mod mapping;
mod republish;
mod samples;

use rerole_sim::stream_mapping::StreamMapping;
use rerole_sim::{Call, Options, Service};

use crate::common::guarantees::events::{are_the_moved_associations, are_the_timelines};
use crate::common::stream::{deliver, mapping_with_associations};
use crate::harness::Harness;

/// Delivers the stream to the publisher of a stack that also publishes associations, and checks
/// that the events are what the ledger has.
async fn publish(harness: &Harness) -> StreamMapping {
    let mut mapping = mapping_with_associations();
    deliver(&mut mapping, &harness.aws, &harness.publisher()).await;
    are_the_timelines(&harness.aws);
    are_the_moved_associations(&harness.aws);
    assert!(mapping.given_up.is_empty(), "{mapping:?}");
    mapping
}

/// A stack with so many associations on the old role.
fn stack(count: usize) -> Harness {
    stack_with(count, |_| {})
}

fn stack_with(count: usize, change: impl FnOnce(&mut Options)) -> Harness {
    let mut options = Options {
        ledger_stream: true,
        ..Options::default()
    };
    change(&mut options);
    let harness = Harness::with_state_machine(options);
    harness.fleet(count);
    harness
}

fn is_put(call: &Call) -> bool {
    call.service == Service::EventBridge
}

/// An AWS whose bus refuses this share of the events in calls that succeed.
fn refusing(share: f64) -> Harness {
    stack_with(30, |options| options.refused_event_share = share)
}
