//! Verdicts, held against the rules of the documentation, and properties that hold for all
//! policies.

mod chains;
mod hostile;
mod properties;
mod rules;

use serde_json::{Value, json};

use crate::policy::{PodSession, SessionTags};
use crate::resource::Cluster;

/// Actions of a pod's session with tags.
fn pod_actions() -> Value {
    json!(["sts:AssumeRole", "sts:TagSession"])
}

fn session(session_tags: SessionTags) -> PodSession {
    let cluster = "arn:aws:eks:us-east-1:111122223333:cluster/prod-1";
    PodSession {
        cluster: Cluster::parse(cluster).unwrap(),
        namespace: "payments".to_owned(),
        service_account: "api".to_owned(),
        session_tags,
    }
}
