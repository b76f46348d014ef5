//! The mapping from the stream of the ledger to the publisher, with the filters and limits of the
//! template.

use rerole::publisher::handler::PublisherHandler;
use rerole_sim::SimulatedAws;
use rerole_sim::stream_mapping::StreamMapping;
use serde_json::Value;

use crate::common::environment::LEDGER;
use crate::common::template::{properties, stack};

/// The mapping of a stack that publishes what happens to rotations.
pub fn mapping() -> StreamMapping {
    mapping_of(&[])
}

/// The mapping of a stack with `PublishAssociationEvents`.
pub fn mapping_with_associations() -> StreamMapping {
    mapping_of(&[("PublishAssociationEvents", "true")])
}

/// Delivers all records that are in the stream, in order.
pub async fn deliver(mapping: &mut StreamMapping, aws: &SimulatedAws, to: &PublisherHandler) {
    let invoke = async |payload| match to.handle(payload).await {
        Ok(response) => Ok(serde_json::to_value(response).unwrap()),
        Err(error) => panic!("the publisher failed: {error}"),
    };
    mapping.deliver(aws, LEDGER, invoke).await;
}

/// The properties of the mapping in the template.
pub fn template() -> &'static Value {
    &properties("PublisherFunction")["Events"]["LedgerChanged"]["Properties"]
}

fn mapping_of(parameters: &[(&str, &str)]) -> StreamMapping {
    let publisher = stack(parameters).properties("PublisherFunction").unwrap();
    StreamMapping::new(&publisher["Events"]["LedgerChanged"]["Properties"])
}
