//! The file with the environment of a function that runs beside the demo.

use crate::demo::flags::{DemoFlags, DemoPlan};
use crate::playground::Playground;

const ENVIRONMENT: &str = include_str!("../../demo.env");
/// What the demo does not give its own function in the same form.
const OF_OUTSIDE: [&str; 2] = ["AWS_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY"];

#[tokio::test]
async fn a_function_beside_the_demo_has_the_settings_of_the_stack() {
    let flags = DemoFlags {
        clusters: 1,
        associations: 1,
        ..DemoFlags::default()
    };
    let plan = DemoPlan::try_from(&flags).unwrap();
    let playground = Playground::start(&plan.playground()).await.unwrap();
    let of_stack = playground.deployment.environment("RotateFunction");
    let lines = ENVIRONMENT.lines().filter(|line| !line.starts_with('#'));
    let mut compared = 0;
    for (name, value) in lines.filter_map(|line| line.split_once('=')) {
        if !OF_OUTSIDE.contains(&name) {
            assert_eq!(
                of_stack.get(name).map(String::as_str),
                Some(value),
                "{name}"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 8);
}
