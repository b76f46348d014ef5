//! The environment of the functions under test: names of tables and roles, access keys and
//! environment variables. The harness builds the handlers from them; the permission checks tell
//! tables and callers apart by them.

use std::collections::BTreeMap;
use std::time::Duration;

use rerole::settings::{IndexerSettings, PublisherSettings, RotateSettings, Settings};
use rerole_core::request::RequestRules;

pub const INDEX: &str = "association-index";
pub const LEDGER: &str = "rotation-ledger";
/// The secondary indexes of both tables.
pub const SECONDARY_INDEXES: [&str; 4] = ["ByRole", "ByTargetRole", "ByOldRole", "ByStatus"];
/// The role that the rotations of the tests replace.
pub const OLD: &str = "arn:aws:iam::111122223333:role/platform/app-2025";
/// The role that the rotations of the tests move associations to.
pub const NEW: &str = "arn:aws:iam::111122223333:role/platform/app-2026";
/// A role that no rotation names: the role that another actor sets.
pub const THIRD: &str = "arn:aws:iam::111122223333:role/platform/by-hand";
/// The state machine, in the tests that have one.
pub const STATE_MACHINE: &str =
    "arn:aws:states:us-east-1:111122223333:stateMachine:rerole-state-machine";
/// The access key that signs the calls of the rotate function.
pub const ROTATE_ACCESS_KEY: &str = "rotate-function";
/// The access key that signs the calls of the indexer.
pub const INDEXER_ACCESS_KEY: &str = "indexer-function";

/// The access key that signs the calls of the publisher.
pub const PUBLISHER_ACCESS_KEY: &str = "publisher-function";
/// The bus of the stack.
pub const BUS: &str = "rerole";

/// The regions whose clusters are indexed.
pub const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];
/// The function of every invocation. Only its account counts.
pub const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:rerole";
/// Lambda's longest timeout.
pub const TIMEOUT: Duration = Duration::from_mins(15);

/// The option by which all secondary indexes lag by this time.
pub fn index_lag(lag: Duration) -> BTreeMap<String, Duration> {
    SECONDARY_INDEXES.map(|name| (name.to_owned(), lag)).into()
}

/// The usual settings that `rotate` and `indexer` share, with `variables` on top.
pub fn settings(variables: &[(&str, &str)]) -> Settings {
    rotate_settings(variables).common
}

/// What the rotate function allows in a request.
pub fn rules() -> RequestRules {
    rotate_settings(&[]).rules
}

pub fn rotate_settings(variables: &[(&str, &str)]) -> RotateSettings {
    RotateSettings::from_lookup(lookup(variables)).unwrap()
}

pub fn indexer_settings(variables: &[(&str, &str)]) -> IndexerSettings {
    // Variables that come first win.
    let own = ("AWS_ACCESS_KEY_ID", INDEXER_ACCESS_KEY);
    let variables: Vec<_> = variables.iter().copied().chain([own]).collect();
    IndexerSettings::from_lookup(lookup(&variables)).unwrap()
}

pub fn publisher_settings() -> PublisherSettings {
    let own = [("AWS_ACCESS_KEY_ID", PUBLISHER_ACCESS_KEY)];
    PublisherSettings::from_lookup(lookup(&own)).unwrap()
}

/// The usual environment variables, with `variables` on top.
fn lookup<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    let defaults = [
        ("ASSOCIATION_INDEX_TABLE", INDEX),
        ("ROTATION_LEDGER_TABLE", LEDGER),
        ("ROLE_PATH", "/platform/"),
        ("ROTATION_EVENT_SOURCE", "platform.iam"),
        ("EVENT_BUS_NAME", BUS),
        ("INDEX_REGIONS", "eu-west-1,us-east-1"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", ROTATE_ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    move |name| {
        let find = |pairs: &[(&str, &str)]| {
            let pair = pairs.iter().find(|(variable, _)| *variable == name);
            pair.map(|(_, value)| (*value).to_owned())
        };
        find(variables).or_else(|| find(&defaults))
    }
}
