//! The alarms of a template, evaluated against data points.
//!
//! CloudWatch evaluates periods that begin with full minutes. Here a period ends now, so a data
//! point counts at once.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::cloudwatch::AlarmState;
use crate::deployment::metrics::{MetricId, Metrics};

/// When an alarm fires.
#[derive(Debug)]
pub(super) struct AlarmRule {
    /// The name of the alarm.
    pub(super) name: String,
    metric: MetricId,
    statistic: Statistic,
    period: Duration,
    periods: u32,
    /// How many of the periods must cross the threshold.
    periods_to_alarm: usize,
    threshold: f64,
    comparison: Comparison,
    missing: MissingData,
}

#[derive(Clone, Copy, Debug)]
enum Statistic {
    Sum,
    Maximum,
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    GreaterOrEqual,
    Greater,
    LessOrEqual,
    Less,
}

/// What a period without data points counts as.
#[derive(Clone, Copy, Debug, PartialEq)]
enum MissingData {
    Breaching,
    NotBreaching,
    /// It does not count, and an alarm without any data has no state.
    Missing,
    /// It does not count, and an alarm without any data keeps its state.
    Ignore,
}

impl AlarmRule {
    /// The rule in the properties of an alarm.
    ///
    /// # Panics
    /// If the alarm has something that is not known here.
    pub(super) fn new(name: String, properties: &Value) -> Self {
        let text = |member: &str| properties[member].as_str().unwrap_or_default();
        let number = |member: &str| properties[member].as_u64();
        let dimensions = properties["Dimensions"].as_array().into_iter().flatten();
        let dimensions: BTreeMap<_, _> = dimensions
            .filter_map(|dimension| {
                let text = |member: &str| Some(dimension[member].as_str()?.to_owned());
                Some((text("Name")?, text("Value")?))
            })
            .collect();
        let periods = number("EvaluationPeriods").expect("an alarm has periods");
        let to_alarm = number("DatapointsToAlarm").unwrap_or(periods);
        Self {
            metric: MetricId {
                namespace: text("Namespace").to_owned(),
                name: text("MetricName").to_owned(),
                dimensions,
            },
            statistic: match text("Statistic") {
                "Sum" => Statistic::Sum,
                "Maximum" => Statistic::Maximum,
                other => panic!("{name} has the unknown statistic {other}"),
            },
            period: Duration::from_secs(number("Period").expect("an alarm has a period")),
            periods: u32::try_from(periods).expect("an alarm has few periods"),
            periods_to_alarm: usize::try_from(to_alarm).expect("an alarm has few periods"),
            threshold: properties["Threshold"].as_f64().unwrap_or_default(),
            comparison: match text("ComparisonOperator") {
                "GreaterThanOrEqualToThreshold" => Comparison::GreaterOrEqual,
                "GreaterThanThreshold" => Comparison::Greater,
                "LessThanOrEqualToThreshold" => Comparison::LessOrEqual,
                "LessThanThreshold" => Comparison::Less,
                other => panic!("{name} has the unknown comparison {other}"),
            },
            missing: match text("TreatMissingData") {
                "breaching" => MissingData::Breaching,
                "notBreaching" => MissingData::NotBreaching,
                "ignore" => MissingData::Ignore,
                _ => MissingData::Missing,
            },
            name,
        }
    }

    /// How far the alarm looks back.
    pub(super) fn range(&self) -> Duration {
        self.period * self.periods
    }

