//! What rerole wrote to EKS and to the index, and whether it was allowed to.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use rerole::aws::eks::EKS_CALL_TIMEOUT;
use rerole_core::request::Location;
use rerole_core::timestamp::Timestamp;
use rerole_sim::CallRecord;
use serde_json::Value;

use crate::common::environment::{INDEX, INDEXER_ACCESS_KEY, ROTATE_ACCESS_KEY};
use crate::common::grants::check_granted;
use crate::common::guarantees::ledger::version;
use crate::common::guarantees::{Evidence, Rotation, text, time};

const UPDATE: &str = "UpdatePodIdentityAssociation";
const DESCRIBE: &str = "DescribePodIdentityAssociation";
/// The longest time that the design allows between a Describe and its update, plus the time that a
/// request can take to arrive.
const WINDOW: Duration = Duration::from_millis(5_000 + 60);

/// How long before an update the lease was renewed at the latest.
const LEASE_AGE_MAX: Duration = Duration::from_secs(7);
/// A Describe may show our own write with a later time than the response to the update.
const SAME_WRITE_WITHIN: Duration = Duration::from_mins(1);
/// How long EKS Pod Identity credentials live, of a role itself and by role chaining.
const CREDENTIALS: Duration = Duration::from_hours(6);
const CREDENTIALS_OF_TARGET_ROLE: Duration = Duration::from_mins(59);

pub fn check(evidence: &Evidence) {
    check_granted(&evidence.calls);
    let (updates, lease_writes) = (updates(evidence), lease_writes(evidence));
    for update in &updates {
        sends_only_roles(update);
        follows_a_renewal(&lease_writes, update);
    }
    let justified: Vec<_> = updates
        .iter()
        .map(|update| (*update, is_justified(evidence, update)))
        .collect();
    tokens_name_versions(&justified);
    no_ending_hides_an_update(evidence, &justified);
    changes_of_others_stay(evidence, &justified);
    roles_are_drained(evidence, &justified);
    index_goes_forward(evidence);
}

/// Why an update was allowed.
struct Justification<'a> {
    rotation: &'a Rotation,
    describe: &'a CallRecord,
}

fn updates(evidence: &Evidence) -> Vec<&CallRecord> {
    let updates = evidence.calls_of(UPDATE);
    updates.filter(|record| is_of_rerole(record)).collect()
}

/// Whether a function of the stack made the call.
fn is_of_rerole(record: &CallRecord) -> bool {
    let key = &record.call.access_key;
    key.starts_with(ROTATE_ACCESS_KEY) || key.starts_with(INDEXER_ACCESS_KEY)
}

/// The role fields that an update sends.
fn fields_sent(update: &CallRecord) -> Vec<&'static str> {
    let fields = ["roleArn", "targetRoleArn"].into_iter();
    fields
        .filter(|field| update.call.body.get(field).is_some())
        .collect()
}

/// 6. An update sends the role fields that change and nothing else.
fn sends_only_roles(update: &CallRecord) {
    let (fields, body) = (fields_sent(update), &update.call.body);
    let members = body.as_object().map_or(0, serde_json::Map::len);
    assert!(
        !fields.is_empty() && members == fields.len() + 1,
        "guarantee 6: an update sends {body}"
    );
}

