//! What EKS answers about the new role: that it does not know it yet, may not be given it, or that
//! the role does not admit the cluster. One association of a region is at risk until EKS has
//! accepted the role there.

use std::time::Duration;

use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_sim::{Call, CallRecord, Fault, Options, Throttle};
use serde_json::json;

use crate::guarantees::{Before, check};
use crate::harness::{
    Harness, INDEX, NEW, OLD, error, event, in_virtual_time, is_describe, is_update, rotation_event,
};

/// EKS answers so to the updates that `is_hit` selects.
fn answer(
    harness: &Harness,
    answer: (u16, &str),
    message: &str,
    is_hit: impl FnMut(&Call) -> bool + Send + 'static,
) {
    let mut is_hit = is_hit;
    harness.inject(error(answer, message), move |call| {
        is_update(call) && is_hit(call)
    });
}

const DENIED: (u16, &str) = (403, "AccessDeniedException");
const PASS_ROLE: &str =
    "User: … is not authorized to perform: iam:PassRole on resource: …/app-2026";
const BAD_TRUST: &str = "Trust policy of the role provided is invalid";

/// Clusters with these numbers of associations on the old role, in `us-east-1`.
fn clusters(counts: &[(&str, usize)]) -> Harness {
    let harness = Harness::calm(0);
    for (cluster, count) in counts {
        add(&harness, "us-east-1", cluster, *count);
    }
    harness
}

fn add(harness: &Harness, region: &str, cluster: &str, count: usize) {
    for number in 0..count {
        let name = format!("app-{number}");
        let arn = harness
            .aws
            .eks(|eks| eks.associate(region, cluster, "shop", &name, OLD));
        harness.aws.index_association(INDEX, &arn);
    }
}

/// Case 1: IAM does not know the permission for a new role yet.
#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_be_passed_yet_is_waited_for() {
    for permission in ["iam:PassRole", "iam:GetRole"] {
        let harness = Harness::calm(40);
        let before = Before::of(&harness);
        let ready_at = harness.aws.now() + Duration::from_secs(20);
        let aws = harness.aws.clone();
        let message = PASS_ROLE.replace("iam:PassRole", permission);
        answer(&harness, DENIED, &message, move |_| aws.now() < ready_at);
        let summary = harness.finish(&rotation_event()).await;
        assert_eq!(summary["status"], "Succeeded", "{summary:#}");
        assert_eq!(summary["counts"]["updated"], 40);
        check(&harness, &before);
    }
}

/// Case 2: the deployer's permissions do not cover the role.
#[tokio::test(start_paused = true)]
async fn a_role_that_may_never_be_passed_stops_the_rotation_with_what_to_grant() {
    let harness = Harness::calm(40);
    let started_at = harness.aws.now();
    answer(&harness, DENIED, PASS_ROLE, |_| true);
    let summary = harness.finish(&rotation_event()).await;
    let took = harness.aws.now().duration_since(started_at).unwrap();
    assert!(
        (Duration::from_mins(2)..Duration::from_mins(3)).contains(&took),
        "{took:?}"
    );
    assert_eq!(summary["status"], "Failed");
    // At most the probe of each region was tried when the rotation stopped.
    assert!(
        summary["counts"]["failed"].as_u64() <= Some(2),
        "{summary:#}"
    );
    let reason = summary["reason"].as_str().unwrap();
    let advice = format!("iam:PassRole and iam:GetRole on {NEW}");
    assert!(reason.contains(&advice), "{reason}");
}

/// Case 4: the role's trust policy admits some clusters only, and one that it does not comes first.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_the_role_does_not_admit_fails_alone() {
    let harness = clusters(&[("a-bad", 1), ("b", 60), ("c", 40)]);
    let before = Before::of(&harness);
    let invalid = (400, "InvalidParameterException");
    answer(&harness, invalid, BAD_TRUST, |call| {
        call.subject.starts_with("a-bad/")
    });
    let summary = harness.finish(&event(&json!({ "maxErrors": "10%" }))).await;
    assert_eq!(summary["status"], "CompletedWithFailures", "{summary:#}");
    assert_eq!(summary["counts"]["updated"], 100);
    assert_eq!(summary["counts"]["failed"], 1);
    let rows = harness.rows("r-1");
    let failed = rows.iter().find(|row| row["outcome"] == "Failed").unwrap();
    assert!(failed["errorMessage"].as_str().unwrap().contains(BAD_TRUST));
    check(&harness, &before);
}

/// The patience with a role is that of all slices together.
#[tokio::test(start_paused = true)]
async fn the_next_slice_continues_to_wait_for_the_role() {
    let harness = Harness::calm(10);
    answer(&harness, DENIED, PASS_ROLE, |_| true);
    let request = rotation_event();
    let first = DEADLINE_RESERVE + Duration::from_secs(80);
    harness.deliver_within(&request, first).await.unwrap_err();
    let started_at = harness.aws.now();
    let summary = harness.finish(&request).await;
    assert_eq!(summary["status"], "Failed", "{summary:#}");
    let took = harness.aws.now().duration_since(started_at).unwrap();
    assert!(took < Duration::from_mins(1), "{took:?}");
}

