//! What many records say together.

use super::*;
use crate::drain::event::{Caller, OtherCaller, OtherKind};

pub const OLD: &str = "arn:aws:iam::111122223333:role/platform/app-2025";
pub const NEW: &str = "arn:aws:iam::111122223333:role/platform/app-2026";
const LIFETIME: Duration = Duration::from_hours(6);

/// Minutes after the rotation has moved the associations.
pub fn at(minutes: i64) -> Timestamp {
    let moved: Timestamp = "2026-11-23T21:00:00.000Z".parse().unwrap();
    Timestamp::from_millis(moved.as_millis() + minutes * 60_000)
}

pub fn pod(service_account: &str, name: &str) -> Pod {
    let text = |text: &str| Some(text.to_owned());
    Pod {
        region: "eu-west-1".to_owned(),
        cluster_arn: text("arn:aws:eks:eu-west-1:111122223333:cluster/prod-1"),
        cluster: text("prod-1"),
        namespace: text("payments"),
        service_account: text(service_account),
        name: text(name),
        uid: None,
        session: text("eks-prod-1"),
    }
}

/// Credentials of the role that a pod has received so many minutes after the move.
pub fn received(role: &str, pod: Pod, minutes: i64) -> CredentialUse {
    let id = format!("{role} {pod} {minutes}");
    CredentialUse {
        event_id: Some(id),
        at: at(minutes),
        region: pod.region.clone(),
        role_arn: role.to_owned(),
        caller: Caller::Pod(pod),
        result: CallResult::ValidUntil(at(minutes) + LIFETIME),
    }
}

fn refusal(role: &str, pod: Pod, minutes: i64) -> CredentialUse {
    CredentialUse {
        result: CallResult::Refused("AccessDenied".to_owned()),
        ..received(role, pod, minutes)
    }
}

fn workload(service_account: &str) -> Workload {
    super::workload(&pod(service_account, "")).unwrap()
}

/// The rotation has moved `api` and `db`.
pub fn known() -> Known {
    Known {
        role_arn: OLD.to_owned(),
        new_role_arns: vec![NEW.to_owned()],
        moved: ["api", "db"].map(|it| (workload(it), at(0))).into(),
        last_move: Some(at(0)),
        using: HashSet::new(),
        left_until: Some(at(361)),
    }
}

/// What these records show so many minutes after the move.
pub fn evidence(uses: Vec<CredentialUse>, minutes: i64) -> Evidence {
    let sightings = Sightings {
        uses,
        ..Sightings::default()
    };
    let window = Window {
        from: at(minutes) - Duration::from_hours(7),
        to: at(minutes),
    };
    Evidence::of(&sightings, &known(), window)
}

fn holder(evidence: &Evidence) -> Option<(i64, Because)> {
    let [holder] = evidence.holders.as_slice() else {
        assert_eq!(evidence.holders, []);
        return None;
    };
    let minutes = (holder.expires_at.as_millis() - at(0).as_millis()) / 60_000;
    Some((minutes, holder.because))
}

#[test]
fn a_pod_holds_the_old_role_until_it_receives_the_new_one() {
    use Because::{ReceivedAfter, ReceivedBefore};
    let (old, new) = (
        |minutes: i64| received(OLD, pod("api", "api-0"), minutes),
        |minutes: i64| received(NEW, pod("api", "api-0"), minutes),
    );
    for (uses, now, expected, on_new) in [
        (vec![], 10, None, 0),
        (vec![old(-30)], 10, Some((330, ReceivedBefore)), 0),
        // EKS serves the old role for some seconds after the update.
        (vec![old(1)], 10, Some((361, ReceivedBefore)), 0),
        (vec![old(2)], 10, Some((362, ReceivedAfter)), 0),
        (vec![old(-30)], 330, None, 0),
        (vec![old(-30), new(5)], 10, None, 1),
        // CloudTrail shows events in any order.
        (vec![new(5), old(-30)], 10, None, 1),
        (
            vec![old(-200), old(-30)],
            10,
            Some((330, ReceivedBefore)),
            0,
        ),
        (vec![new(5), old(9)], 10, Some((369, ReceivedAfter)), 0),
        // Missing: the record of the old role.
        (vec![new(5)], 10, None, 1),
    ] {
        let evidence = evidence(uses.clone(), now);
        assert_eq!(holder(&evidence), expected, "{uses:?}");
        assert_eq!(evidence.pods_on_new_role, on_new, "{uses:?}");
        let seen = u64::from(expected.is_some()) + on_new;
        assert_eq!(evidence.pods_seen, seen, "{uses:?}");
    }
}