/// The calls that have opened a rotation or renewed its lease.
fn lease_writes(evidence: &Evidence) -> Vec<&CallRecord> {
    let sets_lease = |record: &&CallRecord| {
        let (body, is_success) = (record.call.body.to_string(), record.status == Some(200));
        is_success && (body.contains(r#"":leaseUntil""#) || body.contains(r#""leaseUntil":"#))
    };
    evidence.calls.iter().filter(sets_lease).collect()
}

/// An update is sent only while the ledger answers: its invocation has opened the rotation or
/// renewed its lease a moment ago.
fn follows_a_renewal(lease_writes: &[&CallRecord], update: &CallRecord) {
    let last = lease_writes
        .iter()
        .filter(|record| record.call.access_key == update.call.access_key)
        .filter(|record| record.received_at.is_some_and(|at| at <= update.sent_at))
        .map(|record| record.sent_at)
        .max();
    let age = last.and_then(|last| update.sent_at.duration_since(last).ok());
    assert!(
        age.is_some_and(|age| age <= LEASE_AGE_MAX),
        "{} was updated {age:?} after the last renewal of the lease",
        update.call.subject
    );
}

/// 2. An association is written only if a Describe at most 5 s earlier showed it on the old role of
///    a rotation to the role that is written, which is open.
fn is_justified<'a>(evidence: &'a Evidence, update: &'a CallRecord) -> Justification<'a> {
    let subject = &update.call.subject;
    let describe = last_describe(evidence, update)
        .unwrap_or_else(|| panic!("guarantee 2: {subject} was updated without a Describe"));
    let sent_at = Timestamp::from(update.sent_at);
    let shown = &describe.response["association"];
    let allows = |rotation: &&Rotation| {
        let mut fields = fields_sent(update).into_iter();
        fields.all(|field| {
            update.call.body[field] == rotation.new_role() && shown[field] == rotation.old_role()
        })
    };
    // Another rotation may have the same roles, before it or between its attempts.
    let is_open = |rotation: &&Rotation| {
        let mut held = rotation.held.iter();
        held.any(|(from, to)| *from <= update.sent_at && update.sent_at <= *to)
    };
    // From then on, associations are only described.
    let is_stopped = |rotation: &&Rotation| {
        let stopped_at = rotation.item.get("stoppedAt").map(time);
        stopped_at.is_some_and(|at| at < sent_at)
    };
    assert!(
        shown["ownerArn"].is_null(),
        "guarantee 2: an add-on owns {shown}"
    );
    let arn = text(&shown["associationArn"]).parse().expect("an ARN");
    let location = Location {
        arn: &arn,
        namespace: text(&shown["namespace"]),
        service_account: text(&shown["serviceAccount"]),
    };
    let rotation = evidence
        .real_rotations()
        .filter(is_open)
        .filter(|rotation| !is_stopped(rotation) && rotation.covers(location))
        .find(allows)
        .unwrap_or_else(|| {
            let body = &update.call.body;
            panic!("guarantee 2: no open rotation allows {body} after {shown}")
        });
    let since = |at| update.sent_at.duration_since(at).expect("it came before");
    let described_at = describe.received_at.expect("it was received");
    let (age, asked) = (since(described_at), since(describe.sent_at));
    assert!(
        age <= WINDOW && asked <= WINDOW + EKS_CALL_TIMEOUT,
        "guarantee 2: {subject} was described {age:?} before its update, and asked for {asked:?}"
    );
    if let Some(rotation_id) = rotation.rollback_of() {
        takes_back_its_own(evidence, rotation_id, (update, rotation), describe);
    }
    Justification { rotation, describe }
}

/// 10. A rollback writes only associations whose row says that its rotation moved them, in fields
///     that it moved, and unless it was asked to, only as the rotation has left them.
fn takes_back_its_own(
    evidence: &Evidence,
    rotation_id: &str,
    (update, rollback): (&CallRecord, &Rotation),
    describe: &CallRecord,
) {
    let shown = &describe.response["association"];
    let mut rotations = evidence.real_rotations();
    let rotation = rotations.find(|rotation| rotation.key == rotation_id);
    let row = rotation.and_then(|rotation| rotation.row(text(&shown["associationArn"])));
    let row = row.unwrap_or_else(|| panic!("guarantee 10: {rotation_id} has no row of {shown}"));
    assert_eq!(row["outcome"], "Updated", "guarantee 10: {row:#}");
    let fields = row["fields"].as_array().into_iter().flatten();
    let fields: Vec<_> = fields.map(text).collect();
    let sent = fields_sent(update);
    assert!(
        sent.iter().all(|field| fields.contains(field)),
        "guarantee 10: {sent:?} was taken back of {row:#}"
    );
    if rollback.item["request"]["rollback"]["includeChanged"] == true {
        return;
    }
    let left_at = row.get("modifiedAt").map(time).expect("it was moved");
    let shown_at = version(shown).expect("a version");
    assert!(
        shown_at.since(left_at) <= SAME_WRITE_WITHIN,
        "guarantee 10: {row:#} has changed since, and was taken back: {shown:#}"
    );
    if shown_at != left_at {
        for (member, recorded) in [
            ("roleArn", "roleArn"),
            ("targetRoleArn", "targetRoleArn"),
            ("externalId", "externalId"),
        ] {
            let recorded = row.get(recorded).unwrap_or(&Value::Null);
            assert_eq!(
                &shown[member], recorded,
                "guarantee 10: {member} of {row:#}"
            );
        }
    }
}

/// The last Describe of the association whose response the same invocation had received.
fn last_describe<'a>(evidence: &'a Evidence, update: &CallRecord) -> Option<&'a CallRecord> {
    let is_earlier = |at: SystemTime| at <= update.sent_at;
    evidence
        .calls_of(DESCRIBE)
        .filter(|record| record.call.access_key == update.call.access_key)
        .filter(|record| record.call.subject == update.call.subject && record.status == Some(200))
        .filter(|record| record.received_at.is_some_and(is_earlier))
        .max_by_key(|record| record.received_at)
}

