//! What EKS showed some time ago: the earlier states of associations and clusters, which reads show
//! if they lag behind writes.
//!
//! Only states that a read may still show are kept, and none without a lag.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use fastrand::Rng;

use crate::rng::draw;

/// The lags of reads, and the values that are drawn for them.
pub(crate) struct Lags {
    pub(crate) describe: RangeInclusive<Duration>,
    pub(crate) list: RangeInclusive<Duration>,
    rng: Rng,
}

impl Lags {
    pub(crate) fn new(
        describe: RangeInclusive<Duration>,
        list: RangeInclusive<Duration>,
        rng: Rng,
    ) -> Self {
        Self {
            describe,
            list,
            rng,
        }
    }

    /// How long a state must be kept.
    pub(crate) fn max(&self) -> Duration {
        *self.describe.end().max(self.list.end())
    }

    /// The time whose state a Describe at `now` shows.
    pub(crate) fn describe_at(&mut self, now: SystemTime) -> SystemTime {
        now - draw(&mut self.rng, &self.describe)
    }

    /// The time whose state a list at `now` shows.
    pub(crate) fn list_at(&mut self, now: SystemTime) -> SystemTime {
        now - draw(&mut self.rng, &self.list)
    }
}

/// The earlier states of resources, by ARN.
pub(crate) struct History<T> {
    /// Until when each state was shown, oldest first. `None` if there was no such resource.
    states: BTreeMap<String, Vec<(SystemTime, Option<T>)>>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self {
            states: BTreeMap::new(),
        }
    }
}

impl<T> History<T> {
    /// Records the state that a resource had until `now`. States that ended before `keep_from` are
    /// forgotten.
    pub(crate) fn record(
        &mut self,
        arn: &str,
        state: Option<T>,
        now: SystemTime,
        keep_from: SystemTime,
    ) {
        if now <= keep_from {
            return;
        }
        let states = self.states.entry(arn.to_owned()).or_default();
        states.retain(|(until, _)| *until > keep_from);
        states.push((now, state));
    }

    /// The state of a resource at `time`, which now is `current`.
    pub(crate) fn at<'a>(
        &'a self,
        arn: &str,
        time: SystemTime,
        current: Option<&'a T>,
    ) -> Option<&'a T> {
        let states = self.states.get(arn).into_iter().flatten();
        let mut earlier = states.filter(|(until, _)| *until > time);
        match earlier.next() {
            Some((_, state)) => state.as_ref(),
            None => current,
        }
    }

    /// The earlier states of a resource, oldest first.
    pub(crate) fn states(&self, arn: &str) -> impl Iterator<Item = &T> {
        let states = self.states.get(arn).into_iter().flatten();
        states.filter_map(|(_, state)| state.as_ref())
    }

    /// The ARNs that start with `prefix` and have earlier states.
    pub(crate) fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a String> {
        let from_prefix = self.states.range(prefix.to_owned()..);
        from_prefix
            .map(|(arn, _)| arn)
            .take_while(move |arn| arn.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    #[test]
    fn the_state_of_a_time_is_the_first_one_that_ended_after_it() {
        let mut history = History::default();
        // Created as `a` at 10, changed to `b` at 20, deleted at 30.
        history.record("x", None, at(10), at(0));
        history.record("x", Some("a"), at(20), at(0));
        history.record("x", Some("b"), at(30), at(0));
        for (time, expected) in [
            (9, None),
            (10, Some("a")),
            (19, Some("a")),
            (20, Some("b")),
            (30, None),
        ] {
            assert_eq!(history.at("x", at(time), None).copied(), expected, "{time}");
        }
        assert_eq!(history.at("y", at(0), Some(&"c")), Some(&"c"));
        assert_eq!(history.with_prefix("x").count(), 1);
    }

    #[test]
    fn states_that_no_read_shows_any_more_are_forgotten() {
        let mut history = History::default();
        history.record("x", Some("a"), at(20), at(20));
        assert_eq!(history.with_prefix("x").count(), 0, "there is no lag");
        history.record("x", Some("a"), at(20), at(10));
        history.record("x", Some("b"), at(40), at(30));
        assert_eq!(history.at("x", at(15), Some(&"c")), Some(&"b"));
    }
}
