//! The events of other callers than pods.

use std::time::Duration;

use rerole_sim::{CredentialCaller, CredentialEvent};
use serde_json::json;
use tokio::time::sleep;

use crate::harness::{NEW, OLD, at_home, in_virtual_time};
use crate::lookup_events::{lookup, of_role, record};

#[test]
fn other_callers_leave_events() {
    in_virtual_time(async {
        let aws = at_home();
        let user = "arn:aws:iam::111122223333:user/jane".to_owned();
        let provider_arn =
            "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/1";
        let web = CredentialCaller::WebIdentity {
            provider_arn: provider_arn.to_owned(),
            subject: "system:serviceaccount:ns:sa".to_owned(),
        };
        let session = CredentialCaller::Session {
            role_arn: OLD.to_owned(),
            session_name: "eks-prod".to_owned(),
        };
        // Caller, whether it is refused, event name, type of the identity, user name.
        let rows = [
            (
                CredentialCaller::User(user),
                false,
                "AssumeRole",
                "IAMUser",
                Some("jane"),
            ),
            (
                CredentialCaller::Service("ec2.amazonaws.com".to_owned()),
                false,
                "AssumeRole",
                "AWSService",
                None,
            ),
            (
                web,
                false,
                "AssumeRoleWithWebIdentity",
                "WebIdentityUser",
                Some("system:serviceaccount:ns:sa"),
            ),
            (session, true, "AssumeRole", "AssumedRole", Some("eks-prod")),
            (
                CredentialCaller::Account("444455556666".to_owned()),
                false,
                "AssumeRole",
                "AWSAccount",
                None,
            ),
        ];
        for (caller, is_refused, name, kind, user) in rows {
            sleep(Duration::from_secs(1)).await;
            aws.put_credential_event(&CredentialEvent {
                at: aws.now(),
                role_arn: NEW.to_owned(),
                error_code: is_refused.then(|| "AccessDenied".to_owned()),
                ..CredentialEvent::by(caller)
            });
            let event = lookup(&aws, of_role(NEW)).await.remove(0);
            let record = record(&event);
            assert_eq!(event.event_name(), Some(name));
            assert_eq!(event.username(), user);
            assert_eq!(record["userIdentity"]["type"], kind);
            assert_eq!(record["errorCode"] == "AccessDenied", is_refused);
            assert_eq!(record["responseElements"].is_null(), is_refused);
        }
    });
}

#[test]
fn an_event_is_in_the_region_of_its_handle() {
    in_virtual_time(async {
        let aws = at_home();
        let user = CredentialCaller::User("arn:aws:iam::111122223333:user/jane".to_owned());
        let event = CredentialEvent {
            at: aws.now(),
            role_arn: NEW.to_owned(),
            ..CredentialEvent::by(user)
        };
        aws.in_region("us-east-1").put_credential_event(&event);
        assert_eq!(lookup(&aws, of_role(NEW)).await, []);
        // Two equal events are two events.
        aws.put_credential_event(&event);
        aws.put_credential_event(&event);
        let found = lookup(&aws, of_role(NEW)).await;
        assert_eq!(found.len(), 2);
        assert_ne!(found[0].event_id(), found[1].event_id());
    });
}

#[test]
fn a_record_is_shown_as_a_test_has_put_it() {
    in_virtual_time(async {
        let aws = at_home();
        let odd = json!({
            "eventTime": "2026-11-23T21:00:00Z",
            "eventID": "1",
            "eventName": "AssumeRole",
            "requestParameters": null,
            "resources": [{ "type": "AWS::IAM::Role", "ARN": NEW }],
        });
        aws.put_event_record(odd.clone());
        aws.put_event_record(json!({ "eventID": "2", "eventName": "AssumeRole" }));
        let found = lookup(&aws, of_role(NEW)).await;
        assert_eq!(found.len(), 1, "an event has a time");
        assert_eq!(record(&found[0]), odd);
    });
}
