//! Hooks: what each fault does to the state, to the log and to the client.

use crate::{NEW, OLD, REGION, dynamodb, eks, in_virtual_time};
use aws_sdk_eks::error::ProvideErrorMetadata;
use rerole_sim::{Fault, Options, Service, SimulatedAws};
use std::time::Duration;

/// Each row is a fault, whether the update took effect, and what the client saw: a status, or 0 for no answer.
#[test]
fn each_fault_does_what_its_name_says() {
    let error = Fault::Error { status: 400, code: "InvalidRequestException".to_owned(), message: "no".to_owned() };
    let rows = [
        (Fault::None, true, 200, None),
        (Fault::FailBefore, false, 0, None),
        (Fault::LoseAnswer, true, 0, None),
        (Fault::Delay(Duration::from_secs(3)), true, 200, None),
        (Fault::DelayAnswer(Duration::from_secs(3)), true, 200, None),
        (Fault::Throttle, false, 429, Some("TooManyRequestsException")),
        (Fault::BareThrottle, false, 429, None),
        (Fault::ServerError(500), false, 500, Some("ServerException")),
        (Fault::ServerError(503), false, 503, Some("ServiceUnavailableException")),
        (error, false, 400, Some("InvalidRequestException")),
        (Fault::FreezeBefore, false, 0, None),
        (Fault::FreezeAfter, true, 0, None),
    ];
    for (fault, is_applied, status, code) in rows {
        in_virtual_time(async {
            let aws = SimulatedAws::new(Options::default());
            let arn = aws.eks(|eks| eks.associate(REGION, "prod", "ns", "sa", OLD));
            let id = aws.eks(|eks| eks.association(&arn).expect("just made").association_id.clone());
            let injected = fault.clone();
            aws.on_call(move |call| {
                assert_eq!(call.index, 0);
                injected.clone()
            });
            let client = eks(&aws);
            let update = client.update_pod_identity_association().cluster_name("prod").association_id(id).role_arn(NEW);
            let result = tokio::time::timeout(Duration::from_mins(1), update.send()).await;
            let (seen, seen_code) = match &result {
                Ok(Ok(_)) => (200, None),
                Ok(Err(error)) => (error.raw_response().map_or(0, |it| it.status().as_u16()), error.code()),
                Err(_) => (0, None),
            };
            assert_eq!((seen, seen_code), (status, code), "{fault:?}");
            assert_eq!(aws.eks(|eks| eks.association_count_on(NEW)) == 1, is_applied, "{fault:?}");
            let record = &aws.calls()[0];
            assert_eq!(record.applied_at.is_some(), is_applied, "{fault:?}");
            assert_eq!(record.answered_at.is_some(), status != 0, "{fault:?}");
        });
    }
}

/// A delay comes before the effect, a delayed answer after it.
#[test]
fn delays_fall_on_their_side_of_the_effect() {
    for (fault, effect_after) in [(Fault::Delay as fn(_) -> _, 10), (Fault::DelayAnswer as fn(_) -> _, 0)] {
        in_virtual_time(async {
            let aws = SimulatedAws::new(Options { latency: Duration::ZERO..=Duration::ZERO, ..Options::default() });
            aws.on_call(move |_| fault(Duration::from_secs(10)));
            eks(&aws).list_clusters().send().await.expect("delayed, not refused");
            let record = &aws.calls()[0];
            let after = |time: Option<std::time::SystemTime>| {
                time.expect("it happened").duration_since(record.sent_at).expect("time goes forward").as_secs()
            };
            assert_eq!((after(record.applied_at), after(record.answered_at)), (effect_after, 10));
        });
    }
}

/// A client that gives up before the effect leaves nothing; `frozen` tells when a call hangs; a hook may change the world.
#[test]
fn a_dropped_call_applies_nothing_and_a_frozen_one_is_reported() {
    in_virtual_time(async {
        let second = Duration::from_secs(1);
        let aws = SimulatedAws::new(Options { latency: second..=second, ..Options::default() });
        let arn = aws.eks(|eks| eks.associate(REGION, "prod", "ns", "sa", OLD));
        let id = aws.eks(|eks| eks.association(&arn).expect("just made").association_id.clone());
        let client = eks(&aws);
        let update = || client.update_pod_identity_association().cluster_name("prod").association_id(&id).role_arn(NEW);
        let patience = |millis| tokio::time::timeout(Duration::from_millis(millis), update().send());
        assert!(patience(400).await.is_err());
        assert_eq!(aws.eks(|eks| eks.association_count_on(NEW)), 0);
        assert!(patience(900).await.is_err());
        assert_eq!(aws.eks(|eks| eks.association_count_on(NEW)), 1, "after the effect it is done");
        let world = aws.clone();
        aws.on_call(move |call| {
            assert_eq!((call.service, call.operation.as_str()), (Service::Eks, "UpdatePodIdentityAssociation"));
            let now = world.now();
            world.eks(|eks| eks.set_role(&arn, OLD, now));
            Fault::FreezeAfter
        });
        tokio::select! {
            _ = update().send() => panic!("a frozen call does not end"),
            () = aws.frozen() => {}
        }
        assert_eq!(aws.eks(|eks| eks.association_count_on(NEW)), 1, "moved back by the hook, then by the call");
        let counts = aws.call_counts();
        assert_eq!(counts[&(Service::Eks, "UpdatePodIdentityAssociation".to_owned())], 3);
        aws.clear_calls();
        assert!(aws.calls().is_empty() && aws.call_counts().is_empty());
    });
}

/// DynamoDB's own words for a throttle and a server error; calls name their table and key.
#[test]
fn dynamodb_faults_speak_dynamodb() {
    let rows = [
        (Fault::Throttle, 400, Some("ProvisionedThroughputExceededException")),
        (Fault::BareThrottle, 429, None),
        (Fault::ServerError(500), 500, Some("InternalServerError")),
    ];
    for (fault, status, code) in rows {
        in_virtual_time(async {
            let aws = SimulatedAws::new(Options::default());
            aws.create_tables("Index", "Ledger");
            let injected = fault.clone();
            aws.on_call(move |call| {
                assert_eq!(call.subject, "Ledger/r/rotation");
                injected.clone()
            });
            let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
            let get = dynamodb(&aws).get_item().table_name("Ledger").key("rotationId", text("r"));
            let error = get.key("entry", text("rotation")).send().await.expect_err("it was injected");
            assert_eq!(error.raw_response().map(|it| it.status().as_u16()), Some(status));
            assert_eq!(aws_sdk_dynamodb::error::ProvideErrorMetadata::code(&error), code, "{fault:?}");
        });
    }
}