    /// The state at `now` and the reason for it; `None` if it stays as it is.
    pub(super) fn evaluate(
        &self,
        metrics: &Metrics,
        now: SystemTime,
    ) -> Option<(AlarmState, String)> {
        let values = (0..self.periods).map(|back| {
            let until = now - self.period * back;
            self.value(&metrics.values(&self.metric, until - self.period, until))
        });
        let values: Vec<Option<f64>> = values.collect();
        if values.iter().all(Option::is_none) {
            match self.missing {
                MissingData::Ignore => return None,
                MissingData::Missing => {
                    let reason = "Insufficient Data: no datapoints were received";
                    return Some((AlarmState::InsufficientData, reason.to_owned()));
                }
                MissingData::Breaching | MissingData::NotBreaching => {}
            }
        }
        let crosses = |value: &&Option<f64>| match value {
            Some(value) => self.crosses(*value),
            None => self.missing == MissingData::Breaching,
        };
        let count = values.iter().filter(crosses).count();
        let state = if count >= self.periods_to_alarm {
            AlarmState::Alarm
        } else {
            AlarmState::Ok
        };
        let shown = values.iter().map(|value| match value {
            Some(value) => value.to_string(),
            None => "missing".to_owned(),
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        let (name, threshold) = (&self.metric.name, self.threshold);
        let reason = format!(
            "{count} of {} datapoints of {name} [{shown}] crossed the threshold ({threshold})",
            self.periods
        );
        Some((state, reason))
    }

    fn value(&self, values: &[f64]) -> Option<f64> {
        let values = values.iter().copied();
        match self.statistic {
            Statistic::Sum => values.reduce(|sum, value| sum + value),
            Statistic::Maximum => values.reduce(f64::max),
        }
    }

    fn crosses(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::GreaterOrEqual => value >= self.threshold,
            Comparison::Greater => value > self.threshold,
            Comparison::LessOrEqual => value <= self.threshold,
            Comparison::Less => value < self.threshold,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::json;

    use super::AlarmRule;
    use crate::cloudwatch::AlarmState;
    use crate::deployment::metrics::{DataPoint, MetricId, Metrics};

    /// The state of an alarm over three periods of a minute, with data points so many seconds ago.
    fn state(missing: &str, to_alarm: u32, points: &[(u64, f64)]) -> Option<AlarmState> {
        let alarm = AlarmRule::new(
            "alarm".to_owned(),
            &json!({
                "Namespace": "app",
                "MetricName": "Failures",
                "Dimensions": [{ "Name": "FunctionName", "Value": "f" }],
                "Statistic": "Sum",
                "Period": 60,
                "EvaluationPeriods": 3,
                "DatapointsToAlarm": to_alarm,
                "Threshold": 2,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "TreatMissingData": missing,
            }),
        );
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        let mut metrics = Metrics::new(alarm.range());
        for (secs_ago, value) in points {
            let metric = MetricId::of_service(["app", "Failures"], "FunctionName", "f");
            let at = now - Duration::from_secs(*secs_ago);
            metrics.record(metric, DataPoint { at, value: *value });
        }
        alarm.evaluate(&metrics, now).map(|(state, _)| state)
    }

    #[test]
    fn an_alarm_fires_if_enough_periods_cross_the_threshold() {
        let (ok, alarm) = (Some(AlarmState::Ok), Some(AlarmState::Alarm));
        let no_data = Some(AlarmState::InsufficientData);
        for (missing, to_alarm, points, expected) in [
            ("notBreaching", 1, &[(10, 2.0)][..], alarm),
            ("notBreaching", 1, &[(10, 1.0)], ok),
            // A sum over a period.
            ("notBreaching", 1, &[(20, 1.0), (10, 1.0)], alarm),
            ("notBreaching", 1, &[(70, 1.0), (10, 1.0)], ok),
            // Out of the periods that are evaluated.
            ("notBreaching", 1, &[(181, 2.0)], ok),
            ("notBreaching", 1, &[(179, 2.0)], alarm),
            ("notBreaching", 3, &[(10, 2.0)], ok),
            ("notBreaching", 2, &[(70, 2.0), (10, 2.0)], alarm),
            ("breaching", 3, &[], alarm),
            ("breaching", 3, &[(10, 0.0)], ok),
            ("breaching", 3, &[(10, 2.0)], alarm),
            ("missing", 1, &[], no_data),
            ("ignore", 1, &[], None),
        ] {
            let found = state(missing, to_alarm, points);
            assert_eq!(found, expected, "{missing} {to_alarm} {points:?}");
        }
    }
}
