//! The guarantees of the design that can be read off a log of calls, a ledger and the state of EKS, for any run whatever
//! went wrong in it. Guarantees 4 (repeats write nothing), 8 (crashes) and 9 (shared roles) need a scenario each; their
//! tests are in `redelivery.rs` and `crash.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use rerole::time::Timestamp;
use rerole_sim::{Association, CallRecord};
use serde_json::Value;

use crate::world::{INDEX, LEDGER, NEW, OLD, World};

/// The design's window between Describe and Update, plus what a request may be under way.
const WINDOW: Duration = Duration::from_millis(5_000 + 60);

/// The associations at some time: what must be the same before and after.
pub struct Before(BTreeMap<String, Association>);

impl Before {
    pub fn of(world: &World) -> Self {
        let all = |a: &Association| (a.association_arn.clone(), a.clone());
        let before: BTreeMap<_, _> = world.aws.eks(|eks| eks.associations().map(all).collect());
        assert!(!before.is_empty(), "a world is looked at after it was made");
        Self(before)
    }

    /// How many use this role, in either field.
    pub fn count_on(&self, role: &str) -> usize {
        let uses = |a: &&Association| a.role_arn == role || a.target_role_arn.as_deref() == Some(role);
        self.0.values().filter(uses).count()
    }
}

/// Checks what can be checked at any time.
pub fn check(world: &World, before: &Before) {
    let calls = world.aws.calls();
    success_is_confirmed(world, &calls);
    writes_are_justified(&calls);
    finished_rotations_are_settled(world);
    tokens_name_versions(&calls);
    only_the_role_changes(world, before, &calls);
    locks_go_with_their_rotation(world);
}

/// 1. Success recorded means EKS reported that role in each field that changed, at a version no older than the one
///    observed before.
fn success_is_confirmed(world: &World, calls: &[CallRecord]) {
    for row in ledger_rows(world).iter().filter(|row| row["outcome"] == "Updated") {
        let subject = subject(row["associationArn"].as_str().unwrap());
        let observed: Timestamp = row["observedModifiedAt"].as_str().unwrap().parse().unwrap();
        let fields = row["fields"].as_array().unwrap();
        assert!(!fields.is_empty(), "an update has changed something");
        let confirmed = calls.iter().any(|record| {
            record.call.subject == subject
                && record.answered_at.is_some()
                && fields.iter().all(|field| record.response["association"][field.as_str().unwrap()] == NEW)
                && version(record).is_some_and(|version| version >= observed)
        });
        assert!(confirmed, "guarantee 1: nothing in the log confirms {row:#}");
    }
}

/// 2. An association is written only when a Describe at most 5 s earlier showed it on the old role.
fn writes_are_justified(calls: &[CallRecord]) {
    for update in updates(calls) {
        let describe = last_describe(calls, update)
            .unwrap_or_else(|| panic!("guarantee 2: {} was written unseen", update.call.subject));
        for field in fields_sent(update) {
            assert_eq!(describe.response["association"][field], OLD, "guarantee 2: {field} of {}", update.call.subject);
        }
        let age = update.sent_at.duration_since(describe.answered_at.unwrap()).unwrap();
        assert!(age <= WINDOW, "guarantee 2: {} was looked at {age:?} before", update.call.subject);
    }
}

/// 3. A rotation is finished only when every association in scope that the index shows has a settled row.
fn finished_rotations_are_settled(world: &World) {
    for rotation in rotations(world).iter().filter(|rotation| rotation.get("finishedAt").is_some()) {
        let key = rotation["rotationId"].as_str().unwrap();
        let rows = world.rows(key);
        assert!(rows.iter().all(|row| row["outcome"] != "Pending"), "guarantee 3: {key} is finished with pending rows");
        assert_eq!(rotation["counts"]["total"], rows.len(), "the counts are those of the rows");
        assert!(rotation.get("leaseUntil").is_none(), "a finished rotation has given its lease back");
        let settled: BTreeSet<_> = rows.iter().map(|row| row["associationArn"].as_str().unwrap().to_owned()).collect();
        // These scenarios have no scope, so that all of the role is in it.
        for item in world.aws.items(INDEX).iter().filter(|item| item["roleArn"] == OLD || item["targetRoleArn"] == OLD)
        {
            let arn = item["associationArn"].as_str().unwrap();
            assert!(settled.contains(arn), "guarantee 3: {key} is finished without {arn}");
        }
    }
}

