//! The cases of closing a rotation: one transaction with its item and the items of both roles.

use rerole::aws::ledger::Close;
use rerole_core::rotation::RotationRecord;

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{Outcome, Table, World, as_it_is, cases, no_item, set, unset};
use crate::conditions::items::TableKey;
use crate::conditions::lease::owner_rows;
use crate::fence::{author, closed, open, request};
use crate::harness::{NEW, OLD};

pub const TABLES: &[Table] = &[of_rotations, of_roles, of_missing_roles];

/// What the owner has counted when it closes the rotation.
const REVERSIONS: u64 = 3;
const ARRIVALS: u64 = 5;

fn of_rotations() -> Vec<Outcome> {
    let counted = [
        (set("reversionCount", REVERSIONS), Holds),
        (set("reversionCount", REVERSIONS - 1), Fails),
        (set("reversionCount", REVERSIONS + 1), Fails),
        (set("arrivals", ARRIVALS), Holds),
        (set("arrivals", ARRIVALS - 1), Fails),
        (set("arrivals", ARRIVALS + 1), Fails),
    ];
    let of_timeline = [
        (set("timelineSeq", 2), Fails),
        (unset("timelineSeq"), Fails),
    ];
    let rows = owner_rows().chain(counted).chain(of_timeline);
    cases("close the rotation", close_with(TableKey::rotation()), rows)
}

fn of_roles() -> Vec<Outcome> {
    let of_role = |(write, role)| {
        // Opening the rotation has written version 1.
        let rows = [
            (as_it_is(), Holds),
            (set("version", 0), Fails),
            (set("version", 2), Fails),
            (unset("version"), Fails),
            (no_item(), Fails),
        ];
        cases(write, close_with(TableKey::role(role)), rows)
    };
    let roles = [("close the old role", OLD), ("close the new role", NEW)];
    roles.into_iter().flat_map(of_role).collect()
}

/// The item of a role may be missing if someone has removed it.
fn of_missing_roles() -> Vec<Outcome> {
    let close_without_item = async |world: &World| {
        let record = open(&world.aws, &request()).await;
        let TableKey { table, key } = TableKey::role(NEW);
        world.harness.aws.delete_item(table, key);
        close(world, &record, TableKey::role(NEW)).await;
    };
    let rows = [(as_it_is(), Holds), (set("version", 1), Fails)];
    cases("close a role without an item", close_without_item, rows)
}

/// Opens a rotation and closes it, in a transaction that includes this item.
fn close_with(item: TableKey) -> impl AsyncFn(&World) {
    async move |world: &World| {
        let record = open(&world.aws, &request()).await;
        close(world, &record, item.clone()).await;
    }
}

async fn close(world: &World, record: &RotationRecord, item: TableKey) {
    let close = closed(&world.aws, record);
    let close = Close {
        record: RotationRecord {
            reversion_count: REVERSIONS,
            arrivals: ARRIVALS,
            ..close.record
        },
        ..close
    };
    world.arm(item);
    let owned = world.aws.ledger.owned(record);
    drop(owned.close(&close, &author()).await);
}
