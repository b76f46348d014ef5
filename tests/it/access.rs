//! Who may put events on the stack's bus and send to its queues, by the policies of the template.
//! MiniStack evaluates neither, so the tests do (`stack/policy.rs`).

use rerole::rotate::payload::DETAIL_TYPE;
use serde_json::{Value, json};

use crate::stack::policy::{Request, Verdict, verdict};
use crate::stack::properties;
use crate::stack::rendered::{REQUESTER, Rendered, forwarding_stack, parameter_accepts, stack};

const SOURCE: &str = "platform.iam";
const COMMAND: &str = "Role Rotation Command";
const BUS: &str = "arn:aws:events:us-east-1:111122223333:event-bus/rerole";
const OPERATOR: &str = "arn:aws:iam::111122223333:role/operators/on-call";
const STRANGER: &str = "arn:aws:iam::111122223333:role/apps/web";

/// What the bus says to `principal`, who puts events with these sources and detail types.
fn on_bus(stack: &Rendered, principal: Option<&str>, events: &[(&str, &str)]) -> Verdict {
    let policy = &stack.properties("RotationEventBus").unwrap()["Policy"];
    let sources: Vec<_> = events.iter().map(|(source, _)| *source).collect();
    let detail_types: Vec<_> = events.iter().map(|(_, detail_type)| *detail_type).collect();
    let mut request = Request::new("events:PutEvents", BUS)
        .key("events:source", &sources)
        .key("events:detail-type", &detail_types);
    if let Some(arn) = principal {
        request = request.key("aws:PrincipalArn", &[arn]);
    }
    verdict(policy["Statement"].as_array().unwrap(), &request)
}

#[test]
fn only_requesters_request_and_only_operators_command() {
    let stack = stack(&[("OperatorArns", OPERATOR)]);
    let (request, command) = ((SOURCE, DETAIL_TYPE), (SOURCE, COMMAND));
    let own = ("rerole", DETAIL_TYPE);
    let (requester, operator) = (Some(REQUESTER), Some(OPERATOR));
    for (principal, events, is_denied) in [
        (requester, &[request][..], false),
        (requester, &[command], true),
        (operator, &[command], false),
        (operator, &[request], true),
        (Some(STRANGER), &[request], true),
        (Some(STRANGER), &[command], true),
        // The root user, an assumed role's session in place of the role, and a look-alike.
        (Some("arn:aws:iam::111122223333:root"), &[request], true),
        (
            Some("arn:aws:sts::111122223333:assumed-role/rotate-roles/session"),
            &[request],
            true,
        ),
        (
            Some("arn:aws:iam::111122223333:role/rotate-roles"),
            &[request],
            true,
        ),
        (
            Some("arn:aws:iam::999999999999:role/pipelines/rotate-roles"),
            &[request],
            true,
        ),
        // A service, which has no ARN.
        (None, &[request], true),
        (None, &[command], true),
        // Another source, and that of the stack itself.
        (requester, &[("another.source", DETAIL_TYPE)], true),
        (requester, &[own], true),
        (operator, &[("rerole", COMMAND)], true),
        // Another detail type.
        (requester, &[(SOURCE, "Role Rotation Status Changed")], true),
        (requester, &[(SOURCE, "role rotation requested")], true),
        (Some(STRANGER), &[(SOURCE, "Role Created")], true),
        // A batch of mixed events.
        (requester, &[request, request], false),
        (requester, &[request, command], true),
        (operator, &[command, request], true),
        (requester, &[request, own], true),
        (
            requester,
            &[("another.source", "Role Created"), request],
            true,
        ),
    ] {
        let expected = if is_denied {
            Verdict::Deny
        } else {
            Verdict::Silent
        };
        let found = on_bus(&stack, principal, events);
        assert_eq!(found, expected, "{principal:?} puts {events:?}");
    }
}

#[test]
fn requesters_are_operators_unless_others_are_named() {
    let stack = stack(&[]);
    for events in [[(SOURCE, DETAIL_TYPE)], [(SOURCE, COMMAND)]] {
        assert_eq!(on_bus(&stack, Some(REQUESTER), &events), Verdict::Silent);
        assert_eq!(on_bus(&stack, Some(OPERATOR), &events), Verdict::Deny);
    }
}

/// The examples of docs/deploying.md.
#[test]
fn a_requester_can_be_a_pipeline_a_permission_set_or_a_forwarding_rule() {
    let named = [
        "arn:aws:iam::111122223333:role/pipelines/rotate-roles",
        "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_RotateRoles_*",
        "arn:aws:iam::111122223333:role/forward-rotation-requests",
    ];
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/deploying.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    for arn in named {
        assert!(manual.contains(arn), "docs/deploying.md has no {arn}");
    }
    let stack = stack(&[("RequesterArns", &named.join(", "))]);
    let sso = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/";
    for (principal, is_denied) in [
        (named[0].to_owned(), false),
        (
            format!("{sso}AWSReservedSSO_RotateRoles_0123456789abcdef"),
            false,
        ),
        (
            format!("{sso}eu-west-1/AWSReservedSSO_RotateRoles_0123456789abcdef"),
            false,
        ),
        (
            format!("{sso}AWSReservedSSO_RotateRolesReadOnly_0123456789abcdef"),
            true,
        ),
        (format!("{sso}AWSReservedSSO_Admin_0123456789abcdef"), true),
        (named[2].to_owned(), false),
        (format!("{}-2", named[2]), true),
    ] {
        let found = on_bus(&stack, Some(&principal), &[(SOURCE, DETAIL_TYPE)]);
        assert_eq!(found == Verdict::Deny, is_denied, "{principal}");
    }
}

