//! The schedules of functions: `rate(…)`. Those with `cron(…)` do not fire by themselves.

use std::time::Duration;

use serde_json::Value;

use crate::deployment::events::{FunctionEvent, events_of_functions};
use crate::template::Rendered;

/// A schedule of the stack.
#[derive(Debug)]
pub(super) struct Schedule {
    /// The name in the template of the rule that SAM makes for it.
    pub(super) name: String,
    pub(super) function: String,
    pub(super) input: Value,
    /// As in the template: `rate(5 minutes)`.
    pub(super) expression: String,
}

/// The schedules of all functions.
pub(super) fn schedules_of(rendered: &Rendered) -> Vec<Schedule> {
    let events = events_of_functions(rendered, "Schedule").into_iter();
    let schedule = |event: FunctionEvent| {
        let text = |member: &str| event.properties[member].as_str().unwrap_or_default();
        Schedule {
            input: serde_json::from_str(text("Input")).unwrap_or_default(),
            expression: text("Schedule").to_owned(),
            name: event.logical_id(),
            function: event.function,
        }
    };
    events.map(schedule).collect()
}

impl Schedule {
    /// How often it fires.
    pub(super) fn period(&self) -> Option<Duration> {
        let rate = self.expression.strip_prefix("rate(")?.strip_suffix(')')?;
        let (count, unit) = rate.split_once(' ')?;
        let secs = match unit.trim_end_matches('s') {
            "minute" => 60,
            "hour" => 60 * 60,
            "day" => 24 * 60 * 60,
            _ => return None,
        };
        Some(Duration::from_secs(count.parse::<u64>().ok()? * secs))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::Schedule;

    #[test]
    fn a_rate_is_a_period() {
        for (expression, expected) in [
            ("rate(5 minutes)", Some(Duration::from_mins(5))),
            ("rate(1 minute)", Some(Duration::from_mins(1))),
            ("rate(1 hour)", Some(Duration::from_hours(1))),
            ("rate(2 days)", Some(Duration::from_hours(48))),
            ("cron(0 3 * * ? *)", None),
        ] {
            let schedule = Schedule {
                name: String::new(),
                function: String::new(),
                input: Value::Null,
                expression: expression.to_owned(),
            };
            assert_eq!(schedule.period(), expected, "{expression}");
        }
    }
}
