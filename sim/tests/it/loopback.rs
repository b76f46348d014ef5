//! The same services through a socket, with the SDK's HTTP client. Time is real: latencies are
//! zero, and no test measures it.

use aws_sdk_eks::error::ProvideErrorMetadata;
use rerole_sim::{Alarm, Fault, Function, Options, Queue, SimulatedAws, Stack};

use crate::harness::{
    NEW, NO_LATENCY, OneAssociation, REGION, client_at, eks_at, in_real_time, list, update,
};

#[test]
fn a_socket_reaches_the_same_state_until_the_shutdown() {
    in_real_time(async {
        let one = in_encoded_cluster();
        let server = one.aws.serve().await.expect("127.0.0.1 has a free port");
        let client = eks_at(&server.url());
        let listed = list(&client, "prod eu").send().await;
        let listed = listed.expect("it exists");
        assert_eq!(listed.associations().len(), 1);
        let absent = client.describe_cluster().name("absent").send().await;
        let error = absent.expect_err("no such cluster");
        assert_eq!(error.code(), Some("ResourceNotFoundException"));
        server.shutdown().await;
        let listed = client.list_clusters().send().await;
        assert!(listed.is_err(), "the server has stopped");
    });
}

#[test]
fn a_fault_breaks_the_connection_before_or_after_the_effect() {
    in_real_time(async {
        let one = in_encoded_cluster();
        let server = one.aws.serve().await.expect("127.0.0.1 has a free port");
        let client = eks_at(&server.url());
        for (fault, is_applied) in [(Fault::LoseRequest, false), (Fault::LoseResponse, true)] {
            one.aws.on_call(move |_| fault.clone());
            let update = update(&client, &one.subject).role_arn(NEW).send().await;
            let error = update.expect_err("the connection broke");
            assert!(error.raw_response().is_none(), "{error:?}");
            assert_eq!(one.count_on(NEW) == 1, is_applied);
        }
        one.aws.clear_hook();
        assert!(client.list_clusters().send().await.is_ok());
    });
}

/// JSON, XML, CBOR and REST.
#[test]
fn each_protocol_passes_a_socket() {
    in_real_time(async {
        let aws = SimulatedAws::new(Options {
            region: REGION.to_owned(),
            latency: NO_LATENCY,
            ..Options::default()
        });
        let name = "sample".to_owned();
        aws.create_queue(Queue {
            name: name.clone(),
            ..Queue::default()
        });
        aws.create_stack(Stack {
            name: name.clone(),
            ..Stack::default()
        });
        aws.create_alarm(Alarm {
            name: name.clone(),
            ..Alarm::default()
        });
        aws.create_function(Function {
            name,
            ..Function::default()
        });
        let server = aws.serve().await.expect("127.0.0.1 has a free port");
        let url = server.url();
        let queues = client_at!(aws_sdk_sqs, &url).list_queues().send().await;
        assert_eq!(queues.expect("JSON").queue_urls().len(), 1);
        let stacks = client_at!(aws_sdk_cloudformation, &url).describe_stacks();
        assert_eq!(stacks.send().await.expect("XML").stacks().len(), 1);
        let alarms = client_at!(aws_sdk_cloudwatch, &url).describe_alarms();
        assert_eq!(alarms.send().await.expect("CBOR").metric_alarms().len(), 1);
        let function = client_at!(aws_sdk_lambda, &url).get_function();
        let function = function.function_name("sample").send().await;
        assert!(function.expect("REST").configuration().is_some());
    });
}

/// The name of the cluster is percent-encoded in paths.
fn in_encoded_cluster() -> OneAssociation {
    let options = Options {
        latency: NO_LATENCY,
        ..Options::default()
    };
    OneAssociation::in_cluster("prod eu", options)
}
