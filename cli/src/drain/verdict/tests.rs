//! Verdicts, each with the fact that decides it.

use super::*;
use crate::drain::event::{OtherKind, Pod};
use crate::drain::evidence::tests::{NEW, OLD, at, evidence, pod, received};
use crate::drain::evidence::{OtherUse, RegionRead};

const USED: &str = "an association uses it";

/// What index and ledger say, so many minutes after the rotation has moved the associations.
fn judge((known, minutes): (Known, i64), evidence: &Evidence, role: &RoleFacts) -> Judgement {
    let left_until = matches!(known, Known::MayBeUsedUntil | Known::NoKnownUse);
    let facts = Facts {
        known,
        known_grounds: &[USED.to_owned()],
        left_until: left_until.then(|| at(361)),
        evidence,
        role,
    };
    facts.judge(at(minutes))
}

fn last_used(minutes: i64) -> RoleFacts {
    RoleFacts {
        last_used_at: Some(at(minutes)),
        last_used_region: Some("eu-west-1".to_owned()),
        ..RoleFacts::default()
    }
}

fn other() -> OtherUse {
    OtherUse {
        kind: OtherKind::Service,
        name: "ec2.amazonaws.com".to_owned(),
        region: "eu-west-1".to_owned(),
        times: 2,
        last_at: at(5),
        expires_at: at(65),
    }
}

fn check(
    (known, minutes): (Known, i64),
    (evidence, role): (&Evidence, &RoleFacts),
    (verdict, ground): (Verdict, &str),
) {
    let judgement = judge((known, minutes), evidence, role);
    let grounds = judgement.grounds.join("\n");
    assert_eq!(judgement.verdict, verdict, "{grounds}");
    assert!(grounds.contains(ground), "{ground}: {grounds}");
    assert_eq!(
        judgement.free_after.is_some(),
        verdict == Verdict::FreeAfter
    );
}

#[test]
fn a_role_is_free_if_the_time_has_passed_and_no_use_was_seen() {
    use Known::{MayBeUsedUntil, NoKnownUse};
    let api = || pod("api", "api-0");
    let nothing = RoleFacts::default();
    for (known, now, uses, verdict, ground) in [
        (
            NoKnownUse,
            400,
            vec![received(NEW, api(), 300)],
            Verdict::Free,
            "CloudTrail shows no use",
        ),
        (
            NoKnownUse,
            400,
            vec![],
            Verdict::Unknown,
            "so it may not show pods at all",
        ),
        (
            MayBeUsedUntil,
            10,
            vec![],
            Verdict::FreeAfter,
            "until 2026-11-24 03:01:00",
        ),
        (
            MayBeUsedUntil,
            10,
            vec![received(OLD, api(), -30), received(NEW, api(), 5)],
            Verdict::FreeAfter,
            "1 pod was seen, and none has credentials of it",
        ),
        (
            MayBeUsedUntil,
            10,
            vec![received(OLD, api(), -30)],
            Verdict::FreeAfter,
            "1 pod holds its credentials until 2026-11-24 02:30:00",
        ),
        (
            NoKnownUse,
            400,
            vec![received(OLD, api(), 200)],
            Verdict::InUse,
            "after their association was moved from it: payments/api-0 in eu-west-1/prod-1",
        ),
        (
            NoKnownUse,
            400,
            vec![received(OLD, pod("x", "x-0"), 200)],
            Verdict::InUse,
            "the ledger knows of no association of theirs",
        ),
    ] {
        check(
            (known, now),
            (&evidence(uses, now), &nothing),
            (verdict, ground),
        );
    }
}

/// Guarantee 13: whatever CloudTrail shows, or does not.
#[test]
fn a_role_that_the_index_shows_in_use_is_never_free_and_gets_no_time() {
    let gap = Evidence {
        regions: vec![gap()],
        ..evidence(Vec::new(), 400)
    };
    for evidence in [
        &evidence(Vec::new(), 400),
        &evidence(vec![received(NEW, pod("api", "api-0"), 5)], 400),
        &gap,
        &Evidence::default(),
    ] {
        let nothing = RoleFacts::default();
        check(
            (Known::InUse, 400),
            (evidence, &nothing),
            (Verdict::InUse, USED),
        );
        for known in [Known::CannotBeTold, Known::Unknown] {
            check((known, 400), (evidence, &nothing), (Verdict::Unknown, USED));
        }
    }
}

