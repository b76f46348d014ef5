//! What each fault does to the state, to the log and to the client.

use std::time::{Duration, SystemTime};

use aws_sdk_eks::error::ProvideErrorMetadata;
use rerole_sim::{Fault, Options, Service, SimulatedAws};

use crate::harness::{NEW, NO_LATENCY, OLD, OneAssociation, dynamodb, eks, in_virtual_time, text};

#[test]
fn each_fault_does_what_its_name_says() {
    for (fault, is_applied, status, code) in faults() {
        in_virtual_time(async {
            let one = OneAssociation::new(Options::default());
            let injected = fault.clone();
            one.aws.on_call(move |call| {
                assert_eq!(call.index, 0);
                injected.clone()
            });
            let update = one.update(NEW);
            let result = tokio::time::timeout(Duration::from_mins(1), update).await;
            let error = result.as_ref().map(|result| result.as_ref().err());
            let seen = match error {
                Ok(None) => (200, None),
                Ok(Some(error)) => {
                    let response = error.raw_response();
                    (response.map_or(0, |it| it.status().as_u16()), error.code())
                }
                Err(_) => (0, None),
            };
            assert_eq!(seen, (status, code), "{fault:?}");
            assert_eq!(one.count_on(NEW) == 1, is_applied, "{fault:?}");
            let record = &one.aws.calls()[0];
            assert_eq!(record.applied_at.is_some(), is_applied, "{fault:?}");
            assert_eq!(record.received_at.is_some(), status != 0, "{fault:?}");
        });
    }
}

/// Each fault with whether the update takes effect, and what the client sees: a status, or 0
/// without a response, and an error code.
fn faults() -> Vec<(Fault, bool, u16, Option<&'static str>)> {
    let three_secs = Duration::from_secs(3);
    let throttled = Some("TooManyRequestsException");
    let unavailable = Some("ServiceUnavailableException");
    let invalid = Fault::Error {
        status: 400,
        code: "InvalidRequestException".to_owned(),
        message: "no".to_owned(),
    };
    vec![
        (Fault::None, true, 200, None),
        (Fault::LoseRequest, false, 0, None),
        (Fault::LoseResponse, true, 0, None),
        (Fault::Delay(three_secs), true, 200, None),
        (Fault::DelayResponse(three_secs), true, 200, None),
        (Fault::Throttle, false, 429, throttled),
        (Fault::BareThrottle, false, 429, None),
        (Fault::ServerError(500), false, 500, Some("ServerException")),
        (Fault::ServerError(503), false, 503, unavailable),
        (invalid, false, 400, Some("InvalidRequestException")),
        (Fault::FreezeBefore, false, 0, None),
        (Fault::FreezeAfter, true, 0, None),
    ]
}

#[test]
fn a_delay_is_before_the_effect_and_a_delayed_response_after_it() {
    let rows = [(Fault::Delay as fn(_) -> _, 10), (Fault::DelayResponse, 0)];
    for (fault, effect_after_secs) in rows {
        in_virtual_time(async {
            let aws = SimulatedAws::new(Options {
                latency: NO_LATENCY,
                ..Options::default()
            });
            aws.on_call(move |_| fault(Duration::from_secs(10)));
            let listed = eks(&aws).list_clusters().send().await;
            listed.expect("delayed, not refused");
            let record = &aws.calls()[0];
            let after_secs = |time: Option<SystemTime>| {
                let time = time.expect("the call was completed");
                let after = time.duration_since(record.sent_at);
                after.expect("time goes forward").as_secs()
            };
            assert_eq!(after_secs(record.applied_at), effect_after_secs);
            assert_eq!(after_secs(record.received_at), 10);
        });
    }
}

#[test]
fn a_call_is_applied_unless_the_client_drops_it_before_its_effect() {
    in_virtual_time(async {
        let second = Duration::from_secs(1);
        let one = OneAssociation::new(Options {
            latency: second..=second,
            ..Options::default()
        });
        for (timeout_ms, applied) in [(400, 0), (900, 1)] {
            let timeout = Duration::from_millis(timeout_ms);
            let result = tokio::time::timeout(timeout, one.update(NEW)).await;
            assert!(result.is_err(), "{timeout_ms} ms are too short");
            assert_eq!(one.count_on(NEW), applied, "after {timeout_ms} ms");
        }
    });
}

/// The hook moves the association back before the call takes effect.
#[test]
fn a_frozen_call_is_reported_and_a_hook_can_change_the_state() {
    in_virtual_time(async {
        let one = OneAssociation::new(Options::default());
        one.update(NEW).await.expect("a valid update");
        let (aws, arn) = (one.aws.clone(), one.arn.clone());
        one.aws.on_call(move |call| {
            assert_eq!(call.service, Service::Eks);
            assert_eq!(call.operation, "UpdatePodIdentityAssociation");
            let now = aws.now();
            aws.eks(|eks| eks.set_role(&arn, OLD, now));
            assert_eq!(aws.eks(|eks| eks.association_count_on(NEW)), 0);
            Fault::FreezeAfter
        });
        tokio::select! {
            _ = one.update(NEW) => panic!("a frozen call does not end"),
            () = one.aws.wait_for_frozen_call() => {}
        }
        assert_eq!(one.count_on(NEW), 1, "moved back, then updated");
    });
}

#[test]
fn calls_are_counted_until_they_are_cleared() {
    in_virtual_time(async {
        let one = OneAssociation::new(Options::default());
        for _ in 0..3 {
            one.update(NEW).await.expect("a valid update");
        }
        let operation = (Service::Eks, "UpdatePodIdentityAssociation".to_owned());
        assert_eq!(one.aws.call_counts()[&operation], 3);
        one.aws.clear_calls();
        assert!(one.aws.calls().is_empty() && one.aws.call_counts().is_empty());
    });
}

#[test]
fn faults_of_dynamodb_have_its_codes_and_calls_name_table_and_key() {
    let throttled = Some("ProvisionedThroughputExceededException");
    let rows = [
        (Fault::Throttle, 400, throttled),
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
            let get = dynamodb(&aws).get_item().table_name("Ledger");
            let get = get.key("rotationId", text("r"));
            let result = get.key("entry", text("rotation")).send().await;
            let error = result.expect_err("it was injected");
            let seen = error.raw_response().map(|it| it.status().as_u16());
            assert_eq!(seen, Some(status), "{fault:?}");
            assert_eq!(error.code(), code, "{fault:?}");
        });
    }
}

#[test]
fn the_log_of_one_service_has_the_whole_of_its_calls_and_no_others() {
    in_virtual_time(async {
        let one = OneAssociation::new(Options {
            log_only: Some(Service::Eks),
            ..Options::default()
        });
        one.aws.create_tables("Index", "Ledger");
        let tables = dynamodb(&one.aws).list_tables().send().await;
        tables.unwrap();
        one.update(NEW).await.unwrap();
        let calls = one.aws.calls();
        let seen: Vec<_> = calls
            .iter()
            .map(|it| (it.call.service, it.call.index, it.status))
            .collect();
        assert_eq!(seen, [(Service::Eks, 1, Some(200))]);
        assert_eq!(one.aws.call_counts().len(), 2);
    });
}
