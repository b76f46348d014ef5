//! The stack's bus, and who may put events on it.

use rerole::rotate::payload::DETAIL_TYPE;
use rerole_core::publishing::{AssociationRoleChanged, RotationStatusChanged};
use rerole_sim::template::Rendered;

use crate::access::{OPERATOR, STRANGER};
use crate::common::template::{
    REQUESTER, forwarding_stack, parameter_accepts, properties, stack, statements_of_role, template,
};
use crate::stack::policy::{Request, Verdict, verdict};

const SOURCE: &str = "platform.iam";
const COMMAND: &str = "Role Rotation Command";
const BUS: &str = "arn:aws:events:us-east-1:111122223333:event-bus/rerole";

/// What the bus says to `principal`, who puts events with these sources and detail types. Without
/// events, the request has neither key.
fn on_bus(stack: &Rendered, principal: Option<&str>, events: &[(&str, &str)]) -> Verdict {
    let policy = &stack.properties("RotationEventBus").unwrap()["Policy"];
    let sources: Vec<_> = events.iter().map(|(source, _)| *source).collect();
    let detail_types: Vec<_> = events.iter().map(|(_, detail_type)| *detail_type).collect();
    let mut request = Request::new("events:PutEvents", BUS);
    if !events.is_empty() {
        request = request
            .key("events:source", &sources)
            .key("events:detail-type", &detail_types);
    }
    if let Some(arn) = principal {
        request = request.key("aws:PrincipalArn", &[arn]);
    }
    verdict(policy["Statement"].as_array().unwrap(), &request)
}

/// Checks what the bus says to this principal and these events.
fn check(principal: Option<&str>, events: &[(&str, &str)], is_denied: IsDenied) {
    let stack = stack(&[("OperatorArns", OPERATOR)]);
    let expected = match is_denied {
        IsDenied::Yes => Verdict::Deny,
        IsDenied::No => Verdict::Silent,
    };
    let found = on_bus(&stack, principal, events);
    assert_eq!(found, expected, "{principal:?} puts {events:?}");
}

enum IsDenied {
    Yes,
    No,
}

#[test]
fn requesters_request_and_operators_command() {
    let (request, command) = ((SOURCE, DETAIL_TYPE), (SOURCE, COMMAND));
    check(Some(REQUESTER), &[request], IsDenied::No);
    check(Some(REQUESTER), &[request, request], IsDenied::No);
    check(Some(OPERATOR), &[command], IsDenied::No);
    check(Some(OPERATOR), &[request], IsDenied::Yes);
}

/// What an attacker wants who has `events:PutEvents` and is not named.
#[test]
fn to_request_without_being_named() {
    let session = "arn:aws:sts::111122223333:assumed-role/rotate-roles/session";
    for principal in [
        Some(STRANGER),
        Some("arn:aws:iam::111122223333:root"),
        Some(session),
        // Look-alikes.
        Some("arn:aws:iam::111122223333:role/rotate-roles"),
        Some("arn:aws:iam::111122223333:role/pipelines/rotate-roles-2"),
        Some("arn:aws:iam::999999999999:role/pipelines/rotate-roles"),
        Some("arn:aws-cn:iam::111122223333:role/pipelines/rotate-roles"),
        // A service, which has no ARN.
        None,
    ] {
        for detail_type in [DETAIL_TYPE, COMMAND, "Role Created", ""] {
            for source in [SOURCE, "rerole", "another.source"] {
                check(principal, &[(source, detail_type)], IsDenied::Yes);
            }
        }
        // Whatever EventBridge says of the events, or if it says nothing.
        check(principal, &[], IsDenied::Yes);
    }
}

/// What a requester wants who is no operator.
#[test]
fn to_command_as_a_requester() {
    let (request, command) = ((SOURCE, DETAIL_TYPE), (SOURCE, COMMAND));
    for events in [&[command][..], &[request, command], &[command, request]] {
        check(Some(REQUESTER), events, IsDenied::Yes);
    }
}