/// 5. Same rotation, association and observed version: same token. Anything else: another token.
///    Each definitive refusal allows one more.
fn tokens_name_versions(updates: &[(&CallRecord, Justification<'_>)]) {
    let mut versions = BTreeMap::new();
    let mut refusals: BTreeMap<_, usize> = BTreeMap::new();
    for (update, Justification { rotation, describe }) in updates {
        let subject = update.call.subject.as_str();
        let version = describe.response["association"]["modifiedAt"].to_string();
        let version = (rotation.key.as_str(), subject, version);
        let token = update.call.token.clone();
        let token = token.expect("guarantee 5: an update was sent without a token");
        let first = versions.entry(token.clone()).or_insert(version.clone());
        assert_eq!(
            *first, version,
            "guarantee 5: token {token} names two versions"
        );
        if matches!(update.status, Some(400 | 403)) && update.received_at.is_some() {
            *refusals.entry(version).or_default() += 1;
        }
    }
    let mut tokens: BTreeMap<_, usize> = BTreeMap::new();
    for version in versions.values() {
        *tokens.entry(version).or_default() += 1;
    }
    for (version, count) in tokens {
        let refusals = refusals.get(version).copied().unwrap_or(0);
        assert!(
            count <= 1 + refusals,
            "guarantee 5: {version:?} has {count} tokens after {refusals} refusals"
        );
    }
}

/// An association that a rotation has updated does not end as one that it has not, unless another
/// actor has changed it since. The update took effect before the rotation was closed.
fn no_ending_hides_an_update(evidence: &Evidence, updates: &[(&CallRecord, Justification<'_>)]) {
    for (update, Justification { rotation, .. }) in updates {
        if is_assumption_broken(update) {
            continue;
        }
        assert!(
            !takes_effect_after_end(update, rotation),
            "guarantee 3: an update took effect after {} was closed",
            rotation.key
        );
        let is_changed_later = evidence.calls.iter().any(|record| {
            !is_of_rerole(record)
                && record.call.subject == update.call.subject
                && record.applied_at > update.applied_at
        });
        if update.applied_at.is_none() || update.replayed || is_changed_later {
            continue;
        }
        let arn = update.response["association"]["associationArn"].as_str();
        let row = arn.and_then(|arn| rotation.row(arn));
        // What an add-on does to its association is in no call.
        let mut associations = evidence.associations.iter();
        let is_owned = associations
            .any(|it| Some(it.association_arn.as_str()) == arn && it.owner_arn.is_some());
        let outcome = row.map(|row| text(&row["outcome"]));
        let is_hidden = match outcome {
            None | Some("NotAttempted" | "AlreadyCurrent" | "ChangedSince") => true,
            Some("Drifted" | "OwnedByAddon") => !is_owned,
            Some(_) => false,
        };
        assert!(
            !is_hidden,
            "{} hides its update of {arn:?}: {row:#?}",
            rotation.key
        );
    }
}

fn takes_effect_after_end(update: &CallRecord, rotation: &Rotation) -> bool {
    let applied_at = update.applied_at.filter(|_| !update.replayed);
    let finished_at = rotation.finished_at();
    applied_at
        .zip(finished_at)
        .is_some_and(|(applied_at, finished_at)| Timestamp::from(applied_at) > finished_at)
}

/// rerole assumes that no update takes effect after the timeout of its call. A process that stands
/// still between its last check and the first byte that it sends can break this assumption.
fn is_assumption_broken(update: &CallRecord) -> bool {
    let took = update
        .applied_at
        .map(|at| at.duration_since(update.sent_at));
    took.is_some_and(|took| took.is_ok_and(|took| took > EKS_CALL_TIMEOUT))
}

/// What another actor changed is not touched: an update that takes effect replaces the old role,
/// unless another actor has changed the role since the state that the Describe showed.
fn changes_of_others_stay(evidence: &Evidence, updates: &[(&CallRecord, Justification<'_>)]) {
    for (update, Justification { rotation, describe }) in updates {
        let Some(applied_at) = update.applied_at.filter(|_| !update.replayed) else {
            continue;
        };
        let shown_at = describe.applied_at.expect("it succeeded") - evidence.describe_lag;
        for field in fields_sent(update) {
            let others = evidence.calls.iter().filter(|record| {
                !is_of_rerole(record)
                    && record.response["association"]["associationArn"]
                        == update.response["association"]["associationArn"]
                    && record.applied_at.is_some_and(|at| at < applied_at)
                    && record.call.body.get(field).is_some()
            });
            let Some(last) = others.max_by_key(|record| record.applied_at) else {
                continue;
            };
            let is_on_old_role = last.call.body[field] == rotation.old_role();
            let changed_at = last.applied_at.expect("it took effect");
            let subject = &update.call.subject;
            let moved = (*update, field, rotation.old_role());
            assert!(
                is_on_old_role || changed_at >= shown_at || is_later_moved(updates, last, moved),
                "{subject} was changed by another actor before its Describe, and overwritten"
            );
        }
    }
}

/// Whether rerole itself moved the field onto the old role between another actor's change and this
/// update, in another rotation.
fn is_later_moved(
    updates: &[(&CallRecord, Justification<'_>)],
    change: &CallRecord,
    (update, field, old_role): (&CallRecord, &str, &str),
) -> bool {
    updates.iter().any(|(other, _)| {
        other.call.subject == update.call.subject
            && other.call.body[field] == old_role
            && other.applied_at > change.applied_at
            && other.applied_at < update.applied_at
    })
}

/// 13. No role counts as free while pods may still have its credentials, which they got before an
///     update took their association away from it.
fn roles_are_drained(evidence: &Evidence, updates: &[(&CallRecord, Justification<'_>)]) {
    for (update, Justification { rotation, describe }) in updates {
        let is_effect = !update.replayed && !is_assumption_broken(update);
        let applied_at = update.applied_at.filter(|_| is_effect);
        let Some(applied_at) = applied_at.filter(|_| rotation.finished_at().is_some()) else {
            continue;
        };
        let has_target_role =
            |record: &CallRecord| record.response["association"]["targetRoleArn"].is_string();
        let lifetime = if has_target_role(describe) && has_target_role(update) {
            CREDENTIALS_OF_TARGET_ROLE
        } else {
            CREDENTIALS
        };
        let role = rotation.old_role();
        let item = evidence.roles().find(|(arn, _)| *arn == role);
        let left_until = item.and_then(|(_, item)| item.get("leftUntil").map(time));
        assert!(
            left_until.is_some_and(|until| until >= Timestamp::from(applied_at) + lifetime),
            "guarantee 13: {role} was left at {applied_at:?}, and counts as free at {left_until:?}"
        );
    }
}

/// The index moves forward by versions, also after a deletion: EKS never gives an ID again.
fn index_goes_forward(evidence: &Evidence) {
    let mut writes: Vec<_> = evidence
        .calls
        .iter()
        .filter(|record| record.call.body["TableName"] == INDEX)
        .filter_map(|record| Some((record.applied_at?, record)))
        .collect();
    writes.sort_by_key(|(applied_at, _)| *applied_at);
    let mut versions: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for (_, record) in writes {
        let (body, subject) = (&record.call.body, record.call.subject.as_str());
        let stored = &body["Item"]["modifiedAt"]["S"];
        let updated = &body["ExpressionAttributeValues"][":modifiedAt"]["S"];
        let version = match record.call.operation.as_str() {
            "PutItem" if stored.is_string() => time(stored),
            "UpdateItem" if updated.is_string() => time(updated),
            _ => continue,
        };
        let before = versions.insert(subject, version);
        assert!(
            before.is_none_or(|before| before <= version),
            "the index went back from {before:?} to {version} of {subject}"
        );
    }
}