/// The role admits the last cluster only. All others are asked before it, and each fails alone.
#[tokio::test(start_paused = true)]
async fn each_cluster_is_asked_before_the_role_counts_as_unusable() {
    let names: Vec<String> = (0..25).map(|number| format!("dev-{number}")).collect();
    let mut counts: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    counts.push(("prod", 30));
    let harness = clusters(&counts);
    let invalid = (400, "InvalidParameterException");
    answer(&harness, invalid, BAD_TRUST, |call| {
        call.subject.starts_with("dev-")
    });
    let request = rotation_event();
    let (summary, took) = tokio::join!(harness.finish(&request), harness.time_until_moved(30));
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(summary["status"], "CompletedWithFailures", "{summary:#}");
    assert_eq!(summary["counts"]["updated"], 30);
    assert_eq!(summary["counts"]["failed"], 25);
}

/// One region refuses the role, and the other one has not responded yet. The role may work there.
#[tokio::test(start_paused = true)]
async fn a_role_is_not_unusable_before_each_region_has_responded() {
    let harness = clusters(&[("prod", 3)]);
    add(&harness, "eu-west-1", "prod", 20);
    let started_at = harness.aws.now();
    let aws = harness.aws.clone();
    harness.aws.on_call(move |call| {
        let since_start = aws.now().duration_since(started_at).unwrap();
        let is_down = since_start < Duration::from_mins(4);
        if call.region == "eu-west-1" && call.operation.contains("Association") && is_down {
            Fault::ServerError(503)
        } else if call.region == "us-east-1" && is_update(call) {
            error((400, "InvalidParameterException"), BAD_TRUST)
        } else {
            Fault::None
        }
    });
    // The slice ends with rows of the region that does not respond, and the next one moves them.
    harness.deliver(&rotation_event()).await.unwrap_err();
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 20, "{summary:#}");
    assert_eq!(summary["counts"]["failed"], 3);
}

/// The same, if the role does not admit more than a few.
#[tokio::test(start_paused = true)]
async fn clusters_that_the_role_does_not_admit_count_against_max_errors() {
    let harness = clusters(&[("a-bad", 20), ("b", 20)]);
    let invalid = (400, "InvalidParameterException");
    answer(&harness, invalid, BAD_TRUST, |call| {
        call.subject.starts_with("a-bad/")
    });
    let summary = harness.finish(&event(&json!({ "maxErrors": 3 }))).await;
    assert_eq!(summary["status"], "Failed", "{summary:#}");
    let reason = summary["reason"].as_str().unwrap();
    assert!(reason.contains("more than maxErrors"), "{reason}");
    assert!(summary["counts"]["updated"].as_u64() > Some(0));
}

/// A whole region refuses the role that another one accepts.
#[tokio::test(start_paused = true)]
async fn a_region_that_refuses_the_role_does_not_hold_up_another() {
    let harness = clusters(&[("prod", 50)]);
    add(&harness, "eu-west-1", "prod", 3);
    answer(
        &harness,
        (400, "InvalidParameterException"),
        BAD_TRUST,
        |call| call.region == "eu-west-1",
    );
    let request = rotation_event();
    let (summary, took) = tokio::join!(harness.finish(&request), harness.time_until_moved(50));
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(summary["status"], "CompletedWithFailures", "{summary:#}");
    assert_eq!(summary["counts"]["failed"], 3);
}

/// Case 5: a region is not enabled, or denied by a service control policy.
#[tokio::test(start_paused = true)]
async fn a_denied_region_fails_fast_and_holds_up_no_other() {
    for code in ["UnrecognizedClientException", "AccessDeniedException"] {
        let harness = clusters(&[("prod", 30)]);
        add(&harness, "eu-west-1", "prod", 5);
        let started_at = harness.aws.now();
        let denied = error(
            (403, code),
            "The security token included in the request is invalid.",
        );
        harness.inject(denied, |call| {
            call.region == "eu-west-1"
                && call.subject.contains('/')
                && call.operation.contains("Association")
        });
        let summary = harness.finish(&rotation_event()).await;
        let took = harness.aws.now().duration_since(started_at).unwrap();
        assert!(took < Duration::from_secs(12), "{code}: {took:?}");
        assert_eq!(summary["counts"]["updated"], 30, "{summary:#}");
        assert_eq!(summary["counts"]["failed"], 5);
        let calls = harness.aws.calls();
        let to_region = calls.iter().filter(|record| {
            record.call.region == "eu-west-1" && record.call.operation.contains("Association")
        });
        assert!(to_region.count() <= 5, "{code}");
    }
}

