//! Which events one call puts.
//!
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>

use std::ops::Range;

use crate::publishing::OutgoingEvent;

const EVENTS_MAX: usize = 10;
/// In bytes. The limit of a call, which is documented with different numbers; this is the smallest.
const SIZE_MAX: usize = 256_000;

/// Divides events into calls, in order. A call has at most one event about each timeline: the bus
/// may refuse an event and accept those after it. An event that is too large for any call gets one
/// of its own, which EventBridge then refuses.
#[must_use]
pub fn batches(events: &[OutgoingEvent]) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut size = 0;
    for (position, event) in events.iter().enumerate() {
        let added = event.size();
        let fits = |batch: &Range<usize>| {
            let timelines = events[batch.clone()].iter().map(|event| &event.timeline);
            let mut timelines = timelines.filter(|timeline| timeline.is_some());
            batch.len() < EVENTS_MAX
                && size + added <= SIZE_MAX
                && timelines.all(|timeline| *timeline != event.timeline)
        };
        if let Some(last) = batches.last_mut().filter(|batch| fits(batch)) {
            last.end += 1;
            size += added;
        } else {
            batches.push(position..position + 1);
            size = added;
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    fn event(timeline: Option<&str>, size: usize) -> OutgoingEvent {
        let mut event = OutgoingEvent {
            detail_type: "Association Role Changed",
            time: Timestamp::from_millis(0),
            detail: String::new(),
            timeline: timeline.map(str::to_owned),
        };
        event.detail = "x".repeat(size - event.size());
        assert_eq!(event.size(), size);
        event
    }

    /// The number of events in each call.
    fn lens(events: &[OutgoingEvent]) -> Vec<usize> {
        batches(events)
            .into_iter()
            .map(|batch| batch.len())
            .collect()
    }

    #[test]
    fn a_call_puts_ten_events_and_256_kb_at_most() {
        for (sizes, expected) in [
            (vec![], Vec::<usize>::new()),
            (vec![100], vec![1]),
            (vec![100; 10], vec![10]),
            (vec![100; 11], vec![10, 1]),
            (vec![100; 21], vec![10, 10, 1]),
            (vec![128_000, 128_000, 100], vec![2, 1]),
            (vec![300_000, 100, 100], vec![1, 2]),
            (vec![100, 300_000, 100], vec![1, 1, 1]),
        ] {
            let events: Vec<_> = sizes.iter().map(|size| event(None, *size)).collect();
            assert_eq!(lens(&events), expected, "{sizes:?}");
        }
    }

    #[test]
    fn a_call_puts_one_event_of_each_timeline() {
        for (timelines, expected) in [
            (vec!["a", "b", "c"], vec![3]),
            (vec!["a", "a", "a"], vec![1, 1, 1]),
            (vec!["a", "b", "a", "b"], vec![2, 2]),
            (vec!["a", "b", "b", "a"], vec![2, 2]),
            (vec!["a", "", "", "a"], vec![3, 1]),
        ] {
            let of = |name: &&str| event((!name.is_empty()).then_some(*name), 100);
            let events: Vec<_> = timelines.iter().map(of).collect();
            assert_eq!(lens(&events), expected, "{timelines:?}");
        }
    }
}
