//! The parameters for strict environments, on the rendered templates. Without a parameter, nothing
//! of it is there.

use rerole_sim::template::Rendered;
use serde_json::{Value, json};

use crate::common::template::{forwarding_stack, stack, statements_of_role};
use crate::stack::policy::{Request, Verdict, verdict};

const FUNCTIONS: [(&str, &str); 3] = [
    ("RotateFunction", "RotateRole"),
    ("IndexerFunction", "IndexerRole"),
    ("PublisherFunction", "PublisherRole"),
];
const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// The values of a member in the properties of all these resources; null where it is absent.
fn member(stack: &Rendered, resources: &[String], path: &str) -> Vec<Value> {
    let value = |resource: &String| {
        let properties = stack.properties(resource).unwrap();
        properties.pointer(path).cloned().unwrap_or(Value::Null)
    };
    resources.iter().map(value).collect()
}

/// Checks a member of all resources of a type, in both templates, without and with a parameter.
fn sets(resource_type: &str, path: &str, (name, value): (&str, &str)) {
    for render in [stack, forwarding_stack] {
        let (without, with) = (render(&[]), render(&[(name, value)]));
        let resources = with.of_type(resource_type);
        assert!(!resources.is_empty());
        let absent = member(&without, &resources, path);
        assert!(absent.iter().all(Value::is_null), "{name}: {absent:?}");
        let present = member(&with, &resources, path);
        assert!(
            present.iter().all(|found| found == value),
            "{name}: {present:?}"
        );
    }
}

#[test]
fn each_role_has_the_permissions_boundary_and_the_path() {
    let boundary = (
        "PermissionsBoundaryArn",
        "arn:aws:iam::111122223333:policy/boundary",
    );
    sets("AWS::IAM::Role", "/PermissionsBoundary", boundary);
    sets("AWS::IAM::Role", "/Path", ("RolesPath", "/apps/rerole/"));
    // SAM makes no role of its own: each function, and the state machine, names one.
    let stack = stack(&[]);
    for (resource, role) in FUNCTIONS
        .iter()
        .chain(&[("StateMachine", "StateMachineRole")])
    {
        let properties = stack.properties(resource).unwrap();
        assert_eq!(properties["Role"], json!(stack.arn(role)));
    }
}

#[test]
fn a_key_encrypts_tables_queues_and_logs_and_the_functions_may_use_it() {
    let (without, with) = (stack(&[]), stack(&[("KmsKeyArn", KEY)]));
    for (resource_type, count, path) in [
        (
            "AWS::DynamoDB::Table",
            2,
            "/SSESpecification/KMSMasterKeyId",
        ),
        ("AWS::SQS::Queue", 4, "/KmsMasterKeyId"),
        ("AWS::Logs::LogGroup", 4, "/KmsKeyId"),
    ] {
        let resources = with.of_type(resource_type);
        assert_eq!(resources.len(), count, "{resource_type}");
        let absent = member(&without, &resources, path);
        assert_eq!(absent, vec![Value::Null; count], "{resource_type}");
        assert_eq!(
            member(&with, &resources, path),
            vec![json!(KEY); count],
            "{resource_type}"
        );
    }
    let tables = with.of_type("AWS::DynamoDB::Table");
    assert_eq!(
        member(&with, &tables, "/SSESpecification/SSEType"),
        ["KMS", "KMS"]
    );
    // A queue has one of the two.
    for queue in with.of_type("AWS::SQS::Queue") {
        let managed =
            |stack: &Rendered| stack.properties(&queue).unwrap()["SqsManagedSseEnabled"].clone();
        assert_eq!(
            (managed(&without), managed(&with)),
            (json!(true), Value::Null),
            "{queue}"
        );
    }
    for (_, role) in FUNCTIONS {
        for action in ["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt"] {
            for (stack, service, expected) in [
                (&with, "dynamodb.us-east-1.amazonaws.com", Verdict::Allow),
                (&with, "sqs.us-east-1.amazonaws.com", Verdict::Allow),
                (&with, "s3.us-east-1.amazonaws.com", Verdict::Silent),
                (
                    &without,
                    "dynamodb.us-east-1.amazonaws.com",
                    Verdict::Silent,
                ),
            ] {
                let request = Request::new(action, KEY).key("kms:ViaService", &[service]);
                let found = verdict(&statements_of_role(stack, role), &request);
                assert_eq!(found, expected, "{role} {action} {service}");
            }
        }
    }
    // The queue of a forwarding region has a key of that region.
    let forward = forwarding_stack(&[("KmsKeyArn", KEY)]);
    assert_eq!(
        forward.properties("UndeliveredQueue").unwrap()["KmsMasterKeyId"],
        KEY
    );
}