#[test]
fn a_pod_that_was_made_again_under_its_name_stands_for_the_one_before() {
    let with_uid = |uid: &str| Pod {
        uid: Some(uid.to_owned()),
        ..pod("db", "db-0")
    };
    let uses = vec![
        received(OLD, with_uid("a"), -30),
        received(NEW, with_uid("b"), 5),
    ];
    assert_eq!(holder(&evidence(uses, 10)), None);
}

#[test]
fn what_no_rotation_has_moved_is_explained_by_the_time_in_the_ledger_alone() {
    let other = || pod("by-hand", "by-hand-0");
    for (minutes, because) in [(1, Because::ReceivedBefore), (2, Because::Unexplained)] {
        let evidence = evidence(vec![received(OLD, other(), minutes)], 10);
        assert_eq!(holder(&evidence).map(|it| it.1), Some(because), "{minutes}");
    }
}

/// It is not drained at all, so the time says nothing about it.
#[test]
fn what_still_uses_the_role_is_explained_by_that() {
    let known = Known {
        using: HashSet::from([workload("api")]),
        ..known()
    };
    let sightings = Sightings {
        uses: vec![received(OLD, pod("api", "api-0"), 5)],
        ..Sightings::default()
    };
    let window = Window {
        from: at(-360),
        to: at(10),
    };
    let evidence = Evidence::of(&sightings, &known, window);
    assert_eq!(holder(&evidence), Some((365, Because::Associated)));
}

#[test]
fn a_pod_without_names_holds_what_its_session_has_received() {
    let unnamed = Pod {
        region: "eu-west-1".to_owned(),
        session: Some("eks-prod-1-api".to_owned()),
        ..Pod::default()
    };
    let uses = vec![
        received(OLD, unnamed.clone(), -30),
        received(NEW, unnamed, 5),
    ];
    // Nothing says that both are one pod.
    let evidence = evidence(uses, 10);
    assert_eq!(holder(&evidence), Some((330, Because::ReceivedBefore)));
    assert_eq!((evidence.pods_seen, evidence.pods_on_new_role), (2, 1));
    assert_eq!(evidence.restarts, [""; 0]);
}

#[test]
fn a_record_that_came_twice_counts_once() {
    let other = CredentialUse {
        caller: Caller::Other(OtherCaller {
            kind: OtherKind::Principal,
            name: "jane".to_owned(),
        }),
        ..received(OLD, pod("api", "api-0"), 3)
    };
    let nameless = CredentialUse {
        event_id: None,
        ..other.clone()
    };
    let uses = vec![other.clone(), other.clone(), nameless];
    let seen = evidence(uses, 10).others;
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].times, seen[0].last_at), (2, at(3)));
    // The new role is for others to use.
    let of_new = CredentialUse {
        role_arn: NEW.to_owned(),
        ..other
    };
    assert_eq!(evidence(vec![of_new], 10).others, []);
}

#[test]
fn a_refusal_counts_until_the_caller_receives_credentials() {
    let api = || pod("api", "api-0");
    let of = |uses: Vec<CredentialUse>| evidence(uses, 10).refused.len();
    assert_eq!(of(vec![refusal(NEW, api(), 5)]), 1);
    assert_eq!(of(vec![refusal(NEW, api(), 5), received(NEW, api(), 6)]), 0);
    assert_eq!(of(vec![received(NEW, api(), 6), refusal(NEW, api(), 5)]), 0);
    assert_eq!(of(vec![received(NEW, api(), 6), refusal(NEW, api(), 7)]), 1);
    // A refusal is no use.
    assert_eq!(holder(&evidence(vec![refusal(OLD, api(), 5)], 10)), None);
}

#[test]
fn the_workloads_that_were_not_seen_on_the_new_role_are_named() {
    let evidence = evidence(vec![received(NEW, pod("api", "api-0"), 5)], 10);
    assert_eq!(evidence.workloads_moved, 2);
    assert_eq!(evidence.workloads_not_seen, [workload("db")]);
}

/// Of each pod, credentials of both roles.
#[test]
fn five_thousand_pods_are_counted() {
    let pods = (0..5_000).map(|number| pod(&format!("api-{number}"), &format!("api-{number}-0")));
    let uses = pods.flat_map(|it| [received(OLD, it.clone(), -30), received(NEW, it, 5)]);
    let mut uses: Vec<_> = uses.collect();
    uses.truncate(9_990);
    let late: Vec<_> = (0..10)
        .map(|it| received(OLD, pod("db", &format!("db-{it}")), -1))
        .collect();
    uses.extend(late);
    let evidence = evidence(uses, 10);
    assert_eq!(
        (evidence.pods_seen, evidence.pods_on_new_role),
        (5_005, 4_995)
    );
    assert_eq!(evidence.last_expiry, Some(at(-1) + LIFETIME));
    assert_eq!(evidence.restarts.len(), 1);
}
