//! Throttling of EKS calls, and the resolution of its times.

use std::time::Duration;

use aws_sdk_eks::config::retry::RetryConfig;
use aws_sdk_eks::error::ProvideErrorMetadata;
use aws_sdk_eks::primitives::DateTime;
use rerole_sim::{Options, SimulatedAws, Throttle};

use crate::harness::{
    NEW, NO_LATENCY, OneAssociation, REGION, code_of, eks, eks_with, in_virtual_time,
};

#[test]
fn each_account_and_region_has_its_own_bucket() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options {
            throttle: Some(Throttle {
                rate_per_sec: 1.0,
                burst: 2.0,
            }),
            latency: NO_LATENCY,
            ..Options::default()
        });
        let rows = [
            ("111122223333", REGION),
            ("111122223333", "us-east-1"),
            ("444455556666", REGION),
        ];
        for (account, region) in rows {
            let client = eks_with(&aws, account, region, RetryConfig::disabled());
            let mut codes = Vec::new();
            for _ in 0..3 {
                codes.push(code_of(client.list_clusters().send().await));
            }
            let expected = ["", "", "TooManyRequestsException"];
            assert_eq!(codes, expected, "{account} in {region}");
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        let listed = eks(&aws).list_clusters().send().await;
        assert!(listed.is_ok(), "the bucket fills again");
        // The SDK recognizes the throttle and retries.
        let retry = RetryConfig::standard().with_max_attempts(10);
        let retrying = eks_with(&aws, "111122223333", REGION, retry);
        assert!(retrying.list_clusters().send().await.is_ok());
    });
}

#[test]
fn a_bare_throttle_has_no_error_code() {
    in_virtual_time(async {
        let one = OneAssociation::new(Options {
            throttle: Some(Throttle {
                rate_per_sec: 0.001,
                burst: 1.0,
            }),
            bare_throttle: true,
            ..Options::default()
        });
        let first = one.update(NEW).await;
        first.expect("the bucket is full");
        let second = one.update(NEW).await;
        let throttled = second.expect_err("the bucket is empty");
        let status = throttled.raw_response().map(|it| it.status().as_u16());
        assert_eq!((status, throttled.code()), (Some(429), None));
    });
}

#[test]
fn times_can_be_truncated_to_seconds() {
    in_virtual_time(async {
        let one = OneAssociation::new(Options {
            modified_at_resolution: Duration::from_secs(1),
            ..Options::default()
        });
        tokio::time::advance(Duration::from_millis(1500)).await;
        let updated = one.update(NEW).await.expect("a valid update");
        let updated = updated.association.expect("the response has it");
        assert_eq!(updated.modified_at().map(DateTime::subsec_nanos), Some(0));
    });
}
