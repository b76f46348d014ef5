//! The guarantees of the design that a log of calls, a ledger and the state of EKS can prove, for
//! any run and any fault in it. Guarantees 4 (repeats write nothing), 8 (crashes) and 9 (shared
//! roles) need a scenario each; their tests are in `redelivery.rs` and `crash/`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use rerole_core::timestamp::Timestamp;
use rerole_sim::{Association, CallRecord};
use serde_json::Value;

use crate::harness::{Harness, INDEX, LEDGER, NEW, OLD};

/// The longest time that the design allows between Describe and Update, plus the time that a
/// request can take to arrive.
const WINDOW: Duration = Duration::from_millis(5_000 + 60);

/// The associations before the run. Everything but their roles must be the same after it.
pub struct Before(BTreeMap<String, Association>);

impl Before {
    pub fn of(harness: &Harness) -> Self {
        let entry = |a: &Association| (a.association_arn.clone(), a.clone());
        let before: BTreeMap<_, _> = harness
            .aws
            .eks(|eks| eks.associations().map(entry).collect());
        assert!(!before.is_empty(), "EKS has no associations yet");
        Self(before)
    }

    /// How many associations use this role, in either field.
    pub fn count_on(&self, role: &str) -> usize {
        let uses =
            |a: &&Association| a.role_arn == role || a.target_role_arn.as_deref() == Some(role);
        self.0.values().filter(uses).count()
    }
}

/// Checks the guarantees that hold at any time.
pub fn check(harness: &Harness, before: &Before) {
    let calls = harness.aws.calls();
    success_is_confirmed(harness, &calls);
    writes_are_justified(&calls);
    finished_rotations_are_settled(harness);
    tokens_name_versions(&calls);
    only_the_role_changes(harness, before, &calls);
    only_open_rotations_hold_roles(harness);
    roles_with_associations_are_in_use(harness);
}

/// 1. Success recorded means EKS reported that role in each field that changed, at a version no
///    older than the one observed before.
fn success_is_confirmed(harness: &Harness, calls: &[CallRecord]) {
    for row in ledger_rows(harness)
        .iter()
        .filter(|row| row["outcome"] == "Updated")
    {
        let subject = subject(row["associationArn"].as_str().unwrap());
        let observed: Timestamp = row["observedModifiedAt"].as_str().unwrap().parse().unwrap();
        let fields: Vec<_> = row["fields"].as_array().unwrap().iter().collect();
        assert!(!fields.is_empty(), "an updated row names no field: {row:#}");
        let shows_new = |response: &Value| {
            fields
                .iter()
                .all(|field| response["association"][field.as_str().unwrap()] == NEW)
        };
        let confirmed = calls.iter().any(|record| {
            record.call.subject == subject
                && record.received_at.is_some()
                && shows_new(&record.response)
                && version(record).is_some_and(|version| version >= observed)
        });
        assert!(confirmed, "guarantee 1: no response confirms {row:#}");
    }
}

/// 2. An association is written only when a Describe at most 5 s earlier showed it on the old role.
fn writes_are_justified(calls: &[CallRecord]) {
    for update in updates(calls) {
        let subject = &update.call.subject;
        let describe = last_describe(calls, update)
            .unwrap_or_else(|| panic!("guarantee 2: {subject} was updated without a Describe"));
        for field in fields_sent(update) {
            let described = &describe.response["association"][field];
            assert_eq!(described, OLD, "guarantee 2: {field} of {subject}");
        }
        let age = update
            .sent_at
            .duration_since(describe.received_at.unwrap())
            .unwrap();
        assert!(
            age <= WINDOW,
            "guarantee 2: {subject} was described {age:?} before its update"
        );
    }
}

