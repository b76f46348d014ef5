//! Random input for everything that parses what comes from outside: the intake of events,
//! CloudTrail messages and continuations. Valid samples are mutated, by a fixed seed and a fixed
//! number of times, and what is accepted must be within the rules.

use rerole::rotate::payload::{Payload, Task};
use rerole_core::indexing::cloudtrail::{Parsed, parse};
use rerole_core::keys::RotationKey;
use rerole_core::request::check_recorded;
use rerole_core::resource::OwnAccount;
use serde_json::{Map, Value, json};

use crate::harness::rules;

const SEED: u64 = 14;
const INPUTS: usize = 10_000;
/// Texts that mean something to a parser.
const TEXTS: [&str; 20] = [
    "",
    "!",
    "*",
    "..",
    "dry-run/r-1",
    "\u{0}",
    "\u{1b}[2J",
    "HIDDEN_DUE_TO_SECURITY_REASONS",
    "%2e%2e%2f",
    "arn:aws:iam::111122223333:role/platform/../admin",
    "arn:aws:iam::111122223333:role/platform/app",
    "arn:aws:iam::999999999999:role/platform/app",
    "arn:aws:eks:us-east-1:999999999999:podidentityassociation/prod/a-1",
    "arn:aws-cn:eks:cn-north-1:111122223333:cluster/prod",
    "999999999999",
    "rerole",
    "18446744073709551616",
    "-1",
    "2026-11-23T21:00:00Z",
    "stalledRotations",
];

/// Changes the value at a random place, or its neighborhood.
fn mutate(rng: &mut fastrand::Rng, value: &mut Value) {
    let goes_deeper = rng.u8(..4) > 0;
    match value {
        Value::Object(members) if goes_deeper && !members.is_empty() => {
            let index = rng.usize(..members.len());
            let name = members.keys().nth(index).unwrap().clone();
            match rng.u8(..10) {
                0 => drop(members.remove(&name)),
                1 => {
                    let value = members.remove(&name).unwrap();
                    members.insert(text(rng), value);
                }
                2 => drop(members.insert(text(rng), leaf(rng))),
                _ => mutate(rng, &mut members[&name]),
            }
        }
        Value::Array(values) if goes_deeper && !values.is_empty() => {
            let index = rng.usize(..values.len());
            mutate(rng, &mut values[index]);
        }
        Value::String(old) if goes_deeper => {
            let mut chars: Vec<char> = old.chars().collect();
            for _ in 0..=rng.usize(..3) {
                let at = rng.usize(..=chars.len());
                match rng.u8(..3) {
                    0 if at < chars.len() => drop(chars.remove(at)),
                    1 if at < chars.len() => chars[at] = rng.char('!'..='\u{ff}'),
                    _ => chars.insert(
                        at,
                        rng.choice([':', '/', '.', '*', '\n', '!', '-', 'a'])
                            .unwrap(),
                    ),
                }
            }
            *value = Value::String(chars.into_iter().collect());
        }
        other => *other = leaf(rng),
    }
}

fn text(rng: &mut fastrand::Rng) -> String {
    (*rng.choice(TEXTS.iter()).unwrap()).to_owned()
}

fn leaf(rng: &mut fastrand::Rng) -> Value {
    match rng.u8(..8) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(rng.i64(..)),
        3 => json!(rng.f64() * 1e300),
        4 => Value::Object(Map::new()),
        5 => json!([text(rng), text(rng)]),
        _ => json!(text(rng)),
    }
}

/// Calls `check` with mutations of these samples, in turn. Returns how many it accepted.
fn fuzz(samples: &[Value], mut check: impl FnMut(&Value) -> bool) -> usize {
    let mut rng = fastrand::Rng::with_seed(SEED);
    let mut accepted = 0;
    for index in 0..INPUTS {
        let mut input = samples[index % samples.len()].clone();
        for _ in 0..rng.usize(1..4) {
            mutate(&mut rng, &mut input);
        }
        accepted += usize::from(check(&input));
    }
    accepted
}

