//! `rerole doctor` and `rerole version`.

use rerole_sim::AlarmState;
use serde_json::Value;

use crate::harness::World;

/// The findings of a check that are not good.
fn bad<'a>(diagnosis: &'a Value, check: &str) -> Vec<&'a str> {
    let findings = diagnosis["findings"].as_array().unwrap().iter();
    let bad = findings.filter(|it| it["check"] == check && it["level"] != "ok");
    bad.map(|it| it["found"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn it_names_what_is_wrong_and_what_to_do() {
    let world = World::with_empty_index().await;
    let queue = world.queue("OnFailureQueueUrl");
    world.sim.send_message(&queue, "{}");
    let alarm = world.sim.alarms().into_iter().next().unwrap();
    world
        .sim
        .set_alarm_state(&alarm.name, AlarmState::Alarm, "for this test");
    let (code, diagnosis) = world.json("doctor").await;
    assert_eq!(code, 3, "{diagnosis:#}");
    assert_eq!(bad(&diagnosis, "index").len(), 2, "{diagnosis:#}");
    assert_eq!(bad(&diagnosis, "queues").len(), 1, "{diagnosis:#}");
    assert!(
        bad(&diagnosis, "alarms")[0].ends_with("fires"),
        "{diagnosis:#}"
    );
    assert_eq!(bad(&diagnosis, "functions"), Vec::<&str>::new());
    assert!(bad(&diagnosis, "changes")[0].contains("eu-west-1 are not forwarded"));
}

#[tokio::test]
async fn version_shows_cli_and_stack() {
    let world = World::with_index().await;
    let (code, version) = world.json("version").await;
    assert_eq!(code, 0);
    assert_eq!(
        (&version["cli"], &version["functions"][0]["name"]),
        (&version["deployed"], &"rotate".into())
    );
}
