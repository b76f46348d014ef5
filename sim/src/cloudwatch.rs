//! CloudWatch, as far as metric alarms. No metric is evaluated: an alarm has the state that a test
//! or `SetAlarmState` gives it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::arn::Scope;
use crate::clock::since_epoch;
use crate::protocol::{ApiError, ApiRequest, Paging};

const PAGES: Paging = Paging {
    limit: "MaxRecords",
    token: "NextToken",
    default: 50,
};

/// A metric alarm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarm {
    pub name: String,
    pub description: String,
    /// What the state ALARM notifies: ARNs of topics, for example.
    pub actions: Vec<String>,
    pub state: AlarmState,
    /// Why it has this state.
    pub reason: String,
}

/// The state of an alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlarmState {
    Ok,
    Alarm,
    /// That of a new alarm.
    #[default]
    InsufficientData,
}

impl AlarmState {
    const ALL: [Self; 3] = [Self::Ok, Self::Alarm, Self::InsufficientData];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// The alarms of an account in a region.
#[derive(Default)]
pub(crate) struct Alarms(BTreeMap<String, AlarmRecord>);

struct AlarmRecord {
    alarm: Alarm,
    arn: String,
    configured_at: SystemTime,
    updated_at: SystemTime,
    transitioned_at: SystemTime,
}

impl Alarms {
    pub(crate) fn create(&mut self, now: SystemTime, scope: Scope<'_>, alarm: Alarm) -> String {
        let arn = scope.arn("cloudwatch", &format!("alarm:{}", alarm.name));
        let record = AlarmRecord {
            arn: arn.clone(),
            configured_at: now,
            updated_at: now,
            transitioned_at: now,
            alarm,
        };
        self.0.insert(record.alarm.name.clone(), record);
        arn
    }

    /// All alarms, by name.
    pub(crate) fn alarms(&self) -> Vec<Alarm> {
        self.0.values().map(|record| record.alarm.clone()).collect()
    }

    /// Sets the state of the alarm with this name; none if it does not exist.
    pub(crate) fn set_state(
        &mut self,
        now: SystemTime,
        name: &str,
        state: AlarmState,
        reason: &str,
    ) -> Option<()> {
        let record = self.0.get_mut(name)?;
        if record.alarm.state != state {
            record.transitioned_at = now;
        }
        record.updated_at = now;
        record.alarm.state = state;
        reason.clone_into(&mut record.alarm.reason);
        Some(())
    }

    /// Responds to one request at `now`.
    pub(crate) fn respond(
        &mut self,
        now: SystemTime,
        request: &ApiRequest,
    ) -> Result<Value, ApiError> {
        match request.operation.as_str() {
            "DescribeAlarms" => self.describe(request),
            "SetAlarmState" => {
                let (name, reason) = (request.required("AlarmName")?, request.text("StateReason"));
                let value = request.required("StateValue")?;
                let mut states = AlarmState::ALL.into_iter();
                let Some(state) = states.find(|state| state.as_str() == value) else {
                    let message = format!("StateValue is not valid: {value}");
                    return Err(ApiError::new("ValidationError", message));
                };
                let set = self.set_state(now, name, state, reason.unwrap_or_default());
                let absent = || ApiError::with_status(404, "ResourceNotFound", "Unknown alarm");
                set.map(|()| json!({})).ok_or_else(absent)
            }
            operation => Err(ApiError::not_simulated(operation)),
        }
    }

    fn describe(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        let names = request.texts("AlarmNames");
        let prefix = request.text("AlarmNamePrefix");
        if !names.is_empty() && prefix.is_some() {
            let message = "AlarmNames and AlarmNamePrefix cannot both be given.";
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        let types = request.texts("AlarmTypes");
        let has_metric_alarms = types.is_empty() || types.contains(&"MetricAlarm");
        let state = request.text("StateValue");
        let wanted = self.0.values().filter(|record| {
            let alarm = &record.alarm;
            has_metric_alarms
                && (names.is_empty() || names.contains(&alarm.name.as_str()))
                && prefix.is_none_or(|prefix| alarm.name.starts_with(prefix))
                && state.is_none_or(|state| alarm.state.as_str() == state)
        });
        let (alarms, next) = PAGES.page(request, wanted.map(AlarmRecord::entry).collect())?;
        Ok(json!({ "MetricAlarms": alarms, "CompositeAlarms": [], "NextToken": next }))
    }
}

impl AlarmRecord {
    fn entry(&self) -> Value {
        let alarm = &self.alarm;
        let seconds = |time| since_epoch(time).as_secs_f64();
        json!({
            "AlarmName": alarm.name,
            "AlarmArn": self.arn,
            "AlarmDescription": alarm.description,
            "AlarmConfigurationUpdatedTimestamp": seconds(self.configured_at),
            "ActionsEnabled": true,
            "OKActions": [],
            "AlarmActions": alarm.actions,
            "InsufficientDataActions": [],
            "StateValue": alarm.state.as_str(),
            "StateReason": alarm.reason,
            "StateUpdatedTimestamp": seconds(self.updated_at),
            "StateTransitionedTimestamp": seconds(self.transitioned_at),
            "Dimensions": [],
        })
    }
}
