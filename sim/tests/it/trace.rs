//! One seed, one trace: all calls, including those of the SDK clients, are the same in each run.

use aws_sdk_eks::config::retry::RetryConfig;
use futures_util::stream::{self, StreamExt};
use rerole_sim::fleet::Fleet;
use rerole_sim::{Association, Options, SimulatedAws, Throttle};

use crate::harness::{NEW, REGION, dynamodb, eks_with, in_virtual_time, text};

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let (first, calls) = trace(7);
    assert!(
        calls > 120,
        "two calls for each association, and some were throttled: {calls}"
    );
    for _ in 0..3 {
        assert_eq!(trace(7).0, first, "seed 7 again");
    }
    for seed in 8..12 {
        assert_ne!(trace(seed).0, first, "seed {seed}");
    }
}

/// Does what a rotation does: updates 60 associations against a throttle, 8 at a time, and records
/// each in DynamoDB. Returns the hash and the number of calls.
fn trace(seed: u64) -> (u64, usize) {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options {
            seed,
            throttle: Some(Throttle {
                rate_per_sec: 20.0,
                burst: 10.0,
            }),
            dynamodb_throttle_share: 0.05,
            ..Options::default()
        });
        let associations = build_fleet(&aws);
        // The SDK draws its backoff from this thread's generator.
        fastrand::seed(seed);
        let retry = RetryConfig::standard().with_max_attempts(4);
        let client = eks_with(&aws, "111122223333", REGION, retry);
        let ledger = dynamodb(&aws);
        stream::iter(associations)
            .map(|association| update_and_record(client.clone(), ledger.clone(), association))
            .buffer_unordered(8)
            .collect::<Vec<()>>()
            .await;
        (aws.trace_hash(), aws.calls().len())
    })
}

/// Returns the associations on the old role.
fn build_fleet(aws: &SimulatedAws) -> Vec<Association> {
    aws.create_tables("Index", "Ledger");
    let fleet = Fleet {
        associations: 100,
        rotating: 60,
        regions: vec![REGION.to_owned()],
        ..Fleet::default()
    };
    let rotating = fleet.build(aws, "Index").rotating;
    let association = |arn: &String| aws.eks(|eks| eks.association(arn).cloned());
    rotating.iter().filter_map(association).collect()
}

async fn update_and_record(
    client: aws_sdk_eks::Client,
    ledger: aws_sdk_dynamodb::Client,
    association: Association,
) {
    let id = &association.association_id;
    let _ = client
        .update_pod_identity_association()
        .cluster_name(&association.cluster_name)
        .association_id(id)
        .client_request_token(format!("{id:x>64}"))
        .role_arn(NEW)
        .send()
        .await;
    let _ = ledger
        .put_item()
        .table_name("Ledger")
        .item("rotationId", text("r"))
        .item("entry", text(id))
        .send()
        .await;
}