/// 5. Same rotation, same association, same observed version: same token. Anything else: another token. Each definitive
///    refusal allows one more; a process that died with the refusal unrecorded starts with the first token again.
fn tokens_name_versions(calls: &[CallRecord]) {
    let mut names = BTreeMap::new();
    let mut refusals: BTreeMap<_, usize> = BTreeMap::new();
    for update in updates(calls) {
        let subject = update.call.subject.as_str();
        let version = last_describe(calls, update).and_then(version);
        let token = update.call.token.clone().expect("every update has a token");
        let meaning = (subject, version);
        let meant = *names.entry(token.clone()).or_insert(meaning);
        assert_eq!(meant, meaning, "guarantee 5: token {token} names two things");
        if update.status == Some(400) && update.answered_at.is_some() {
            *refusals.entry(meaning).or_default() += 1;
        }
    }
    let mut tokens: BTreeMap<_, usize> = BTreeMap::new();
    for meaning in names.values() {
        *tokens.entry(*meaning).or_default() += 1;
    }
    for (meaning, count) in tokens {
        let refusals = refusals.get(&meaning).copied().unwrap_or(0);
        assert!(count <= 1 + refusals, "guarantee 5: {meaning:?} has {count} tokens after {refusals} refusals");
    }
}

/// 6. An update sends the role fields that change and nothing else, and nothing else changes.
fn only_the_role_changes(world: &World, before: &Before, calls: &[CallRecord]) {
    let mut sent: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for update in updates(calls) {
        let fields = fields_sent(update);
        assert!(!fields.is_empty(), "guarantee 6");
        let members = update.call.body.as_object().unwrap().len();
        assert_eq!(members, fields.len() + 1, "guarantee 6: fields and token, in {}", update.call.body);
        sent.entry(update.call.subject.as_str()).or_default().extend(fields);
    }
    world.aws.eks(|eks| {
        for after in eks.associations() {
            let Some(before) = before.0.get(&after.association_arn) else { continue };
            let sent = sent.get(subject(&after.association_arn).as_str());
            let was_sent = |field| sent.is_some_and(|sent| sent.contains(field));
            let mut expected = Association { modified_at: before.modified_at, ..after.clone() };
            // Somebody else may have changed the role, too; nobody else changes anything else in these scenarios.
            expected.role_arn.clone_from(&before.role_arn);
            if was_sent("targetRoleArn") {
                expected.target_role_arn.clone_from(&before.target_role_arn);
            }
            assert_eq!(&expected, before, "guarantee 6: more than the roles changed");
        }
    });
}

/// The role fields that an update sends, each of which must be the new role.
fn fields_sent(update: &CallRecord) -> Vec<&'static str> {
    let fields: Vec<_> =
        ["roleArn", "targetRoleArn"].into_iter().filter(|field| update.call.body.get(field).is_some()).collect();
    for field in &fields {
        assert_eq!(update.call.body[field], NEW, "guarantee 6");
    }
    fields
}

/// 9, as far as a state shows it: a lock is there exactly while its rotation is not finished.
fn locks_go_with_their_rotation(world: &World) {
    let open: BTreeSet<_> = rotations(world)
        .iter()
        .filter(|rotation| rotation.get("finishedAt").is_none() && rotation["request"]["dryRun"] == false)
        .map(|rotation| rotation["rotationId"].clone().to_string())
        .collect();
    let items = world.aws.items(LEDGER);
    let holders: Vec<_> =
        items.iter().filter(|item| item["entry"] == "lock").map(|lock| lock["lockedBy"].to_string()).collect();
    for holder in &holders {
        assert!(open.contains(holder), "guarantee 9: {holder} holds a lock and is not open");
    }
    assert_eq!(holders.len(), 2 * open.len(), "guarantee 9: each open rotation holds two locks");
}

fn rotations(world: &World) -> Vec<Value> {
    let is_rotation = |item: &Value| item["entry"] == "rotation" && item.get("request").is_some();
    world.aws.items(LEDGER).into_iter().filter(is_rotation).collect()
}

fn ledger_rows(world: &World) -> Vec<Value> {
    world.aws.items(LEDGER).into_iter().filter(|item| item.get("associationArn").is_some()).collect()
}

fn updates(calls: &[CallRecord]) -> impl Iterator<Item = &CallRecord> {
    calls.iter().filter(|record| record.call.operation == "UpdatePodIdentityAssociation")
}

/// The last Describe of the same association that was answered before this update left.
fn last_describe<'a>(calls: &'a [CallRecord], update: &CallRecord) -> Option<&'a CallRecord> {
    let answered = |record: &&CallRecord| record.answered_at.is_some_and(|at: SystemTime| at <= update.sent_at);
    calls
        .iter()
        .filter(|record| record.call.operation == "DescribePodIdentityAssociation")
        .filter(|record| record.call.subject == update.call.subject && record.status == Some(200))
        .filter(answered)
        .max_by_key(|record| record.answered_at)
}

/// `modifiedAt` in an EKS answer: epoch seconds with a fraction.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
fn version(record: &CallRecord) -> Option<Timestamp> {
    let seconds = record.response["association"]["modifiedAt"].as_f64()?;
    Some(Timestamp::from_millis((seconds * 1_000.0).round() as i64))
}

/// `<cluster>/<associationId>`, as the call log names it.
fn subject(arn: &str) -> String {
    arn.split_once("podidentityassociation/").map(|(_, subject)| subject.to_owned()).unwrap()
}
