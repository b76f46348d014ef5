//! The data points of metrics: those that functions write in the embedded metric format, and those
//! of the services. They are kept as long as an alarm may look back.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use serde_json::Value;

/// What identifies a metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MetricId {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) dimensions: BTreeMap<String, String>,
}

impl MetricId {
    /// A metric of a service, which has one dimension.
    pub(super) fn of_service(metric: [&str; 2], dimension: &str, value: &str) -> Self {
        let [namespace, name] = metric.map(str::to_owned);
        let dimension = (dimension.to_owned(), value.to_owned());
        Self {
            namespace,
            name,
            dimensions: BTreeMap::from([dimension]),
        }
    }
}

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DataPoint {
    pub(super) at: SystemTime,
    pub(super) value: f64,
}

/// The data points of all metrics, in the order in which they came.
#[derive(Debug)]
pub(super) struct Metrics {
    points: BTreeMap<MetricId, VecDeque<DataPoint>>,
    keep: Duration,
}

impl Metrics {
    /// No data points yet. Later ones are kept for this long.
    pub(super) fn new(keep: Duration) -> Self {
        Self {
            points: BTreeMap::new(),
            keep,
        }
    }

    pub(super) fn record(&mut self, metric: MetricId, point: DataPoint) {
        let points = self.points.entry(metric).or_default();
        points.push_back(point);
        let keep = self.keep;
        while points
            .front()
            .is_some_and(|first| first.at + keep < point.at)
        {
            points.pop_front();
        }
    }

    /// Records the metrics in a line of a function's log. Other lines have none.
    pub(super) fn record_line(&mut self, line: &str) {
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            return;
        };
        let Some(millis) = line["_aws"]["Timestamp"].as_u64() else {
            return;
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        for directive in list(&line["_aws"]["CloudWatchMetrics"]) {
            for names in list(&directive["Dimensions"]) {
                let dimension = |name: &Value| {
                    let name = name.as_str()?;
                    Some((name.to_owned(), line[name].as_str()?.to_owned()))
                };
                let dimensions: BTreeMap<_, _> = list(names).iter().filter_map(dimension).collect();
                for metric in list(&directive["Metrics"]) {
                    let name = metric["Name"].as_str().unwrap_or_default();
                    let Some(value) = line[name].as_f64() else {
                        continue;
                    };
                    let metric = MetricId {
                        namespace: directive["Namespace"].as_str().unwrap_or_default().into(),
                        name: name.to_owned(),
                        dimensions: dimensions.clone(),
                    };
                    self.record(metric, DataPoint { at, value });
                }
            }
        }
    }

    /// The values of a metric after `from`, up to and including `until`.
    pub(super) fn values(
        &self,
        metric: &MetricId,
        from: SystemTime,
        until: SystemTime,
    ) -> Vec<f64> {
        let points = self.points.get(metric).into_iter().flatten();
        points
            .filter(|point| from < point.at && point.at <= until)
            .map(|point| point.value)
            .collect()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