/// 3. A rotation is finished only when every association in scope that the index shows has a
///    settled row.
fn finished_rotations_are_settled(harness: &Harness) {
    let is_finished = |rotation: &&Value| rotation.get("finishedAt").is_some();
    for rotation in rotations(harness).iter().filter(is_finished) {
        let key = rotation["rotationId"].as_str().unwrap();
        let rows = harness.rows(key);
        assert!(
            rows.iter().all(|row| row["outcome"] != "Pending"),
            "guarantee 3: {key} is finished with pending rows"
        );
        assert_eq!(
            rotation["counts"]["total"],
            rows.len(),
            "the total is the number of rows"
        );
        assert!(
            rotation.get("leaseUntil").is_none(),
            "{key} is finished and still has its lease"
        );
        let arn_of = |item: &Value| item["associationArn"].as_str().unwrap().to_owned();
        let settled: BTreeSet<_> = rows.iter().map(arn_of).collect();
        // These scenarios have no scope, so every association on the old role is in scope.
        let uses_old = |item: &&Value| item["roleArn"] == OLD || item["targetRoleArn"] == OLD;
        for arn in harness.aws.items(INDEX).iter().filter(uses_old).map(arn_of) {
            assert!(
                settled.contains(&arn),
                "guarantee 3: {key} is finished without {arn}"
            );
        }
    }
}

/// 5. Same rotation, same association, same observed version: same token. Anything else: another
///    token. Each definitive refusal allows one more; a process that crashed with the refusal
///    unrecorded starts with the first token again.
fn tokens_name_versions(calls: &[CallRecord]) {
    let mut versions = BTreeMap::new();
    let mut refusals: BTreeMap<_, usize> = BTreeMap::new();
    for update in updates(calls) {
        let subject = update.call.subject.as_str();
        let version = (subject, last_describe(calls, update).and_then(version));
        let token = update
            .call
            .token
            .clone()
            .expect("an update was sent without a token");
        let first = *versions.entry(token.clone()).or_insert(version);
        assert_eq!(
            first, version,
            "guarantee 5: token {token} names two versions"
        );
        if matches!(update.status, Some(400 | 403)) && update.received_at.is_some() {
            *refusals.entry(version).or_default() += 1;
        }
    }
    let mut tokens: BTreeMap<_, usize> = BTreeMap::new();
    for version in versions.values() {
        *tokens.entry(*version).or_default() += 1;
    }
    for (version, count) in tokens {
        let refusals = refusals.get(&version).copied().unwrap_or(0);
        assert!(
            count <= 1 + refusals,
            "guarantee 5: {version:?} has {count} tokens after {refusals} refusals"
        );
    }
}

/// 6. An update sends the role fields that change and nothing else, and nothing else changes.
fn only_the_role_changes(harness: &Harness, before: &Before, calls: &[CallRecord]) {
    let mut sent: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for update in updates(calls) {
        let (fields, body) = (fields_sent(update), &update.call.body);
        assert!(
            !fields.is_empty(),
            "guarantee 6: an update sends no role: {body}"
        );
        let members = body.as_object().unwrap().len();
        assert_eq!(
            members,
            fields.len() + 1,
            "guarantee 6: only roles and token, in {body}"
        );
        sent.entry(update.call.subject.as_str())
            .or_default()
            .extend(fields);
    }
    harness.aws.eks(|eks| {
        for after in eks.associations() {
            let Some(before) = before.0.get(&after.association_arn) else {
                continue;
            };
            let sent = sent.get(subject(&after.association_arn).as_str());
            let was_sent = |field| sent.is_some_and(|sent| sent.contains(field));
            let mut expected = Association {
                modified_at: before.modified_at,
                ..after.clone()
            };
            // In these scenarios, other actors change `roleArn` and nothing else.
            expected.role_arn.clone_from(&before.role_arn);
            if was_sent("targetRoleArn") {
                expected.target_role_arn.clone_from(&before.target_role_arn);
            }
            assert_eq!(
                &expected, before,
                "guarantee 6: more than the roles changed"
            );
        }
    });
}

