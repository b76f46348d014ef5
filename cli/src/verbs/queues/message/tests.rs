//! Messages as the queues of a stack have them.

use super::*;

const ACCOUNT: &str = "111122223333";

fn request() -> Value {
    json!({
        "id": "e-1", "source": "platform.iam", "account": ACCOUNT, "time": "2026-11-23T21:00:00Z",
        "detail-type": "Role Rotation Requested", "detail": { "rotationId": "r-1" },
    })
}

fn command() -> Value {
    let detail = json!({ "rotationId": "r-1", "command": "Resume" });
    json!({ "detail-type": "Role Rotation Command", "detail": detail })
}

fn with(mut event: Value, changes: Value) -> Value {
    let (Some(event_members), Value::Object(changes)) = (event.as_object_mut(), changes) else {
        panic!("both are objects");
    };
    event_members.extend(changes);
    event
}

fn change() -> Value {
    json!({
        "id": "e-2", "source": "aws.eks", "account": ACCOUNT, "region": "eu-west-1",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": "eks.amazonaws.com", "eventName": "CreatePodIdentityAssociation",
            "awsRegion": "eu-west-1", "requestParameters": { "name": "prod-1" },
            "recipientAccountId": ACCOUNT,
        },
    })
}

/// Lambda's record of an event that a function failed.
fn failed(payload: Value) -> Value {
    json!({
        "version": "1.0", "timestamp": "2026-11-23T21:10:00.000Z",
        "requestContext": { "condition": "RetriesExhausted", "approximateInvokeCount": 3 },
        "requestPayload": payload,
        "responsePayload": { "errorType": "LedgerUnavailable", "errorMessage": "no response" },
    })
}

fn classify(body: &Value, attributes: &[(&str, &str)]) -> Classified {
    let message = Message {
        body: body.to_string(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Message::default()
    };
    let own_account = OwnAccount {
        partition: "aws".to_owned(),
        account: ACCOUNT.to_owned(),
    };
    message.classify(Rules {
        own_account: Some(&own_account),
        account: ACCOUNT,
        source: "platform.iam",
    })
}

#[test]
fn each_message_is_sent_again_in_its_own_way_or_stays() {
    let batch = json!({
        "batchSize": 7,
        "approximateArrivalOfFirstRecord": "2026-11-23T21:00:00Z",
        "approximateArrivalOfLastRecord": "2026-11-23T21:05:00Z",
    });
    let batch = json!({ "requestContext": { "condition": "RecordAgeExceeded" },
                        "DDBStreamBatchInfo": batch });
    let now: Timestamp = "2026-11-23T21:20:00Z".parse().unwrap();
    let schedule = json!({ "detail-type": "Scheduled Event", "source": "aws.events",
        "resources": ["arn:aws:events:us-east-1:111122223333:rule/rerole-IndexerFunctionFull-1A"] });
    let foreign_rule = with(
        schedule.clone(),
        json!({ "resources": ["arn:…:rule/mine"] }),
    );
    for (body, event, action) in [
        (
            request(),
            "request of rotation r-1",
            "put it on the bus again",
        ),
        (
            with(request(), command()),
            "command Resume for r-1",
            "put it on the bus again; it is too old, so rerole refuses and records it",
        ),
        (
            with(
                with(request(), command()),
                json!({ "time": "2026-11-23T21:10:00Z" }),
            ),
            "command Resume for r-1",
            "put it on the bus again",
        ),
        (
            with(request(), json!({ "account": "444455556666" })),
            "request of rotation r-1",
            "stays: it is of source \"platform.iam\" and account 444455556666, and not of this stack",
        ),
        (
            with(request(), json!({ "source": "other" })),
            "request of rotation r-1",
            "stays: it is of source \"other\" and account 111122223333, and not of this stack",
        ),
        (
            failed(request()),
            "request of rotation r-1",
            "put it on the bus again",
        ),
        (
            change(),
            "CreatePodIdentityAssociation in eu-west-1/prod-1",
            "compare eu-west-1/prod-1 with EKS",
        ),
        (
            failed(json!({ "check": "stalledRotations" })),
            "the check for stalled rotations",
            "invoke the rotate function",
        ),
        (
            failed(json!({ "reconcile": { "mode": "full" } })),
            "an index run (full)",
            "invoke the indexer",
        ),
        (schedule, "an index run (full)", "invoke the indexer"),
        (
            foreign_rule,
            "the event of a schedule",
            "stays: its rule is none of the stack: arn:…:rule/mine",
        ),
        (
            batch,
            "7 records of the ledger's stream, which were not published",
            "publish what the ledger has of that time again",
        ),
        (
            json!({ "detail-type": "Else" }),
            "\"Else\"",
            "stays: rerole handles no such event",
        ),
        (
            json!([1]),
            "unknown",
            "stays: it is neither an event nor a payload of rerole",
        ),
    ] {
        let classified = classify(&body, &[]);
        assert_eq!(classified.event, event, "{body}");
        assert_eq!(classified.action.text(now), action, "{body}");
    }
}

#[test]
fn the_error_is_that_of_the_function_or_of_the_delivery() {
    let error = classify(&failed(request()), &[]).error;
    assert_eq!(error.as_deref(), Some("LedgerUnavailable: no response"));
    let attributes = [
        ("ERROR_CODE", "NO_PERMISSIONS"),
        ("ERROR_MESSAGE", "not allowed"),
    ];
    let error = classify(&request(), &attributes).error;
    assert_eq!(error.as_deref(), Some("NO_PERMISSIONS: not allowed"));
    assert_eq!(classify(&request(), &[]).error, None);
}

#[test]
fn an_event_is_put_again_as_it_was() {
    let Action::PutAgain(event) = classify(&failed(request()), &[]).action else {
        panic!("a request is put again");
    };
    let expected = BusEvent {
        source: "platform.iam".to_owned(),
        detail_type: "Role Rotation Requested".to_owned(),
        detail: json!({ "rotationId": "r-1" }),
        time: Some("2026-11-23T21:00:00Z".parse().unwrap()),
    };
    assert_eq!(*event, expected);
}
