//! The screens of `rerole drain`.

use expect_test::{Expect, expect};

use super::*;
use crate::drain::event::OtherKind;
use crate::drain::evidence::tests::{NEW, OLD, at, evidence, pod, received};
use crate::drain::evidence::{OtherUse, Refused, RegionRead};
use crate::drain::facts::RoleFacts;

fn drain(verdict: Verdict, evidence: Evidence) -> Drain {
    Drain {
        role_arn: OLD.to_owned(),
        verdict,
        free_after: (verdict == Verdict::FreeAfter).then(|| at(361)),
        grounds: vec!["the first ground".to_owned(), "the second one".to_owned()],
        limits: vec!["the limit".to_owned()],
        evidence,
        role: RoleFacts::default(),
        proof: Some(Proof {
            policy: "{}".to_owned(),
            deny: "aws iam put-role-policy".to_owned(),
            undo: "aws iam delete-role-policy".to_owned(),
        }),
    }
}

fn check(drain: &Drain, expected: &Expect) {
    let context = Context {
        account: "111122223333",
        now: at(10),
    };
    expected.assert_eq(&context.drain(drain, &Layout::of_width(100)));
}

fn region(gap: Option<&str>) -> RegionRead {
    RegionRead {
        region: "eu-west-1".to_owned(),
        events: 4,
        gap: gap.map(str::to_owned),
    }
}

#[test]
fn pods_that_hold_the_old_role_are_listed_with_what_restarts_them() {
    let api = "api-7d4b9c6f5d-x2x9z";
    let uses = vec![
        received(OLD, pod("api", api), -30),
        received(OLD, pod("db", "db-0"), -20),
        received(NEW, pod("db", "db-1"), 5),
    ];
    let mut evidence = evidence(uses, 10);
    evidence.regions = vec![region(None)];
    check(
        &drain(Verdict::FreeAfter, evidence),
        &expect![[r"
        Role platform/app-2025: free after 2026-11-24 03:01:00 (in 5 h 51 min)
          delete?   not yet
          because   the first ground
                    the second one

        From CloudTrail since 2026-11-23 14:10:00 (7 h ago), 4 records in eu-west-1:
          1 of 3 pods are on platform/app-2026
          2 pods in 1 cluster hold the old one until 2026-11-24 02:40:00 (in 5 h 30 min); a restart ends it now
          1 of 2 moved workloads were seen on the new role; not yet: payments/api in eu-west-1/prod-1

        LEFT  POD                   WORKLOAD      CLUSTER
        5 h   api-7d4b9c6f5d-x2x9z  payments/api  eu-west-1/prod-1
        5 h   db-0                  payments/db   eu-west-1/prod-1

        To end that now, restart them. These commands follow from the names of the pods, so check them:
          kubectl --context arn:aws:eks:eu-west-1:111122223333:cluster/prod-1 -n payments rollout restart deployment/api
          kubectl --context arn:aws:eks:eu-west-1:111122223333:cluster/prod-1 -n payments rollout restart statefulset/db

        To prove that nothing uses it, deny it everything for some time. rerole does not do that:
          aws iam put-role-policy
        Not yet: it breaks every pod that still has its credentials.
        The policy takes effect within seconds, also for sessions that exist. Pods still receive credentials, and each call with them is denied.
        Watch the errors of your workloads, and in your trail the events with errorCode AccessDenied whose sessionContext.sessionIssuer.arn is the role. LookupEvents cannot find them by the role.
        To undo it:
          aws iam delete-role-policy

        rerole cannot know:
          the limit"]],
    );
}

#[test]
fn other_callers_refusals_and_gaps_are_said() {
    let mut evidence = evidence(Vec::new(), 10);
    evidence.regions = vec![region(Some("access denied"))];
    evidence.others = vec![OtherUse {
        kind: OtherKind::Service,
        name: "ec2.amazonaws.com".to_owned(),
        region: "eu-west-1".to_owned(),
        times: 1,
        last_at: at(5),
        expires_at: at(65),
    }];
    evidence.refused = vec![Refused {
        role_arn: NEW.to_owned(),
        caller: "pod payments/api-0 in eu-west-1/prod-1".to_owned(),
        region: "eu-west-1".to_owned(),
        last_at: at(5),
        error: "AccessDenied".to_owned(),
    }];
    let mut drain = drain(Verdict::InUse, evidence);
    drain.proof = None;
    drain.role.trusted_by = vec!["arn:aws:iam::444455556666:role/data".to_owned()];
    check(
        &drain,
        &expect![[r"
        Role platform/app-2025: in use
          delete?   no
          because   the first ground
                    the second one

        From CloudTrail since 2026-11-23 14:10:00 (7 h ago), 4 records in eu-west-1:
          no pod was seen, on the role or on platform/app-2026
          0 of 2 moved workloads were seen on the new role; not yet: payments/api in eu-west-1/prod-1, payments/db in eu-west-1/prod-1
          ec2.amazonaws.com received credentials of it 1 time in eu-west-1, last 2026-11-23 21:05:00 (5 min ago)
          pod payments/api-0 in eu-west-1/prod-1 was refused credentials of platform/app-2026, last 2026-11-23 21:05:00 (5 min ago): AccessDenied
          eu-west-1 was not read to the end: access denied
          target role arn:aws:iam::444455556666:role/data names it in its trust policy: change that before you delete it

        rerole cannot know:
          the limit"]],
    );
}
