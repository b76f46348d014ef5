//! Where the clients send their calls, by the environment variables.

use std::sync::{Arc, Mutex};

use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use rerole::aws::Aws;
use rerole_core::indexing::ItemRules;
use rerole_core::resource::AssociationArn;
use rerole_core::state_machine::Execution;
use rerole_core::timestamp::Timestamp;
use tokio::time::Instant;

use crate::common::environment::settings;
use crate::harness::STATE_MACHINE;

/// A connector that notes the host of each request and reaches none.
#[derive(Clone, Debug, Default)]
struct Hosts(Arc<Mutex<Vec<String>>>);

impl HttpConnector for Hosts {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (_, rest) = request.uri().split_once("://").unwrap();
        let host = rest.split('/').next().unwrap().to_owned();
        self.0.lock().unwrap().push(host);
        HttpConnectorFuture::ready(Err(ConnectorError::user("there is no network".into())))
    }
}

/// The hosts of one call to each service: EKS in this region, DynamoDB, and Step Functions.
async fn hosts(region: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let mut all = vec![("STATE_MACHINE_ARN", STATE_MACHINE)];
    all.extend(variables);
    let hosts = Hosts::default();
    let clock = SharedTimeSource::new(SystemTimeSource::new());
    let connector = SharedHttpConnector::new(hosts.clone());
    let client = http_client_fn(move |_, _| connector.clone());
    let aws = Aws::new(&settings(&all), client, clock);
    let arn = format!("arn:aws:eks:{region}:111122223333:podidentityassociation/prod/a-1");
    let arn: AssociationArn = arn.parse().unwrap();
    aws.eks.describe(&arn, Instant::now()).await.unwrap_err();
    let rules = ItemRules {
        own_account: None,
        regions: None,
        now: aws.now(),
    };
    aws.index.entry(&arn, &rules).await.unwrap_err();
    let execution = Execution::IndexRun(Timestamp::from_millis(0));
    let state_machine = aws.state_machine.as_ref().unwrap();
    state_machine.start(&execution, 1).await.unwrap_err();
    let mut hosts = hosts.0.lock().unwrap().clone();
    hosts.dedup();
    hosts
}

#[tokio::test(start_paused = true)]
async fn every_client_honors_fips_dual_stack_and_the_region_in_the_endpoint_of_eks() {
    let (fips, dual_stack) = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT");
    let regions = ("INDEX_REGIONS", "us-east-1,us-west-2");
    let eks = ("AWS_ENDPOINT_URL_EKS", "https://eks.{region}.internal.test");
    for (variables, expected) in [
        (
            &[regions][..],
            [
                "eks.us-west-2.amazonaws.com",
                "dynamodb.us-east-1.amazonaws.com",
                "states.us-east-1.amazonaws.com",
            ],
        ),
        (
            &[regions, (fips, "true")],
            [
                "fips.eks.us-west-2.amazonaws.com",
                "dynamodb-fips.us-east-1.amazonaws.com",
                "states-fips.us-east-1.amazonaws.com",
            ],
        ),
        (
            &[regions, (dual_stack, "true")],
            [
                "eks.us-west-2.api.aws",
                "dynamodb.us-east-1.api.aws",
                "states.us-east-1.api.aws",
            ],
        ),
        (
            &[regions, (fips, "true"), (dual_stack, "true")],
            [
                "eks-fips.us-west-2.api.aws",
                "dynamodb-fips.us-east-1.api.aws",
                "states-fips.us-east-1.api.aws",
            ],
        ),
        (
            &[regions, eks],
            [
                "eks.us-west-2.internal.test",
                "dynamodb.us-east-1.amazonaws.com",
                "states.us-east-1.amazonaws.com",
            ],
        ),
    ] {
        assert_eq!(
            hosts("us-west-2", variables).await,
            expected,
            "{variables:?}"
        );
    }
}