/// What a named principal wants: events that look as if the stack had sent them, or that slip
/// through in a batch.
#[test]
fn to_put_other_events_than_one_may() {
    let request = (SOURCE, DETAIL_TYPE);
    for principal in [REQUESTER, OPERATOR] {
        for event in [
            ("another.source", DETAIL_TYPE),
            ("rerole", DETAIL_TYPE),
            ("rerole", COMMAND),
            ("rerole", "Role Rotation Status Changed"),
            (SOURCE, "Role Rotation Status Changed"),
            ("rerole", "Association Role Changed"),
            (SOURCE, "role rotation requested"),
            (SOURCE, ""),
        ] {
            check(Some(principal), &[event], IsDenied::Yes);
            check(Some(principal), &[request, event], IsDenied::Yes);
            check(Some(principal), &[event, request], IsDenied::Yes);
        }
        check(Some(principal), &[], IsDenied::Yes);
    }
}

/// The publisher says what has happened, and asks for nothing.
#[test]
fn the_publisher_puts_its_own_events_only() {
    let stack = stack(&[]);
    let publisher = stack.arn("PublisherRole");
    let own = [
        ("rerole", RotationStatusChanged::DETAIL_TYPE),
        ("rerole", AssociationRoleChanged::DETAIL_TYPE),
    ];
    let statements = statements_of_role(&stack, "PublisherRole");
    let grants = |events: &[(&str, &str)]| {
        let (sources, detail_types): (Vec<_>, Vec<_>) = events.iter().copied().unzip();
        let request = Request::new("events:PutEvents", BUS)
            .key("events:source", &sources)
            .key("events:detail-type", &detail_types);
        verdict(&statements, &request)
    };
    for events in [&own[..], &own[..1], &own[1..]] {
        assert_eq!(on_bus(&stack, Some(&publisher), events), Verdict::Silent);
        assert_eq!(grants(events), Verdict::Allow, "{events:?}");
    }
    for event in [
        ("rerole", DETAIL_TYPE),
        ("rerole", COMMAND),
        (SOURCE, DETAIL_TYPE),
        (SOURCE, COMMAND),
        (SOURCE, own[0].1),
        ("rerole", "Role Created"),
    ] {
        for events in [&[event][..], &[event, own[0]], &[own[0], event]] {
            let found = on_bus(&stack, Some(&publisher), events);
            assert_eq!(found, Verdict::Deny, "{events:?}");
            assert_eq!(grants(events), Verdict::Silent, "{events:?}");
        }
    }
    let nothing = Request::new("events:PutEvents", BUS);
    assert_eq!(verdict(&statements, &nothing), Verdict::Silent);
}

/// The publisher and its permission follow the parameters.
#[test]
fn what_happens_is_published_on_the_bus_that_is_named() {
    for (parameters, bus) in [
        (&[][..], "rerole"),
        (&[("RotationEventBusName", "requests")], "requests"),
        (&[("PublishEventBusName", "platform")], "platform"),
        (
            &[
                ("RotationEventBusName", "requests"),
                ("PublishEventBusName", "platform"),
            ],
            "platform",
        ),
    ] {
        let stack = stack(parameters);
        let function = stack.properties("PublisherFunction").unwrap();
        assert_eq!(function["Environment"]["Variables"]["EVENT_BUS_NAME"], bus);
        assert_eq!(stack.output("PublishEventBusName"), bus);
        let statements = statements_of_role(&stack, "PublisherRole");
        let put = |bus: &str| {
            let arn = format!("arn:aws:events:us-east-1:111122223333:event-bus/{bus}");
            let request = Request::new("events:PutEvents", arn)
                .key("events:source", &["rerole"])
                .key("events:detail-type", &[RotationStatusChanged::DETAIL_TYPE]);
            verdict(&statements, &request)
        };
        assert_eq!(put(bus), Verdict::Allow, "{parameters:?}");
        assert_eq!(put("default"), Verdict::Silent, "{parameters:?}");
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
        "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_RotateRoles_????????????????",
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
    let parameters = &template()["Parameters"];
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