fn gap() -> RegionRead {
    RegionRead {
        region: "eu-west-1".to_owned(),
        events: 0,
        gap: Some("access denied".to_owned()),
    }
}

#[test]
fn a_gap_makes_it_unknown_unless_a_use_was_seen() {
    let seen = |change: &dyn Fn(&mut Evidence)| {
        let mut evidence = evidence(Vec::new(), 400);
        change(&mut evidence);
        evidence
    };
    let gaps = [
        (
            seen(&|it| it.regions.push(gap())),
            "in eu-west-1 was not read to the end: access denied",
        ),
        (
            seen(&|it| it.unreadable = 1),
            "1 record of CloudTrail cannot be read",
        ),
        (Evidence::default(), "CloudTrail was not read"),
    ];
    let nothing = RoleFacts::default();
    for (mut evidence, ground) in gaps {
        let at = (Known::NoKnownUse, 400);
        check(at, (&evidence, &nothing), (Verdict::Unknown, ground));
        evidence.others.push(other());
        let ground = "ec2.amazonaws.com has received credentials of it 2 times";
        check(at, (&evidence, &nothing), (Verdict::InUse, ground));
    }
}

/// IAM knows a use hours late, so an early one says nothing new.
#[test]
fn a_use_that_iam_shows_counts_only_if_no_credentials_explain_it() {
    let seen = evidence(vec![received(OLD, pod("api", "api-0"), -30)], 10);
    let on_new = |minutes| vec![received(NEW, pod("api", "api-0"), minutes)];
    let (free, long_free) = (evidence(on_new(300), 400), evidence(on_new(1_900), 2_000));
    for (known, now, evidence, used_at, verdict) in [
        (Known::MayBeUsedUntil, 10, &seen, 5, Verdict::FreeAfter),
        (Known::NoKnownUse, 400, &free, 361, Verdict::Free),
        (Known::NoKnownUse, 400, &free, 362, Verdict::InUse),
        // A session that was used so long ago is over, so time alone does not end the wait.
        (Known::NoKnownUse, 2_000, &long_free, 400, Verdict::Unknown),
    ] {
        let role = last_used(used_at);
        check(
            (known, now),
            (evidence, &role),
            (verdict, "IAM shows that it was"),
        );
    }
}

/// Nothing has ever left the role, so nothing bounds how long its credentials are valid.
#[test]
fn without_known_credentials_a_use_counts_if_cloudtrail_should_show_it() {
    // No workload was moved, so no pod is expected on a new role.
    let evidence = Evidence {
        workloads_moved: 0,
        ..evidence(Vec::new(), 600)
    };
    for (used_at, verdict) in [(170, Verdict::Free), (190, Verdict::InUse)] {
        let role = last_used(used_at);
        let facts = Facts {
            known: Known::NoKnownUse,
            known_grounds: &[],
            left_until: None,
            evidence: &evidence,
            role: &role,
        };
        assert_eq!(facts.judge(at(600)).verdict, verdict, "{used_at}");
    }
}

#[test]
fn a_limit_says_what_the_facts_at_hand_leave_open() {
    let seen = evidence(vec![received(OLD, Pod::default(), -30)], 10);
    let role = RoleFacts {
        trusts: vec!["ec2.amazonaws.com".to_owned()],
        unread: vec!["the trust policy of x".to_owned()],
        ..RoleFacts::default()
    };
    let facts = |evidence, role| Facts {
        known: Known::NoKnownUse,
        known_grounds: &[],
        left_until: None,
        evidence,
        role,
    };
    let no_facts = RoleFacts {
        session_max_secs: Some(3_600),
        ..RoleFacts::default()
    };
    let nothing = Evidence::default();
    let few = facts(&nothing, &no_facts).limits();
    let more = facts(&seen, &role).limits();
    assert_eq!(more[..few.len()], few);
    assert_eq!(more.len(), few.len() + 4);
}
