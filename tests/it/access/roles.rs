//! The roles of the functions, and the paths of the roles that they move.

use expect_test::expect_file;
use serde_json::{Value, json};

use crate::access::OPERATOR;
use crate::common::template::{parameter_accepts, stack, statements_of_role};
use crate::stack::policy::{Request, Verdict, verdict};

#[test]
fn associations_are_updated_in_the_indexed_regions_only() {
    let association =
        |region: &str| format!("arn:aws:eks:{region}:111122223333:podidentityassociation/prod/a-1");
    for (regions, region, expected) in [
        ("eu-west-1, us-west-2", "eu-west-1", Verdict::Allow),
        ("eu-west-1, us-west-2", "us-west-2", Verdict::Allow),
        ("eu-west-1, us-west-2", "us-east-1", Verdict::Silent),
        // By default, the stack indexes its own region.
        ("", "us-east-1", Verdict::Allow),
        ("", "eu-west-1", Verdict::Silent),
    ] {
        let stack = stack(&[("IndexRegions", regions)]);
        let statements = statements_of_role(&stack, "RotateRole");
        let decide = |action| {
            let request = Request::new(action, association(region));
            verdict(&statements, &request.key("aws:RequestedRegion", &[region]))
        };
        let update = decide("eks:UpdatePodIdentityAssociation");
        assert_eq!(update, expected, "{regions:?} {region}");
        let describe = decide("eks:DescribePodIdentityAssociation");
        assert_eq!(describe, Verdict::Allow, "{regions:?} {region}");
        let function = stack.properties("RotateFunction").unwrap();
        let variable = &function["Environment"]["Variables"]["INDEX_REGIONS"];
        assert_eq!(*variable, json!(regions.replace(' ', "")));
    }
}

/// The old role must be passed when a rotation is undone.
#[test]
fn roles_under_both_paths_can_be_passed_and_read_and_no_others() {
    let role = |path: &str| format!("arn:aws:iam::111122223333:role{path}app");
    for (parameters, path, is_granted) in [
        (&[][..], "/platform/", true),
        (&[], "/platform/team/", true),
        (&[], "/legacy/", false),
        (&[], "/platform-2/", false),
        (&[], "/", false),
        (&[("OldRolePath", "/legacy/")], "/legacy/", true),
        (&[("OldRolePath", "/legacy/")], "/platform/", true),
        (&[("OldRolePath", "/legacy/")], "/other/", false),
    ] {
        let statements = statements_of_role(&stack(parameters), "RotateRole");
        let expected = if is_granted {
            Verdict::Allow
        } else {
            Verdict::Silent
        };
        let pass = Request::new("iam:PassRole", role(path));
        let to = |service| pass.clone().key("iam:PassedToService", &[service]);
        let to_pods = verdict(&statements, &to("pods.eks.amazonaws.com"));
        assert_eq!(to_pods, expected, "{parameters:?} {path}");
        let to_lambda = verdict(&statements, &to("lambda.amazonaws.com"));
        assert_eq!(to_lambda, Verdict::Silent, "{parameters:?} {path}");
        let get = verdict(&statements, &Request::new("iam:GetRole", role(path)));
        assert_eq!(get, expected, "{parameters:?} {path}");
    }
}

#[test]
fn a_path_parameter_accepts_what_the_settings_accept() {
    for path in [
        "/",
        "/platform/",
        "/a/b.c/",
        "/.a/",
        "/..b/",
        "/.../",
        "/a+=,@-_/",
        "/./",
        "/../",
        "/a/../b/",
        "/a*/",
        "/a?/",
        "/${a}/",
        "//",
        "/a//b/",
        "platform/",
        "/platform",
        "/a b/",
        "/é/",
    ] {
        let expected = rerole_core::resource::is_role_path(path);
        for parameter in ["RolePath", "OldRolePath", "RolesPath"] {
            let found = parameter_accepts(parameter, path);
            assert_eq!(found, expected, "{parameter} {path}");
        }
    }
    assert!(parameter_accepts("OldRolePath", "") && !parameter_accepts("RolePath", ""));
}

/// `UPDATE_EXPECT=1 cargo test` writes the file, which shows an auditor what is deployed.
#[test]
fn the_policies_in_docs_are_those_of_the_template() {
    let stack = stack(&[
        ("OldRolePath", "/legacy/"),
        ("OperatorArns", OPERATOR),
        ("IndexRegions", "eu-west-1, us-east-1"),
    ]);
    let mut policies = serde_json::Map::new();
    let bus = stack.properties("RotationEventBus").unwrap();
    policies.insert("RotationEventBus".to_owned(), bus["Policy"].clone());
    for policy in stack.of_type("AWS::SQS::QueuePolicy") {
        let document = stack.properties(&policy).unwrap()["PolicyDocument"].clone();
        policies.insert(policy, document);
    }
    for role in stack.of_type("AWS::IAM::Role") {
        let properties = stack.properties(&role).unwrap();
        policies.insert(role, properties["Policies"].clone());
    }
    let text = format!("{:#}\n", Value::Object(policies));
    expect_file!["../../../docs/policies.json"].assert_eq(&text);
}
