//! Alarms and their states.

use std::time::Duration;

use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use rerole_sim::{Alarm, AlarmState, Fault, SimulatedAws};

use crate::harness::{at_home, cloudwatch, code_of, in_virtual_time};

const START_SECS: i64 = 1_795_467_600;

fn with_alarms(names: &[&str]) -> (SimulatedAws, aws_sdk_cloudwatch::Client) {
    let aws = at_home();
    for name in names {
        aws.create_alarm(Alarm {
            name: (*name).to_owned(),
            description: format!("about {name}"),
            actions: vec!["arn:aws:sns:eu-west-1:111122223333:pages".to_owned()],
            state: AlarmState::Ok,
            reason: "below the threshold".to_owned(),
        });
    }
    let client = cloudwatch(&aws);
    (aws, client)
}

fn names(alarms: &[MetricAlarm]) -> Vec<&str> {
    alarms.iter().filter_map(MetricAlarm::alarm_name).collect()
}

#[test]
fn an_alarm_keeps_its_state_until_it_is_set() {
    in_virtual_time(async {
        let (aws, client) = with_alarms(&["lag"]);
        tokio::time::sleep(Duration::from_mins(1)).await;
        aws.set_alarm_state("lag", AlarmState::Alarm, "above");
        let described = client.describe_alarms().send().await.unwrap();
        let alarm = &described.metric_alarms()[0];
        assert_eq!(alarm.alarm_description(), Some("about lag"));
        let arn = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:lag";
        assert_eq!(alarm.alarm_arn(), Some(arn));
        assert_eq!(alarm.alarm_actions().len(), 1);
        assert_eq!(alarm.state_value(), Some(&StateValue::Alarm));
        assert_eq!(alarm.state_reason(), Some("above"));
        let updated = alarm.state_updated_timestamp().expect("it has a time");
        assert_eq!(updated.secs(), START_SECS + 60);

        let set = client.set_alarm_state().alarm_name("lag");
        let set = set.state_value(StateValue::Ok).state_reason("a test");
        set.send().await.expect("it exists");
        assert_eq!(aws.alarms()[0].state, AlarmState::Ok);
        assert_eq!(aws.alarms()[0].reason, "a test");
    });
}

#[test]
fn alarms_are_listed_by_name_prefix_and_state_in_pages() {
    in_virtual_time(async {
        let (aws, client) = with_alarms(&["a-1", "a-2", "b"]);
        let by_name = client.describe_alarms().alarm_names("b").alarm_names("c");
        let by_name = by_name.send().await.unwrap();
        assert_eq!(names(by_name.metric_alarms()), ["b"]);
        let by_prefix = client.describe_alarms().alarm_name_prefix("a-");
        let by_prefix = by_prefix.send().await.unwrap();
        assert_eq!(names(by_prefix.metric_alarms()), ["a-1", "a-2"]);
        aws.set_alarm_state("a-2", AlarmState::Alarm, "");
        let firing = client.describe_alarms().state_value(StateValue::Alarm);
        let firing = firing.send().await.unwrap();
        assert_eq!(names(firing.metric_alarms()), ["a-2"]);
        let page = client
            .describe_alarms()
            .max_records(2)
            .send()
            .await
            .unwrap();
        assert_eq!(names(page.metric_alarms()), ["a-1", "a-2"]);
        let next = client.describe_alarms().set_next_token(page.next_token);
        let next = next.send().await.unwrap();
        assert_eq!(
            (names(next.metric_alarms()), next.next_token()),
            (vec!["b"], None)
        );
    });
}

#[test]
fn errors_have_the_codes_of_cloudwatch() {
    in_virtual_time(async {
        let (aws, client) = with_alarms(&[]);
        let set = client.set_alarm_state().alarm_name("absent");
        let set = set.state_value(StateValue::Ok).state_reason("a test");
        assert_eq!(code_of(set.send().await), "ResourceNotFound");
        let dashboards = client.list_dashboards().send().await;
        assert_eq!(code_of(dashboards), "UnknownOperationException");
        aws.on_call(|_| Fault::Throttle);
        let throttled = client.describe_alarms().send().await;
        assert_eq!(code_of(throttled), "Throttling");
    });
}
