//! Entries are marked with the last use of their service.

use super::super::{Difference, LastAccessed, difference};
use super::BothRoles;
use super::language::permissions;

fn compared(old: &str, new: &str) -> Difference {
    let last_accessed: LastAccessed = [
        (
            "s3".to_owned(),
            Some("2026-11-20T12:00:00Z".parse().unwrap()),
        ),
        ("ec2".to_owned(), None),
    ]
    .into_iter()
    .collect();
    let roles = BothRoles {
        old: &permissions("old", old),
        new: &permissions("new", new),
    };
    difference(roles, &last_accessed)
}

fn shown(old: &str, new: &str) -> Vec<String> {
    let difference = compared(old, new);
    difference.entries.iter().map(ToString::to_string).collect()
}

#[test]
fn an_entry_says_when_the_service_was_used() {
    assert_eq!(
        shown(
            "allow S3:GetObject,ec2:RunInstances,sqs:SendMessage on *",
            "allow kms:* on *"
        ),
        [
            "lost, not used in the tracking period: ec2:RunInstances on * (app): \
             no statement of the new role allows it",
            "lost, and used on 2026-11-20: S3:GetObject on * (app): \
             no statement of the new role allows it",
            "lost, use unknown: sqs:SendMessage on * (app): \
             no statement of the new role allows it",
        ]
    );
}

#[test]
fn the_summary_names_the_services_by_change_and_use() {
    let old = "allow s3:GetObject,s3:PutObject,ec2:*,sqs:*,sns:Publish on *";
    let new = "allow ec2:Describe*,s3:GetObject on *";
    assert_eq!(
        compared(old, new).summary(),
        [
            "lost, and used on 2026-11-20: s3",
            "lost, use unknown: sns, sqs",
            "narrowed, not used in the tracking period: ec2",
        ]
    );
}

#[test]
fn a_permission_for_all_services_is_also_shown_for_those_that_were_used() {
    assert_eq!(
        shown("allow * on *", "allow kms:* on *"),
        [
            "narrowed, use unknown: * on * (app): the new role allows only kms:*",
            "lost, and used on 2026-11-20: s3:* on * (app): \
             no statement of the new role allows it",
        ]
    );
}
