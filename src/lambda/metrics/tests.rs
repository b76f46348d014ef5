//! Each kind of metrics line, as it is written to the log.

use std::sync::{LazyLock, mpsc};

use expect_test::{Expect, expect};

use super::*;

fn check(emit: impl FnOnce(&Metrics, Timestamp), expected: &Expect) {
    let (lines, written) = mpsc::channel();
    let metrics = Metrics::new("rerole-Rotate".to_owned(), move |line| {
        lines.send(line).unwrap();
    });
    emit(&metrics, Timestamp::from_millis(1_795_467_600_000));
    expected.assert_eq(&written.try_iter().collect::<String>());
}

static KEY: LazyLock<RotationKey> = LazyLock::new(|| "app-2026".parse().unwrap());

fn slice() -> SliceMetrics<'static> {
    SliceMetrics {
        key: &KEY,
        associations: Some((
            Counts {
                total: 9,
                pending: 4,
                updated: 3,
                failed: 1,
                deleted: 1,
                ..Counts::default()
            },
            Counts {
                total: 9,
                updated: 4,
                failed: 1,
                deleted: 1,
                drifted: 2,
                owned_by_addon: 1,
                ..Counts::default()
            },
        )),
        throttled_calls: 7,
        ended: Some(Status::CompletedWithFailures),
    }
}

#[test]
fn a_slice_reports_its_settled_rows_and_the_final_status() {
    check(
        |metrics, now| metrics.slice(now, &slice()),
        &expect![[
            r#"{"AssociationsDrifted":2,"AssociationsFailed":0,"AssociationsSkipped":1,"AssociationsUpdated":1,"FunctionName":"rerole-Rotate","Rotations":1,"Status":"CompletedWithFailures","ThrottledCalls":7,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName"]],"Metrics":[{"Name":"ThrottledCalls","Unit":"Count"},{"Name":"AssociationsUpdated","Unit":"Count"},{"Name":"AssociationsFailed","Unit":"Count"},{"Name":"AssociationsDrifted","Unit":"Count"},{"Name":"AssociationsSkipped","Unit":"Count"}],"Namespace":"rerole"},{"Dimensions":[["FunctionName","Status"]],"Metrics":[{"Name":"Rotations","Unit":"Count"}],"Namespace":"rerole"}],"Timestamp":1795467600000},"rotationId":"app-2026"}"#
        ]],
    );
}

#[test]
fn a_slice_that_leaves_the_rotation_open_counts_no_rotation() {
    check(
        |metrics, now| {
            metrics.slice(
                now,
                &SliceMetrics {
                    ended: None,
                    ..slice()
                },
            );
        },
        &expect![[
            r#"{"AssociationsDrifted":2,"AssociationsFailed":0,"AssociationsSkipped":1,"AssociationsUpdated":1,"FunctionName":"rerole-Rotate","ThrottledCalls":7,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName"]],"Metrics":[{"Name":"ThrottledCalls","Unit":"Count"},{"Name":"AssociationsUpdated","Unit":"Count"},{"Name":"AssociationsFailed","Unit":"Count"},{"Name":"AssociationsDrifted","Unit":"Count"},{"Name":"AssociationsSkipped","Unit":"Count"}],"Namespace":"rerole"}],"Timestamp":1795467600000},"rotationId":"app-2026"}"#
        ]],
    );
}

#[test]
fn a_dry_run_reports_no_associations() {
    let ended = Some(Status::Planned);
    check(
        |metrics, now| {
            metrics.slice(
                now,
                &SliceMetrics {
                    associations: None,
                    ended,
                    ..slice()
                },
            );
        },
        &expect![[
            r#"{"FunctionName":"rerole-Rotate","Rotations":1,"Status":"Planned","ThrottledCalls":7,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName"]],"Metrics":[{"Name":"ThrottledCalls","Unit":"Count"}],"Namespace":"rerole"},{"Dimensions":[["FunctionName","Status"]],"Metrics":[{"Name":"Rotations","Unit":"Count"}],"Namespace":"rerole"}],"Timestamp":1795467600000},"rotationId":"app-2026"}"#
        ]],
    );
}

#[test]
fn a_rejection_counts_as_a_rotation_with_status_rejected() {
    check(
        |metrics, now| metrics.rejected(now, &LedgerKey::Rejected("e-1".to_owned())),
        &expect![[
            r#"{"FunctionName":"rerole-Rotate","Rotations":1,"Status":"Rejected","_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName","Status"]],"Metrics":[{"Name":"Rotations","Unit":"Count"}],"Namespace":"rerole"}],"Timestamp":1795467600000},"rotationId":"rejected/e-1"}"#
        ]],
    );
}

#[test]
fn zero_stalled_rotations_are_also_written() {
    check(
        |metrics, now| metrics.stalled(now, 0, None),
        &expect![[
            r#"{"FunctionName":"rerole-Rotate","StackFrozenHours":0,"StalledRotations":0,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName"]],"Metrics":[{"Name":"StalledRotations","Unit":"Count"},{"Name":"StackFrozenHours","Unit":"Count"}],"Namespace":"rerole"}],"Timestamp":1795467600000}}"#
        ]],
    );
}

#[test]
fn what_was_not_published_is_counted_also_if_it_is_nothing() {
    let publish = PublishMetrics {
        published: 3,
        unpublishable: 0,
    };
    check(
        |metrics, now| metrics.published(now, &publish),
        &expect![[
            r#"{"EventsPublished":3,"FunctionName":"rerole-Rotate","ItemsNotPublished":0,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName"]],"Metrics":[{"Name":"EventsPublished","Unit":"Count"},{"Name":"ItemsNotPublished","Unit":"Count"}],"Namespace":"rerole"}],"Timestamp":1795467600000}}"#
        ]],
    );
}
