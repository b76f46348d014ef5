//! The verdict on a role, by what is known of it.

use super::*;

fn hours(hours: i64) -> Timestamp {
    Timestamp::from_millis(hours * 3_600_000)
}

fn in_use() -> InUse {
    InUse {
        since: hours(1),
        by: "r-1".to_owned(),
        why: "2 failed".to_owned(),
    }
}

#[test]
fn no_role_is_free_while_something_uses_it_or_the_index_has_gaps() {
    type Change = fn(&mut Facts);
    let uses: [Change; 5] = [
        |facts| facts.users = 1,
        |facts| facts.unknown_users = 1,
        |facts| facts.in_use = Some(in_use()),
        |facts| facts.open_rotations = vec!["rotation r-2 waits".to_owned()],
        |facts| {
            facts.users = 1;
            facts.stale_regions = vec!["eu-west-1".to_owned()];
        },
    ];
    let gaps: [Change; 4] = [
        |facts| facts.incomplete_regions = vec!["eu-west-1".to_owned()],
        |facts| facts.stale_regions = vec!["eu-west-1".to_owned()],
        |facts| facts.invalid_items = 1,
        |facts| facts.unread = vec!["prod-1".to_owned()],
    ];
    let nothing: Change = |_| {};
    let now = hours(10);
    for (left_until, without_use) in [
        (None, Verdict::NoKnownUse),
        (Some(9), Verdict::NoKnownUse),
        (Some(11), Verdict::MayBeUsedUntil),
    ] {
        let uses = uses.map(|change| (change, Verdict::InUse));
        let gaps = gaps.map(|change| (change, Verdict::CannotBeTold));
        for (change, verdict) in uses.into_iter().chain(gaps).chain([(nothing, without_use)]) {
            let mut facts = Facts {
                is_known: true,
                left_until: left_until.map(hours),
                ..Facts::default()
            };
            change(&mut facts);
            let judgement = facts.judge(now);
            assert_eq!(judgement.verdict, verdict, "{facts:?}");
            let grounds = judgement.grounds.concat();
            assert!(!grounds.is_empty(), "{facts:?}");
            let gives_time =
                grounds.contains("1970-01-01 09:00:00") || grounds.contains("11:00:00");
            let may = matches!(verdict, Verdict::MayBeUsedUntil | Verdict::NoKnownUse);
            assert!(may || !gives_time, "{judgement:?}");
        }
    }
}

#[test]
fn a_role_that_nobody_has_named_is_unknown_and_not_free() {
    let nobody = Facts::default().judge(hours(10));
    assert_eq!(nobody.verdict, Verdict::Unknown);
    assert_eq!(nobody.verdict.exit(), Exit::StillInUse);
    assert!(nobody.grounds.concat().contains("check its spelling"));
    let gap = Facts {
        stale_regions: vec!["eu-west-1".to_owned()],
        ..Facts::default()
    };
    assert_eq!(gap.judge(hours(10)).verdict, Verdict::CannotBeTold);
    let known = Facts {
        is_known: true,
        ..Facts::default()
    };
    assert_eq!(known.judge(hours(10)).verdict.exit(), Exit::Done);
}

#[test]
fn the_grounds_say_who_uses_it() {
    let facts = Facts {
        users: 3,
        owned_by_addon: 1,
        gone_users: 1,
        unknown_users: 2,
        in_use: Some(in_use()),
        open_rotations: vec!["rotation r-2 (InProgress) moves associations onto it".to_owned()],
        ..Facts::default()
    };
    expect_test::expect![[r"
        3 associations use it, according to the index, 1 of them owned by add-ons, which no rotation moves
        EKS does not show 1 of them on it any more: rerole index build
        EKS shows 2 associations on it as the index does not have them: rerole index build
        the ledger has it in use since 1970-01-01 01:00:00 (9 h ago), by r-1: 2 failed
        rotation r-2 (InProgress) moves associations onto it"]]
    .assert_eq(&facts.judge(hours(10)).grounds.join("\n"));
}
