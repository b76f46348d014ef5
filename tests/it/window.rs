//! Guarantee 2 at its edges: how old a look may be when a write leaves. A whole rotation never gets there by itself, so
//! that these ask the EKS edge directly.

use std::time::Duration;

use rerole::aws::eks::{OBSERVATION_AGE_MAX, UpdateError};
use rerole::aws::{Aws, CONNECT_TIMEOUT};
use rerole::request::RotationId;
use rerole::role_field::RoleFields;
use rerole::time::Timestamp;
use rerole::token::Token;
use rerole_sim::{Fault, Options};
use tokio::time::Instant;

use crate::world::{NEW, OLD, World, settings};

/// Looks at an association, lets `age` pass, and writes. Returns what came of it, with the world.
async fn write_after(age: Duration, fault: Fault) -> (Result<(), UpdateError>, World) {
    let world = World::new(Options::default());
    let arn = world.associate("api", OLD);
    let aws = Aws::new(&settings(&[]), world.aws.http_client(), world.aws.time_source());
    let in_a_minute = Instant::now() + Duration::from_mins(1);
    let observed = aws.eks.describe(&arn.parse().unwrap(), in_a_minute).await.unwrap().expect("it is there");
    tokio::time::sleep(age).await;
    world.aws.on_call(
        move |call| {
            if call.operation == "UpdatePodIdentityAssociation" { fault.clone() } else { Fault::None }
        },
    );
    let token = Token::new(
        &RotationId::new("r-1").unwrap(),
        &arn.parse().unwrap(),
        Timestamp::from_millis(0),
        &[("roleArn", NEW)],
        0,
    );
    let fields = RoleFields::naming(&OLD.parse().unwrap(), OLD, None);
    let turn = aws.eks.update_turn("us-east-1", in_a_minute).await.expect("nothing is throttled");
    let result = aws.eks.update_role(turn, &observed, fields, &NEW.parse().unwrap(), &token).await.map(drop);
    (result, world)
}

/// Shows that an old look justifies nothing: no call is sent.
#[tokio::test(start_paused = true)]
async fn an_old_look_sends_nothing() {
    let (result, world) = write_after(Duration::from_millis(3_100), Fault::None).await;
    assert!(matches!(result, Err(UpdateError::Stale(_))), "{result:?}");
    assert_eq!(world.updates().len(), 0);
}

/// Shows that the latest write that may begin leaves within five seconds of the look, and that the SDK repeats none.
#[tokio::test(start_paused = true)]
async fn the_latest_write_leaves_within_the_window() {
    for fault in [Fault::Throttle, Fault::ServerError(503), Fault::FreezeBefore, Fault::LoseAnswer] {
        let (result, world) = write_after(Duration::from_millis(2_950), fault.clone()).await;
        assert!(matches!(result, Err(UpdateError::Call(_))), "{fault:?}: {result:?}");
        let looked_at = world.calls("DescribePodIdentityAssociation")[0].answered_at.unwrap();
        let updates = world.updates();
        assert_eq!(updates.len(), 1, "{fault:?}: it is sent once");
        let age = updates[0].sent_at.duration_since(looked_at).unwrap();
        // In the simulation there is no connection to be made, which is what the rest of the time is for.
        assert!(age + CONNECT_TIMEOUT <= OBSERVATION_AGE_MAX, "{fault:?}: it left {age:?} after the look");
    }
}
