//! Idle times, repeated results, counters, and contradictions of records.

use super::*;
use crate::request::testing::requested;
use crate::rotation::End;

fn record(lease_until: Option<u64>, idle_since: Option<u64>) -> RotationRecord {
    let record = RotationRecord::start(&requested(&serde_json::json!({})), at(10));
    RotationRecord {
        lease_until: lease_until.map(at),
        idle_since: idle_since.map(at),
        ..record
    }
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(0) + Duration::from_secs(secs)
}

#[test]
fn the_end_of_the_lease_or_its_release_says_since_when_a_rotation_is_idle() {
    for (lease_until, idle_since, now, idle_secs) in [
        // An invocation works on it.
        (Some(145), None, 100, 0),
        (Some(145), Some(50), 100, 0),
        // The last slice released the lease.
        (None, Some(50), 100, 50),
        // The first slice, or a later one, was killed.
        (Some(90), None, 100, 10),
        (Some(90), Some(50), 100, 10),
    ] {
        let idle = record(lease_until, idle_since).idle_for(at(now));
        assert_eq!(
            idle,
            Duration::from_secs(idle_secs),
            "{lease_until:?} {idle_since:?}"
        );
    }
}

#[test]
fn the_repeated_result_of_a_dry_run_says_when_it_was_produced() {
    let again = "this is the result of 1970-01-01T00:00:20.000Z; \
                 for a new dry run, use another rotationId";
    let after_reason = format!("stopped; {again}");
    for (dry_run, reason, expected) in [
        (false, None, None),
        (false, Some("stopped"), Some("stopped")),
        (true, None, Some(again)),
        (true, Some("stopped"), Some(after_reason.as_str())),
    ] {
        let record = RotationRecord {
            request: requested(&serde_json::json!({ "dryRun": dry_run })).request,
            state: State::Finished(Box::new(End {
                reason: reason.map(str::to_owned),
                ..End::new(Status::Succeeded, at(20))
            })),
            ..record(None, None)
        };
        let summary = record.repeated_summary(RoleUse {
            in_use: None,
            until: None,
        });
        assert_eq!(summary.reason.as_deref(), expected);
    }
}

#[test]
fn a_counter_of_the_indexer_is_stored_once_it_is_not_zero() {
    for (count, stored) in [(0, None), (2, Some(2))] {
        let item = serde_json::to_value(RotationRecord {
            reversion_count: count,
            arrivals: count,
            ..record(None, None)
        });
        let item = item.unwrap();
        for counter in ["reversionCount", "arrivals"] {
            let found = item.get(counter).and_then(serde_json::Value::as_u64);
            assert_eq!(found, stored, "{counter}");
        }
    }
}

#[test]
fn a_record_that_contradicts_its_key_or_its_request_is_named() {
    let key = |text: &str| -> RotationKey { text.parse().unwrap() };
    let role = |name: &str| crate::request::testing::role(name).parse().unwrap();
    let valid = || record(None, None);
    let of_dry_run = requested(&serde_json::json!({ "dryRun": true })).request;
    for (record, asked, expected) in [
        (valid(), "r-1", None),
        (valid(), "r-2", Some("rotationId")),
        (valid(), "dry-run/r-1", Some("rotationId")),
        (
            RotationRecord {
                request: of_dry_run,
                ..valid()
            },
            "r-1",
            Some("request.rotationId"),
        ),
        (
            RotationRecord {
                old_role_arn: role("other"),
                ..valid()
            },
            "r-1",
            Some("oldRoleArn"),
        ),
        (
            RotationRecord {
                new_role_arn: role("other"),
                ..valid()
            },
            "r-1",
            Some("newRoleArn"),
        ),
    ] {
        let found = record.contradiction(&key(asked));
        let name = found.as_deref().and_then(|text| text.split(' ').next());
        assert_eq!(name, expected, "{asked}");
    }
}
