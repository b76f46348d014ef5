//! Guarantee 2 at its limits: how old an observation may be when the update is sent. A whole
//! rotation never reaches these limits, so these tests call the EKS client of rerole directly.

use std::time::Duration;

use rerole::aws::CONNECT_TIMEOUT;
use rerole::aws::eks::{OBSERVATION_AGE_MAX, UpdateError};
use rerole_core::resource::RoleFields;
use rerole_core::rotation::{Token, Update};
use rerole_core::timestamp::Timestamp;
use rerole_sim::{Fault, Options};
use tokio::time::Instant;

use crate::harness::{Harness, NEW, OLD, is_update};

/// Describes an association, waits for `age`, and updates it. `fault` hits the update.
async fn update_after(age: Duration, fault: Fault) -> (Result<(), UpdateError>, Harness) {
    let harness = Harness::new(Options::default());
    let arn = harness.associate("api", OLD);
    let aws = harness.clients();
    let in_a_minute = Instant::now() + Duration::from_mins(1);
    let observed = aws
        .eks
        .describe(&arn.parse().unwrap(), in_a_minute)
        .await
        .unwrap()
        .expect("the association exists");
    tokio::time::sleep(age).await;
    harness.inject(fault, is_update);
    let token = Token::new(
        &"r-1".parse().unwrap(),
        &arn.parse().unwrap(),
        Timestamp::from_millis(0),
        &[("roleArn", NEW)],
        0,
    );
    let fields = RoleFields::naming(&OLD.parse().unwrap(), OLD, None);
    let update = Update { token, fields };
    let permit = aws
        .eks
        .acquire_update("us-east-1", in_a_minute)
        .await
        .expect("no call was throttled");
    let result = aws
        .eks
        .update_role(permit, &observed, &update, &NEW.parse().unwrap())
        .await
        .map(drop);
    (result, harness)
}

#[tokio::test(start_paused = true)]
async fn an_old_observation_sends_no_update() {
    let (result, harness) = update_after(Duration::from_millis(3_100), Fault::None).await;
    assert!(matches!(result, Err(UpdateError::Stale(_))), "{result:?}");
    assert_eq!(harness.updates().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_latest_update_is_sent_within_the_window_and_only_once() {
    for fault in [
        Fault::Throttle,
        Fault::ServerError(503),
        Fault::FreezeBefore,
        Fault::LoseResponse,
    ] {
        let (result, harness) = update_after(Duration::from_millis(2_950), fault.clone()).await;
        assert!(
            matches!(result, Err(UpdateError::Call(_))),
            "{fault:?}: {result:?}"
        );
        let observed_at = harness.calls("DescribePodIdentityAssociation")[0]
            .received_at
            .unwrap();
        let updates = harness.updates();
        assert_eq!(updates.len(), 1, "{fault:?}: the SDK must not retry it");
        let age = updates[0].sent_at.duration_since(observed_at).unwrap();
        // The simulation makes no connections. On AWS, one may take up to `CONNECT_TIMEOUT`.
        assert!(
            age + CONNECT_TIMEOUT <= OBSERVATION_AGE_MAX,
            "{fault:?}: sent {age:?} after the observation"
        );
    }
}
