//! Guarantee 2 at its edges: how old a look may be when a write leaves. A whole rotation never gets there by itself, so
//! that these ask the EKS edge directly.

use std::time::Duration;

use rerole::aws::Aws;
use rerole::aws::eks::{OBSERVATION_AGE_MAX, UpdateError};
use rerole::request::RotationId;
use rerole::role_field::RoleFields;
use rerole::time::Timestamp;
use rerole::token::Token;
use rerole_sim::{Fault, Options};

use crate::world::{NEW, OLD, World, settings};

/// Looks at an association, lets `age` pass, and writes. Returns what came of it, with the world.
async fn write_after(age: Duration, fault: Fault) -> (Result<(), UpdateError>, World) {
    let world = World::new(Options::default());
    let arn = world.associate("api", OLD);
    let aws = Aws::new(&settings(&[]), world.aws.http_client(), world.aws.time_source());
    let observed = aws.eks.describe(&arn.parse().unwrap()).await.unwrap().expect("it is there");
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
    let result = aws.eks.update_role(&observed, fields, &NEW.parse().unwrap(), &token).await.map(drop);
    (result, world)
}

/// Shows that an old look justifies nothing: no call is sent.
#[tokio::test(start_paused = true)]
async fn an_old_look_sends_nothing() {
    let (result, world) = write_after(Duration::from_millis(1_100), Fault::None).await;
    assert!(matches!(result, Err(UpdateError::Stale)), "{result:?}");
    assert_eq!(world.updates().len(), 0);
}

/// Shows that even the last retry of the latest write that may begin leaves within five seconds of the look.
#[tokio::test(start_paused = true)]
async fn the_last_retry_leaves_within_the_window() {
    for fault in [Fault::Throttle, Fault::ServerError(503), Fault::FreezeBefore, Fault::LoseAnswer] {
        let (result, world) = write_after(Duration::from_millis(950), fault.clone()).await;
        assert!(matches!(result, Err(UpdateError::Call(_))), "{fault:?}: {result:?}");
        let looked_at = world.calls("DescribePodIdentityAssociation")[0].answered_at.unwrap();
        let updates = world.updates();
        assert!(updates.len() > 1, "{fault:?}: it was tried again");
        for update in updates {
            let age = update.sent_at.duration_since(looked_at).unwrap();
            assert!(age <= OBSERVATION_AGE_MAX, "{fault:?}: an attempt left {age:?} after the look");
        }
    }
}
