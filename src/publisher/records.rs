//! What a batch of the stream's records asks to publish.

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use rerole_core::publishing::OutgoingEvent;
use serde_json::Value;
use tracing::error;

/// What a batch asks to publish, in the order of the stream.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<OutgoingEvent>,
    /// The sequence number of each event's record.
    pub(super) sequence_numbers: Vec<String>,
    /// The number of items that do not have the form of the contract. A later delivery could not
    /// publish them either, and would hold up the records after them.
    pub(super) unpublishable: u64,
}

impl Batch {
    pub(super) fn of(event: Event) -> Self {
        let mut batch = Self::default();
        for record in event.records {
            batch.add(record);
        }
        batch
    }

    fn add(&mut self, record: EventRecord) {
        let sequence_number = record.change.sequence_number.unwrap_or_default();
        let image = serde_dynamo::from_item::<_, Value>(record.change.new_image);
        let published = match image {
            Ok(image) => OutgoingEvent::about(image).map_err(|error| error.to_string()),
            Err(error) => Err(format!("the image cannot be read: {error}")),
        };
        match published {
            Ok(Some(event)) => {
                self.events.push(event);
                self.sequence_numbers.push(sequence_number);
            }
            // The filter of the mapping admits more than is published, or the item was deleted.
            Ok(None) => {}
            Err(problem) => {
                error!(
                    sequenceNumber = sequence_number,
                    problem, "item not published"
                );
                self.unpublishable += 1;
            }
        }
    }
}