#[test]
fn the_functions_run_in_the_subnets_with_the_rights_for_it() {
    let network = [
        ("VpcSubnetIds", "subnet-0a1, subnet-0b2"),
        ("VpcSecurityGroupIds", "sg-0c3"),
    ];
    let (without, with) = (stack(&[]), stack(&network));
    let expected = json!({
        "SubnetIds": ["subnet-0a1", "subnet-0b2"],
        "SecurityGroupIds": ["sg-0c3"],
    });
    let attach = Request::new("ec2:CreateNetworkInterface", "*");
    for (function, role) in FUNCTIONS {
        assert_eq!(without.properties(function).unwrap().get("VpcConfig"), None);
        assert_eq!(with.properties(function).unwrap()["VpcConfig"], expected);
        let decide = |stack: &Rendered| verdict(&statements_of_role(stack, role), &attach);
        assert_eq!(
            (decide(&without), decide(&with)),
            (Verdict::Silent, Verdict::Allow)
        );
    }
    // Half a network is no network: Lambda rejects it.
    let half = stack(&[("VpcSubnetIds", "subnet-0a1")]);
    assert!(
        half.properties("RotateFunction")
            .unwrap()
            .get("VpcConfig")
            .is_some()
    );
    let dual_stack = stack(&[network[0], network[1], ("UseDualStackEndpoint", "true")]);
    let config = &dual_stack.properties("IndexerFunction").unwrap()["VpcConfig"];
    assert_eq!(config["Ipv6AllowedForDualStack"], true);
}

#[test]
fn the_functions_have_the_layer_the_signing_and_the_endpoints() {
    let layer = "arn:aws:lambda:us-east-1:111122223333:layer:ca-bundle:3";
    let signing = "arn:aws:lambda:us-east-1:111122223333:code-signing-config:csc-0123456789abcdef0";
    let without = stack(&[]);
    let with = stack(&[
        ("CaBundleLayerArn", layer),
        ("CodeSigningConfigArn", signing),
        ("EksEndpointUrl", "https://eks.{region}.example.internal"),
        ("UseFipsEndpoint", "true"),
        ("UseDualStackEndpoint", "true"),
    ]);
    for (function, _) in FUNCTIONS {
        let (without, with) = (
            without.properties(function).unwrap(),
            with.properties(function).unwrap(),
        );
        assert_eq!(
            [without.get("Layers"), without.get("CodeSigningConfigArn")],
            [None, None]
        );
        assert_eq!(with["Layers"], json!([layer]));
        assert_eq!(with["CodeSigningConfigArn"], signing);
        let (without, with) = (
            &without["Environment"]["Variables"],
            &with["Environment"]["Variables"],
        );
        assert_eq!(without.get("AWS_CA_BUNDLE"), None);
        assert_eq!(with["AWS_CA_BUNDLE"], "/opt/ca-bundle.pem");
        let endpoint = "AWS_ENDPOINT_URL_EKS";
        assert_eq!(without.get(endpoint), None);
        // The publisher does not call EKS.
        let of_eks = (function != "PublisherFunction")
            .then(|| json!("https://eks.{region}.example.internal"));
        assert_eq!(with.get(endpoint), of_eks.as_ref());
        for variable in ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"] {
            assert_eq!([&without[variable], &with[variable]], ["false", "true"]);
        }
    }
}