#[test]
fn a_requester_is_named_and_no_pattern_covers_every_principal() {
    for (value, is_accepted) in [
        (REQUESTER, true),
        ("arn:aws:iam::111122223333:role/pipelines/*", true),
        ("arn:aws:iam::111122223333:role/p*", true),
        ("arn:aws:iam::111122223333:user/rotate", true),
        ("arn:aws-us-gov:iam::111122223333:role/rotate", true),
        ("", false),
        ("*", false),
        ("arn:aws:iam::111122223333:*", false),
        ("arn:aws:iam::111122223333:role/*", false),
        ("arn:aws:iam::111122223333:role/?*", false),
        ("arn:aws:iam::*:role/rotate", false),
        ("arn:*:iam::111122223333:role/rotate", false),
        ("arn:aws:iam::111122223333:root", false),
        (
            "arn:aws:sts::111122223333:assumed-role/rotate/session",
            false,
        ),
        ("111122223333", false),
        ("arn:aws:iam::111122223333:role/${a}", false),
        ("arn:aws:iam::111122223333:role/a,*", false),
    ] {
        let found = parameter_accepts("RequesterArns", value);
        assert_eq!(found, is_accepted, "{value}");
        let as_operator = parameter_accepts("OperatorArns", value);
        assert_eq!(as_operator, is_accepted || value.is_empty(), "{value}");
    }
    let parameters = &crate::stack::template()["Parameters"];
    assert!(parameters["RequesterArns"].get("Default").is_none());
    for (source, is_accepted) in [
        ("platform.iam", true),
        ("rerole.platform", true),
        ("rerole", false),
        ("aws.eks", false),
        ("", false),
    ] {
        let found = parameter_accepts("RotationEventSource", source);
        assert_eq!(found, is_accepted, "{source}");
    }
}

#[test]
fn the_stack_makes_its_own_bus_unless_one_is_named() {
    let rule = |stack: &Rendered| {
        let function = stack.properties("RotateFunction").unwrap();
        function["Events"]["RotationRequested"]["Properties"]["EventBusName"].clone()
    };
    let own = stack(&[]);
    let bus = own.properties("RotationEventBus").unwrap();
    assert_eq!([&bus["Name"], &rule(&own)], ["rerole", "rerole"]);
    assert_eq!(own.output("RotationEventBusName"), "rerole");
    let yours = stack(&[("RotationEventBusName", "platform")]);
    assert_eq!(yours.properties("RotationEventBus"), None);
    assert_eq!(rule(&yours), "platform");
    assert_eq!(yours.output("RotationEventBusName"), "platform");
}

/// CloudTrail's events arrive on the default bus only, and a schedule needs it, too.
#[test]
fn only_requests_come_from_the_own_bus() {
    let stack = stack(&[]);
    let changes = stack.properties("AssociationChangedRule").unwrap();
    assert!(changes.get("EventBusName").is_none());
    for function in ["RotateFunction", "IndexerFunction"] {
        let events = properties(function)["Events"].as_object().unwrap();
        for (name, event) in events
            .iter()
            .filter(|(_, event)| event["Type"] == "Schedule")
        {
            assert!(event["Properties"].get("EventBusName").is_none(), "{name}");
        }
    }
    let forward = forwarding_stack(&[])
        .properties("AssociationChangedRule")
        .unwrap();
    assert!(forward.get("EventBusName").is_none());
    let target = "arn:aws:events:us-east-1:111122223333:event-bus/default";
    assert_eq!(forward["Targets"][0]["Arn"], target);
}

