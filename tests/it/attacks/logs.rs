//! What the attacker wants in the logs: lines that look as if the function had written them, or its
//! secrets.

use rerole_sim::Options;
use serde_json::{Value, json};
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::harness::{Harness, INDEX, OLD, REQUEST_ID, event, rotation_event};
use crate::logs::raw_log;

/// Ends the line and writes another one, as a terminal and as a parser of JSON would read it.
const FORGED: &str = "x\"}\n{\"level\":\"INFO\",\"message\":\"all is well\"}\r\u{1b}[2J\u{9b}31m";

#[tokio::test(start_paused = true)]
async fn to_forge_lines_of_the_log() {
    let harness = Harness::calm(1);
    let all = Targets::new().with_target("rerole", LevelFilter::DEBUG);
    let longest = FORGED.repeat(4_000);
    let log = raw_log(all, async || {
        for (member, value) in [
            ("id", json!(FORGED)),
            ("source", json!(FORGED)),
            ("account", json!(FORGED)),
            ("detail-type", json!(FORGED)),
            ("time", json!(FORGED)),
            (FORGED, json!(FORGED)),
        ] {
            let mut forged = rotation_event();
            forged[member] = value;
            let _ = harness.deliver(&forged).await;
        }
        for detail in [
            json!({ FORGED: FORGED }),
            json!({ "rotationId": FORGED }),
            json!({ "oldRoleArn": FORGED }),
            json!({ "clusterNames": [FORGED] }),
            json!({ "reason": FORGED }),
        ] {
            let _ = harness.deliver(&event(&detail)).await;
        }
        let _ = harness.deliver(&json!({ "check": FORGED })).await;
        let _ = harness.deliver(&json!({ "rotationId": FORGED })).await;
        let forged = json!({
            "detail-type": "AWS API Call via CloudTrail",
            "detail": { "eventSource": "eks.amazonaws.com", "eventName": FORGED },
        });
        harness.follow(&[forged, json!({ FORGED: FORGED })]).await;
        // Items that the attacker has written to the index. They are as long as an item can be.
        for (cluster, id, arn) in [
            ("arn:aws:eks:us-east-1:111122223333:cluster/edge", "a-1", longest.as_str()),
            (FORGED, "a-1", FORGED),
            ("arn:aws:eks:us-east-1:111122223333:cluster/edge", FORGED, FORGED),
        ] {
            harness.aws.put_item(
                INDEX,
                json!({ "clusterArn": cluster, "associationId": id, "associationArn": arn, "roleArn": OLD }),
            );
        }
        harness.finish(&rotation_event()).await;
        harness.reconcile("full").await;
        let reconcile = json!({ "reconcile": { "mode": FORGED } });
        let _ = harness
            .invoke_indexer(reconcile, crate::harness::TIMEOUT)
            .await;
    })
    .await;
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines.len() > 12, "{log}");
    for line in lines {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.len() < 8_000, "a line of {} bytes", line.len());
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["span"]["requestId"], REQUEST_ID, "{line:#}");
        assert_ne!(line["message"], "all is well", "{line:#}");
    }
}

/// At the most talkative level that a release has. The SDK and the HTTP client also log.
#[tokio::test(start_paused = true)]
async fn to_read_credentials_in_debug_logs() {
    let secret = "wJalrXUtnFEMI-do-not-print";
    let token = "IQoJb3JpZ2luX2VjEDoaCXVzLWVhc3Qt-do-not-print";
    let harness = Harness::with_settings(
        Options::default(),
        &[
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_SESSION_TOKEN", token),
        ],
    );
    harness.fleet(3);
    let all = Targets::new().with_default(LevelFilter::DEBUG);
    let log = raw_log(all, async || {
        harness.finish(&rotation_event()).await;
        harness.reconcile("full").await;
    })
    .await;
    assert!(log.lines().count() > 20, "{log}");
    assert!(log.contains("rotation finished"));
    for secret in [secret, token, "AWS4-HMAC-SHA256 Credential"] {
        assert!(!log.contains(secret), "the log has {secret}");
    }
}