/// A cluster whose endpoint does not respond comes first in its region.
#[test]
fn a_broken_cluster_does_not_hold_up_its_region() {
    for broken in [3, 40] {
        in_virtual_time(async {
            let harness = clusters(&[("a-broken", broken), ("b", 50)]);
            harness.inject(Fault::ServerError(503), |call| {
                call.subject.starts_with("a-broken/")
            });
            let request = rotation_event();
            let (result, took) =
                tokio::join!(harness.deliver(&request), harness.time_until_moved(50));
            result.unwrap_err();
            assert!(took < Duration::from_secs(30), "{broken} broken: {took:?}");
            let failing = &harness.rotation("r-1")["failingSince"];
            let cluster = "arn:aws:eks:us-east-1:111122223333:cluster/a-broken";
            assert!(failing[cluster].is_string(), "{failing:#}");
            harness.aws.clear_hook();
            let summary = harness.finish(&request).await;
            assert_eq!(summary["counts"]["updated"], 50 + broken, "{summary:#}");
        });
    }
}

/// A cluster that was deleted while the index still has its associations comes first in its region.
/// Each of them is described several times, seconds apart, before it counts as deleted.
#[test]
fn a_deleted_cluster_does_not_hold_up_its_region() {
    in_virtual_time(async {
        let harness = clusters(&[("a-deleted", 400), ("b", 50)]);
        harness
            .aws
            .eks(|eks| eks.delete_cluster("us-east-1", "a-deleted"));
        let request = rotation_event();
        let (summary, took) = tokio::join!(harness.finish(&request), harness.time_until_moved(50));
        assert!(took < Duration::from_secs(100), "{took:?}");
        assert_eq!(summary["counts"]["updated"], 50, "{summary:#}");
        assert_eq!(summary["counts"]["deleted"], 400, "{summary:#}");
    });
}

/// EKS does not find the first association of a region, so another one becomes the probe. The first
/// one is found again while the probe's update is in flight.
#[tokio::test(start_paused = true)]
async fn an_association_that_is_found_again_is_not_a_second_probe() {
    let harness = clusters(&[("a", 1), ("b", 1)]);
    let mut is_hidden = true;
    harness.aws.on_call(move |call| {
        if is_describe(call) && call.subject.starts_with("a/") && is_hidden {
            is_hidden = false;
            return error((404, "ResourceNotFoundException"), "No association found");
        }
        if call.subject.starts_with("b/") {
            return Fault::DelayResponse(Duration::from_secs(3));
        }
        Fault::None
    });
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 2, "{summary:#}");
    let calls = harness.aws.calls();
    let update = |cluster| {
        let is_of = |record: &&CallRecord| {
            is_update(&record.call) && record.call.subject.starts_with(cluster)
        };
        calls.iter().find(is_of).expect("both are updated")
    };
    let probe = update("b/");
    let again = |record: &&CallRecord| {
        is_describe(&record.call)
            && record.call.subject.starts_with("a/")
            && probe.sent_at < record.sent_at
            && Some(record.sent_at) < probe.received_at
    };
    assert!(
        calls.iter().any(|record| again(&record)),
        "it is found meanwhile"
    );
    assert!(Some(update("a/").sent_at) >= probe.received_at);
}

/// An association gets errors until its cluster counts as failing, then a throttle, and is settled.
/// The cluster does not count as failing any more, so its others follow in the same slice.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_recovers_is_moved_in_the_same_slice() {
    let harness = Harness::new(Options {
        throttle: Some(Throttle {
            rate_per_sec: 40.0,
            burst: 40.0,
        }),
        ..Options::default()
    });
    add(&harness, "us-east-1", "prod", 200);
    let (mut describes, mut failing) = (0, String::new());
    let (mut errors, mut throttles) = (0, 0);
    harness.aws.on_call(move |call| {
        if is_describe(call) {
            describes += 1;
            if describes == 11 {
                failing.clone_from(&call.subject);
            }
        }
        if call.subject != failing {
            Fault::None
        } else if is_describe(call) && errors < 9 {
            errors += 1;
            Fault::ServerError(503)
        } else if is_update(call) && throttles == 0 {
            throttles += 1;
            Fault::Throttle
        } else {
            Fault::None
        }
    });
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 200, "{summary:#}");
}

/// Another client changes session tags at the moment of an update. It looks like a contradiction.
#[tokio::test(start_paused = true)]
async fn a_concurrent_change_of_another_field_fails_its_row_only() {
    let harness = Harness::calm(100);
    let aws = harness.aws.clone();
    let mut updates = 0;
    harness.aws.on_call(move |call| {
        updates += u32::from(is_update(call));
        if is_update(call) && updates % 25 == 0 {
            let id = call
                .subject
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned();
            aws.eks(|eks| {
                let mut arns = eks.associations().map(|a| a.association_arn.clone());
                let arn = arns.find(|arn| arn.ends_with(&id)).unwrap();
                drop(arns);
                eks.edit(&arn, |association| association.disable_session_tags = true);
            });
        }
        Fault::None
    });
    let summary = harness.finish(&event(&json!({ "maxErrors": "10%" }))).await;
    assert_eq!(summary["status"], "CompletedWithFailures", "{summary:#}");
    assert_eq!(summary["counts"]["failed"], 4);
    assert_eq!(summary["counts"]["updated"], 96);
}
