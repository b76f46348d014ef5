//! The same handlers through a socket, with the SDK's HTTP client. Real time: latencies are zero and nothing is measured.

use crate::REGION;
use aws_credential_types::Credentials;
use aws_sdk_eks::config::retry::RetryConfig;
use aws_sdk_eks::config::{BehaviorVersion, Region};
use aws_sdk_eks::error::ProvideErrorMetadata;
use rerole_sim::{Fault, Options, SimulatedAws};
use std::time::Duration;

/// A name that needs encoding, an error, a broken connection before and after the effect, and a shutdown.
#[test]
fn the_loopback_door_opens_on_the_same_room() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let aws = SimulatedAws::new(Options { latency: Duration::ZERO..=Duration::ZERO, ..Options::default() });
        aws.eks(|eks| eks.associate(REGION, "prod eu", "ns", "sa", crate::OLD));
        let server = aws.serve().await.expect("loopback has a free port");
        let config = aws_sdk_eks::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(server.url())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let client = aws_sdk_eks::Client::from_conf(config);
        let listed = client.list_pod_identity_associations().cluster_name("prod eu").send().await.expect("it exists");
        assert_eq!(listed.associations().len(), 1);
        let missing = client.describe_cluster().name("absent").send().await.expect_err("no such cluster");
        assert_eq!(missing.code(), Some("ResourceNotFoundException"));
        let id = listed.associations()[0].association_id().expect("it has an id").to_owned();
        for (fault, is_applied) in [(Fault::FailBefore, false), (Fault::LoseAnswer, true)] {
            aws.on_call(move |_| fault.clone());
            let update = client.update_pod_identity_association().cluster_name("prod eu").association_id(&id);
            let error = update.role_arn(crate::NEW).send().await.expect_err("the connection broke");
            assert!(error.raw_response().is_none(), "{error:?}");
            assert_eq!(aws.eks(|eks| eks.association_count_on(crate::NEW)) == 1, is_applied);
        }
        aws.clear_hook();
        assert!(client.list_clusters().send().await.is_ok());
        server.shutdown().await;
        assert!(client.list_clusters().send().await.is_err(), "nobody listens");
    });
}
