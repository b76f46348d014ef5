//! Requests that arrive late, responses that are read late, and records of which a slice does not
//! know whether they arrived.

use std::time::Duration;

use rerole::aws::eks::EKS_CALL_TIMEOUT;
use rerole_sim::{Call, Fault, Options};

use crate::guarantees::{Before, check};
use crate::harness::{Harness, OLD, THIRD, is_update, rotation_event};

/// An update whose connection broke may still arrive. Until then, a Describe shows nothing.
#[tokio::test(start_paused = true)]
async fn an_update_without_a_response_is_waited_for() {
    let harness = Harness::new(Options::default());
    harness.associate("api", OLD);
    let before = Before::of(&harness);
    let mut is_first = true;
    let late = Fault::ArriveLate(Duration::from_secs(3));
    harness.inject(late, move |call| {
        is_update(call) && std::mem::take(&mut is_first)
    });
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 1, "{summary:#}");
    let updates = harness.updates();
    assert_eq!(updates.len(), 1, "it is not sent again");
    let describes = harness.calls("DescribePodIdentityAssociation");
    let is_after = |at| at > updates[0].sent_at;
    let next = describes.iter().find(|record| is_after(record.sent_at));
    let pause = next.unwrap().sent_at.duration_since(updates[0].sent_at);
    let pause = pause.unwrap();
    assert!(pause >= EKS_CALL_TIMEOUT, "{pause:?}");
    check(&harness, &before);
}

/// A process that stands still takes a response for a new one that has been there for long.
#[tokio::test(start_paused = true)]
async fn an_old_response_that_is_read_late_justifies_no_update() {
    let harness = Harness::new(Options::default());
    harness.associate("api", OLD);
    let before = Before::of(&harness);
    let event = rotation_event();
    let describes = || harness.calls("DescribePodIdentityAssociation").len();
    {
        let mut delivery = std::pin::pin!(harness.deliver(&event));
        let is_asked = async {
            while describes() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            response = delivery.as_mut() => panic!("{response:?}"),
            () = is_asked => {}
        }
        // It is not polled meanwhile.
        tokio::time::sleep(Duration::from_secs(10)).await;
        delivery.await.unwrap();
    }
    assert_eq!(describes(), 2, "it is described again");
    assert_eq!(harness.updates().len(), 1);
    check(&harness, &before);
}

/// The record of `Drifted` may arrive late. If the next slice updated the association before, the
/// record would hide that.
#[tokio::test(start_paused = true)]
async fn a_slice_that_may_have_lost_a_record_leaves_its_lease_to_expire() {
    for (moves, keeps_lease) in [(THIRD, true), (OLD, false)] {
        let harness = Harness::new(Options::default());
        let arn = harness.associate("api", OLD);
        harness.set_role(&arn, moves);
        harness.inject(Fault::LoseRequest, is_settlement);
        let response = harness.deliver(&rotation_event()).await;
        assert!(response.is_err(), "{response:?}");
        let rotation = harness.rotation("r-1");
        let has_lease = rotation.get("leaseUntil").is_some();
        assert_eq!(has_lease, keeps_lease, "{rotation:#}");
        assert!(rotation.get("idleSince").is_some(), "the summary is saved");
        harness.aws.clear_hook();
        tokio::time::sleep(Duration::from_mins(1)).await;
        harness.finish(&rotation_event()).await;
    }
}

/// Whether the call settles a row.
fn is_settlement(call: &Call) -> bool {
    let expression = call.body["UpdateExpression"].as_str();
    expression.is_some_and(|text| text.contains("#outcome = :outcome"))
}
