//! The cases of filters: which items a query or scan leaves out.

use rerole::aws::ledger::Select;

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{Outcome, Table, World, as_it_is, cases, set, unset};
use crate::conditions::index_items::associate;
use crate::conditions::items::TableKey;
use crate::conditions::rows::planned;
use crate::harness::{OLD, THIRD};

pub const TABLES: &[Table] = &[pending_rows, moved_rows, keys_of_the_index];

const DELETED_AT: &str = "2026-11-23T20:00:00.000Z";

fn pending_rows() -> Vec<Outcome> {
    let read = async |world: &World| {
        let (record, row) = planned(world).await;
        let rows = world.aws.ledger.rows(&record.key);
        let region = rows.regions().await.unwrap().remove(0);
        world.arm(TableKey::row(&row.association_arn));
        drop(rows.page(Select::PendingIn(&region), None).await);
    };
    let rows = [
        (as_it_is(), Holds),
        (set("outcome", "Updated"), Fails),
        (unset("outcome"), Fails),
    ];
    cases("read pending rows", read, rows)
}

fn moved_rows() -> Vec<Outcome> {
    let read = async |world: &World| {
        let (record, row) = planned(world).await;
        set("outcome", "Updated").apply(&world.harness.aws, &TableKey::row(&row.association_arn));
        world.arm(TableKey::row(&row.association_arn));
        drop(world.aws.ledger.rows(&record.key).moved(None).await);
    };
    let rows = [
        (as_it_is(), Holds),
        (set("outcome", "AlreadyCurrent"), Fails),
        (unset("outcome"), Fails),
    ];
    cases("read moved rows", read, rows)
}

fn keys_of_the_index() -> Vec<Outcome> {
    let scan = async |world: &World| {
        let arn = associate(world);
        world.arm(TableKey::association(&arn));
        let invalid = world.indexer.index.invalid_items();
        invalid.keys(None).await.unwrap();
    };
    let tombstone = || set("deletedAt", DELETED_AT).unset("roleArn");
    let rows = [
        (as_it_is(), Holds),
        (unset("roleArn"), Holds),
        (tombstone(), Fails),
        (tombstone().set("roleArn", OLD), Holds),
        (tombstone().set("targetRoleArn", THIRD), Holds),
    ];
    cases("scan the keys of the index", scan, rows)
}