/// The samples in a folder of `events/`.
fn samples(folder: &str) -> Vec<Value> {
    let folder = format!("{}/events{folder}", env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        .collect()
}

fn own_account() -> OwnAccount {
    OwnAccount::of_function("arn:aws:lambda:us-east-1:111122223333:function:rerole").unwrap()
}

#[test]
fn whatever_is_put_on_the_bus_an_accepted_request_is_within_the_rules() {
    let (own, rules) = (own_account(), rules());
    let mut rejected = 0;
    let accepted = fuzz(&samples(""), |input| {
        let Payload { task, event } = Payload::parse(input, Some(&own), &rules);
        assert!(
            event.body.len() <= 64 * 1024 && event.id.len() <= 64,
            "{input}"
        );
        match task {
            Task::Command(command) => {
                let event = &command.envelope.event;
                assert_eq!(event.source, "platform.iam", "{input}");
                assert_eq!(event.account.as_deref(), Some("111122223333"), "{input}");
                true
            }
            Task::Rotate(requested) => {
                let request = &requested.request;
                assert_eq!(
                    check_recorded(request, Some(&own), &rules),
                    Ok(()),
                    "{input}"
                );
                for role in [&request.old_role_arn, &request.new_role_arn] {
                    assert!(role.path().starts_with("/platform/"), "{input}");
                    assert!(!role.as_str().contains("/../"), "{input}");
                }
                let event = &requested.envelope.event;
                assert_eq!(event.source, "platform.iam", "{input}");
                assert_eq!(event.account.as_deref(), Some("111122223333"), "{input}");
                assert_eq!(
                    input.get("replay-name").unwrap_or(&Value::Null),
                    &Value::Null
                );
                true
            }
            Task::Reject(rejection) => {
                assert!(rejection.to_string().len() < 3_000, "{input}");
                rejected += 1;
                false
            }
            Task::Resume(_) | Task::CheckStalled | Task::Republish(_) | Task::Ignore { .. } => {
                false
            }
        }
    });
    assert!(
        accepted > INPUTS / 50 && rejected > INPUTS / 4,
        "{accepted} and {rejected}"
    );
}

#[test]
fn whatever_is_in_the_queue_an_accepted_message_is_about_the_own_account() {
    let own = own_account();
    let accepted = fuzz(&samples("/indexer"), |input| {
        match parse(input, Some(&own)) {
            Ok(Parsed::Change(change)) => {
                let (region, cluster) = (change.subject.region(), change.subject.cluster_name());
                let arn = format!(
                    "arn:aws:eks:{region}:111122223333:podidentityassociation/{cluster}/a-1"
                );
                let parsed: Result<rerole_core::resource::AssociationArn, _> = arn.parse();
                assert!(parsed.is_ok(), "{arn}: {input}");
                for text in change.caller.iter().chain(&change.user_agent) {
                    assert!(text.len() <= 1_100, "{input}");
                }
                true
            }
            Ok(Parsed::Ignored(ignored)) => {
                assert!(ignored.to_string().len() < 1_200, "{input}");
                false
            }
            Err(error) => {
                assert!(error.to_string().len() < 1_300, "{input}");
                false
            }
        }
    });
    assert!(accepted > INPUTS / 50, "{accepted}");
}

#[test]
fn whatever_continues_a_rotation_names_one_and_nothing_else() {
    let (own, rules) = (own_account(), rules());
    let samples = ["r-1", "dry-run/r-1", "app-2026_x"].map(|key| json!({ "rotationId": key }));
    let accepted = fuzz(&samples, |input| {
        let task = Payload::parse(input, Some(&own), &rules).task;
        let Task::Resume(key) = task else {
            return false;
        };
        assert_eq!(input.as_object().unwrap().len(), 1, "{input}");
        assert_eq!(input["rotationId"], key.to_string(), "{input}");
        assert_eq!(key.to_string().parse::<RotationKey>(), Ok(key), "{input}");
        true
    });
    assert!(accepted > INPUTS / 50, "{accepted}");
}