/// A principal that may send to every queue by its own policies is denied, unless it is an operator
/// or the queue's own sender.
#[test]
fn a_queue_admits_its_sender_and_the_operators_only() {
    let stack = stack(&[("OperatorArns", OPERATOR)]);
    let role = |name: &str| ("aws:PrincipalArn", stack.arn(name));
    let rule = |name: &str| ("aws:SourceArn", stack.arn(name));
    let senders = |queue: &str| match queue {
        "OnFailureQueue" => vec![role("RotateRole"), role("IndexerRole")],
        "UndeliveredQueue" => vec![
            rule("RotateFunctionRotationRequested"),
            rule("RotateFunctionCheckStalled"),
            rule("AssociationChangedRule"),
            rule("IndexerFunctionListOnly"),
            rule("IndexerFunctionFull"),
            rule("IndexerFunctionResume"),
        ],
        "IndexerQueue" => vec![rule("AssociationChangedRule")],
        // SQS moves messages there itself.
        "IndexerDeadLetterQueue" => vec![],
        other => panic!("who sends to {other}?"),
    };
    let all_senders = [
        role("RotateRole"),
        role("IndexerRole"),
        role("StateMachineRole"),
        rule("RotateFunctionRotationRequested"),
        rule("RotateFunctionCheckStalled"),
        rule("AssociationChangedRule"),
        rule("IndexerFunctionListOnly"),
        rule("IndexerFunctionFull"),
        rule("IndexerFunctionResume"),
        rule("RuleOfAnotherStack"),
        ("aws:PrincipalArn", STRANGER.to_owned()),
        ("aws:PrincipalArn", REQUESTER.to_owned()),
    ];
    for queue in stack.of_type("AWS::SQS::Queue") {
        let statements = policy_of_queue(&stack, &queue);
        let send = |(key, arn): &(&'static str, String)| {
            let mut request = Request::new("sqs:SendMessage", stack.arn(&queue));
            request = request.key(key, &[arn]);
            if *key == "aws:SourceArn" {
                request = request.key("aws:PrincipalServiceName", &["events.amazonaws.com"]);
            }
            verdict(&statements, &request)
        };
        let operator = ("aws:PrincipalArn", OPERATOR.to_owned());
        assert_eq!(send(&operator), Verdict::Silent, "{queue}");
        for sender in &all_senders {
            let expected = match (senders(&queue).contains(sender), sender.0) {
                (false, _) => Verdict::Deny,
                // A service has no policies of its own.
                (true, "aws:SourceArn") => Verdict::Allow,
                (true, _) => Verdict::Silent,
            };
            assert_eq!(send(sender), expected, "{sender:?} to {queue}");
        }
        let receive = Request::new("sqs:ReceiveMessage", stack.arn(&queue));
        assert_eq!(verdict(&statements, &receive), Verdict::Silent, "{queue}");
    }
}

/// Every target to which an event may not be deliverable names a queue that admits its rule.
#[test]
fn what_eventbridge_cannot_deliver_goes_to_a_queue_that_admits_it() {
    let stack = stack(&[]);
    let undelivered = json!(stack.arn("UndeliveredQueue"));
    let statements = policy_of_queue(&stack, "UndeliveredQueue");
    let admits = |rule: String| {
        let request = Request::new("sqs:SendMessage", stack.arn("UndeliveredQueue"))
            .key("aws:SourceArn", &[&rule])
            .key("aws:PrincipalServiceName", &["events.amazonaws.com"]);
        assert_eq!(verdict(&statements, &request), Verdict::Allow, "{rule}");
    };
    let mut rules = 0;
    for function in ["RotateFunction", "IndexerFunction"] {
        let events = stack.properties(function).unwrap()["Events"].clone();
        for (name, event) in events.as_object().unwrap() {
            if event["Type"] == "SQS" {
                continue;
            }
            rules += 1;
            let properties = &event["Properties"];
            assert_eq!(properties["DeadLetterConfig"]["Arn"], undelivered, "{name}");
            let retry = json!({ "MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185 });
            assert_eq!(properties["RetryPolicy"], retry, "{name}");
            admits(stack.arn(&format!("{function}{name}")));
        }
    }
    assert_eq!(rules, 5);
    let changes = stack.properties("AssociationChangedRule").unwrap();
    assert_eq!(
        changes["Targets"][0]["DeadLetterConfig"]["Arn"],
        undelivered
    );
    admits(stack.arn("AssociationChangedRule"));

    let forward = forwarding_stack(&[]);
    let target = &forward.properties("AssociationChangedRule").unwrap()["Targets"][0];
    let queue = forward.arn("UndeliveredQueue");
    assert_eq!(target["DeadLetterConfig"]["Arn"], json!(queue));
    let statements = policy_of_queue(&forward, "UndeliveredQueue");
    for (rule, expected) in [
        (forward.arn("AssociationChangedRule"), Verdict::Allow),
        (forward.arn("RuleOfAnotherStack"), Verdict::Deny),
    ] {
        let request = Request::new("sqs:SendMessage", queue.as_str())
            .key("aws:SourceArn", &[&rule])
            .key("aws:PrincipalServiceName", &["events.amazonaws.com"]);
        assert_eq!(verdict(&statements, &request), expected, "{rule}");
    }
}

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
        let statements = stack.statements_of_role("RotateRole");
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
        let statements = stack(parameters).statements_of_role("RotateRole");
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

/// The statements of the policy of a queue.
fn policy_of_queue(stack: &Rendered, queue: &str) -> Vec<Value> {
    let policy = stack.properties(&format!("{queue}Policy")).unwrap();
    assert_eq!(policy["Queues"], json!([format!("rerole-{queue}-1A2B3C")]));
    policy["PolicyDocument"]["Statement"]
        .as_array()
        .unwrap()
        .clone()
}