/// 9. A rotation holds its roles exactly as long as it is open. This is the part of the guarantee
///    that a state of the ledger shows.
fn only_open_rotations_hold_roles(harness: &Harness) {
    let is_open = |rotation: &&Value| {
        rotation.get("finishedAt").is_none() && rotation["request"]["dryRun"] == false
    };
    let rotations = rotations(harness);
    let open = rotations.iter().filter(is_open);
    let open: BTreeSet<_> = open
        .map(|rotation| rotation["rotationId"].to_string())
        .collect();
    let items = harness.aws.items(LEDGER);
    let owners = items.iter().filter_map(|item| item.get("heldBy"));
    let owners: Vec<_> = owners.map(Value::to_string).collect();
    for owner in &owners {
        assert!(
            open.contains(owner),
            "guarantee 9: {owner} holds a role and is not open"
        );
    }
    assert_eq!(
        owners.len(),
        2 * open.len(),
        "guarantee 9: each open rotation holds two roles"
    );
}

/// 13. A role that the index shows on an association, and that a rotation has named, counts as in
///     use.
pub fn roles_with_associations_are_in_use(harness: &Harness) {
    let items = harness.aws.items(LEDGER);
    let roles = items.iter().filter(|item| item["entry"] == "role");
    let is_free = |item: &&Value| item.get("inUse").is_none();
    for role in roles.filter(is_free) {
        let key = role["rotationId"].as_str().unwrap();
        let arn = key.strip_prefix("role/").unwrap();
        let uses = |item: &&Value| item["roleArn"] == arn || item["targetRoleArn"] == arn;
        let index = harness.aws.items(INDEX);
        let found = index.iter().find(uses);
        assert!(
            found.is_none(),
            "guarantee 13: {role:#} is used by {found:#?}"
        );
    }
}

/// The role fields that an update sends, each of which must be the new role.
fn fields_sent(update: &CallRecord) -> Vec<&'static str> {
    let body = &update.call.body;
    let fields = ["roleArn", "targetRoleArn"].into_iter();
    let fields: Vec<_> = fields.filter(|field| body.get(field).is_some()).collect();
    for field in &fields {
        assert_eq!(body[field], NEW, "guarantee 6: {field} is not the new role");
    }
    fields
}

fn rotations(harness: &Harness) -> Vec<Value> {
    let is_rotation = |item: &Value| item["entry"] == "rotation" && item.get("request").is_some();
    harness
        .aws
        .items(LEDGER)
        .into_iter()
        .filter(is_rotation)
        .collect()
}

fn ledger_rows(harness: &Harness) -> Vec<Value> {
    let is_row = |item: &Value| item.get("associationArn").is_some();
    harness
        .aws
        .items(LEDGER)
        .into_iter()
        .filter(is_row)
        .collect()
}

fn updates(calls: &[CallRecord]) -> impl Iterator<Item = &CallRecord> {
    calls
        .iter()
        .filter(|record| record.call.operation == "UpdatePodIdentityAssociation")
}

/// The last Describe of the same association whose response arrived before the client sent this
/// update.
fn last_describe<'a>(calls: &'a [CallRecord], update: &CallRecord) -> Option<&'a CallRecord> {
    let is_earlier = |at: SystemTime| at <= update.sent_at;
    calls
        .iter()
        .filter(|record| record.call.operation == "DescribePodIdentityAssociation")
        .filter(|record| record.call.subject == update.call.subject && record.status == Some(200))
        .filter(|record| record.received_at.is_some_and(is_earlier))
        .max_by_key(|record| record.received_at)
}

/// `modifiedAt` in a response of EKS: epoch seconds with a fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds since 1970 fit"
)]
fn version(record: &CallRecord) -> Option<Timestamp> {
    let seconds = record.response["association"]["modifiedAt"].as_f64()?;
    Some(Timestamp::from_millis((seconds * 1_000.0).round() as i64))
}

/// `<cluster>/<associationId>`, as the log of calls names it.
fn subject(arn: &str) -> String {
    let (_, subject) = arn.split_once("podidentityassociation/").unwrap();
    subject.to_owned()
}
