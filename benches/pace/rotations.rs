//! Whole rotations in virtual time: the rotate function's own handler, which describes and updates
//! each association, against the simulated EKS. One seed gives one run.

use std::time::{Duration, SystemTime};

use rerole::lambda::invocation::Invocation;
use rerole::lambda::metrics::Metrics;
use rerole::rotate::error::RotateError;
use rerole::rotate::handler::RotateHandler;
use rerole::rotate::response::RotateResponse;
use rerole::settings::RotateSettings;
use rerole_core::resource::OwnAccount;
use rerole_core::timestamp::Timestamp;
use rerole_sim::{Buckets, Options, Service, SimulatedAws, Throttle};
use serde_json::Value;

use super::callers::{
    DROPPING_REGION, Run, create_fleet, decisions, drop_rate, in_virtual_time, send_calls_of_others,
};
use super::cases::RateDrop;
use super::rotation_cases::{RotationCase, RotationRun, STEADY_REGION};

const INDEX: &str = "association-index";
const LEDGER: &str = "rotation-ledger";
const ACCESS_KEY: &str = "rotate";
/// Lambda's longest timeout.
const TIMEOUT: Duration = Duration::from_mins(15);
/// How often to look for the first call.
const FIRST_CALL_POLL: Duration = Duration::from_millis(20);
/// A rotation that needs more deliveries than this does not finish.
const DELIVERIES_MAX: usize = 100;

/// Plays the case.
pub fn play_rotation(case: &RotationCase, buckets: Buckets, seed: u64) -> RotationRun {
    in_virtual_time(seed, run(case, buckets, seed))
}

async fn run(rotation: &RotationCase, buckets: Buckets, seed: u64) -> RotationRun {
    let case = &rotation.case;
    let aws = SimulatedAws::new(Options {
        seed,
        eks_latency: Some(case.latency()),
        throttle: Some(case.throttle),
        buckets,
        ..Options::default()
    });
    aws.create_tables(INDEX, LEDGER);
    aws.complete_index(LEDGER, &["eu-west-1", "us-east-1"]);
    let ids = create_fleet(&aws, DROPPING_REGION, case.associations);
    create_fleet(&aws, STEADY_REGION, rotation.steady_region);
    index_all(&aws);
    if let Some(rate_drop) = case.rate_drop {
        tokio::spawn(drop_rate_of_rotation(aws.clone(), case.throttle, rate_drop));
    }
    if case.others_per_sec > 0.0 {
        let id = ids[0].clone();
        tokio::spawn(send_calls_of_others(
            aws.clone(),
            id,
            case.others_per_sec,
            seed,
        ));
    }
    let settings = settings();
    let metrics = Metrics::new("rotate".to_owned(), |_| {});
    let handler = RotateHandler::new(&settings, aws.http_client(), aws.time_source(), metrics);
    let updated = rotate(&aws, &handler).await;
    let associations = case.associations + rotation.steady_region;
    assert_eq!(updated, u64::from(associations), "{}", case.name);
    rotation_run(&aws)
}

/// Delivers the event until the rotation is finished, as Lambda and the state machine do. Returns
/// how many associations were updated.
async fn rotate(aws: &SimulatedAws, handler: &RotateHandler) -> u64 {
    for _ in 0..DELIVERIES_MAX {
        let invocation = Invocation {
            request_id: "7c7b9b4e-6c2a-4a8f-9d0a-2f1f5b1d9e11".to_owned(),
            own_account: Some(OwnAccount {
                partition: "aws".to_owned(),
                account: Options::default().account,
            }),
            deadline: Timestamp::from(aws.now()) + TIMEOUT,
        };
        match handler.handle(&event(), &invocation).await {
            Ok(RotateResponse::Finished(summary)) => return summary.counts.updated,
            // Out of time. The next delivery resumes the rotation.
            Err(RotateError::Incomplete { .. }) => {}
            other => panic!("the rotation does not finish: {other:?}"),
        }
    }
    panic!("the rotation is not finished after {DELIVERIES_MAX} deliveries");
}

/// The calls of the rotation to EKS, from the first one on. What comes before it, reading the index
/// and writing the plan, does not depend on the rate.
fn rotation_run(aws: &SimulatedAws) -> RotationRun {
    let calls = aws.calls();
    let calls: Vec<_> = calls
        .iter()
        .filter(|record| record.call.operation.ends_with("PodIdentityAssociation"))
        .filter(|record| record.call.access_key == ACCESS_KEY)
        .collect();
    let started_at = calls.iter().map(|record| record.sent_at).min();
    let started_at = started_at.unwrap_or(SystemTime::UNIX_EPOCH);
    let received = calls.iter().filter_map(|record| record.received_at).max();
    let took = received.map(|at| at.duration_since(started_at).unwrap_or_default());
    let in_dropping_region = calls
        .iter()
        .filter(|record| record.call.region == DROPPING_REGION);
    RotationRun {
        dropping_region: decisions(in_dropping_region.copied(), started_at),
        run: Run {
            took: took.unwrap_or_default(),
            failed: 0,
            calls: decisions(calls, started_at),
        },
    }
}

/// Lowers the rate of the bucket for a while, counted from the rotation's first call to EKS.
async fn drop_rate_of_rotation(aws: SimulatedAws, throttle: Throttle, rate_drop: RateDrop) {
    let describe = (Service::Eks, "DescribePodIdentityAssociation".to_owned());
    while !aws.call_counts().contains_key(&describe) {
        tokio::time::sleep(FIRST_CALL_POLL).await;
    }
    drop_rate(aws, throttle, rate_drop).await;
}

fn index_all(aws: &SimulatedAws) {
    let arns: Vec<String> = aws.eks(|eks| {
        eks.associations()
            .map(|association| association.association_arn.clone())
            .collect()
    });
    for arn in arns {
        aws.index_association(INDEX, &arn);
    }
}

fn settings() -> RotateSettings {
    let lookup = |name: &str| {
        let value = match name {
            "ASSOCIATION_INDEX_TABLE" => INDEX,
            "ROTATION_LEDGER_TABLE" => LEDGER,
            "ROLE_PATH" => "/platform/",
            "ROTATION_EVENT_SOURCE" => "platform.iam",
            "INDEX_REGIONS" => "eu-west-1,us-east-1",
            "AWS_REGION" => "us-east-1",
            "AWS_ACCESS_KEY_ID" => ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY" => "bench",
            "RATE_SHARE" => "100",
            _ => return None,
        };
        Some(value.to_owned())
    };
    RotateSettings::from_lookup(lookup).expect("the settings are valid")
}

/// The sample event, which has the roles of the fleet.
fn event() -> Value {
    let event = include_str!("../../events/role-rotation-requested.json");
    serde_json::from_str(event).expect("the sample is an event")
}
