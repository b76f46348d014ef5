//! The cases of what the indexer tells the rotations: arrivals and reversions.

use rerole_core::resource::{RoleArn, RoleFields};
use rerole_core::rotation::reversion::ReversionRow;
use rerole_core::rotation::{RotationRecord, Row};

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{
    Edit, Expected, Outcome, Table, World, as_it_is, cases, no_item, set, unset,
};
use crate::conditions::items::TableKey;
use crate::fence::{author, closed, indexed_association, open, request};
use crate::harness::{OLD, THIRD};

pub const TABLES: &[Table] = &[
    arrivals,
    rows_of_arrivals,
    counted_arrivals,
    reversions,
    counts_in_open_rotations,
    counts_in_finished_rotations,
];

const FINISHED_AT: &str = "2026-11-23T22:00:00.000Z";

/// The cases of a write that requires an open rotation.
fn open_rows() -> [(Edit, Expected); 3] {
    [(as_it_is(), Holds), (finished(), Fails), (no_item(), Fails)]
}

/// The rotation has closed. It is read again, so its attributes must agree.
fn finished() -> Edit {
    let status = set("status", "Succeeded").set("phase", "Finished");
    status.set("finishedAt", FINISHED_AT)
}

/// The command `Retry` has opened the rotation again.
fn reopened() -> Edit {
    let status = set("status", "Planning").set("phase", "Planning");
    status.unset("finishedAt")
}

/// An open rotation, and the row of an association that it has not planned.
async fn arrival(world: &World) -> (RotationRecord, Row) {
    let item = indexed_association(&world.harness);
    let record = open(&world.aws, &request()).await;
    let row = Row::planned(&record.old_role_arn, &item);
    (record, row)
}

fn arrivals() -> Vec<Outcome> {
    let record = async |world: &World| {
        let (record, row) = arrival(world).await;
        world.arm(TableKey::rotation());
        let reversions = world.indexer.ledger.reversions();
        reversions.record_arrival(&record.key, &row).await.unwrap();
    };
    cases("record an arrival", record, open_rows())
}

fn rows_of_arrivals() -> Vec<Outcome> {
    let record = async |world: &World| {
        let (record, row) = arrival(world).await;
        world.arm(TableKey::row(&row.association_arn));
        let reversions = world.indexer.ledger.reversions();
        reversions.record_arrival(&record.key, &row).await.unwrap();
    };
    let rows = [(as_it_is(), Holds), (set("outcome", "Pending"), Fails)];
    cases("plan a row for an arrival", record, rows)
}

fn counted_arrivals() -> Vec<Outcome> {
    let count = async |world: &World| {
        let record = open(&world.aws, &request()).await;
        let old_role: RoleArn = OLD.parse().unwrap();
        world.arm(TableKey::rotation());
        let reversions = world.indexer.ledger.reversions();
        let counted = reversions.count_arrival(&record.key, &old_role);
        counted.await.unwrap();
    };
    let of_role = [
        (set("oldRoleArn", THIRD), Fails),
        (unset("oldRoleArn"), Fails),
    ];
    cases(
        "count an arrival",
        count,
        open_rows().into_iter().chain(of_role),
    )
}

/// An open rotation, and an association that is on its old role again.
async fn reversion(world: &World) -> (RotationRecord, ReversionRow) {
    let item = indexed_association(&world.harness);
    let record = open(&world.aws, &request()).await;
    let row = ReversionRow {
        reverted_arn: item.association_arn,
        cluster_name: item.cluster_name,
        namespace: item.namespace,
        service_account: item.service_account,
        fields: RoleFields::naming(&record.old_role_arn, OLD, None),
        modified_at: item.modified_at,
        seen_at: world.aws.now(),
        caller_arn: None,
        user_agent: None,
    };
    (record, row)
}

/// Records a reversion by a transaction that includes this item.
async fn record_with(world: &World, row: &ReversionRow, item: TableKey) {
    world.arm(item);
    let key = "r-1".parse().unwrap();
    let reversions = world.indexer.ledger.reversions();
    reversions.record(&key, row).await.unwrap();
}

fn reversions() -> Vec<Outcome> {
    let record = async |world: &World| {
        let (_, row) = reversion(world).await;
        let ReversionRow {
            reverted_arn,
            modified_at,
            ..
        } = &row;
        let entry = format!("reversion#{reverted_arn}#{modified_at}");
        record_with(world, &row, TableKey::ledger("r-1", &entry)).await;
    };
    let rows = [(as_it_is(), Holds), (set("seenAt", FINISHED_AT), Fails)];
    cases("record a reversion", record, rows)
}

fn counts_in_open_rotations() -> Vec<Outcome> {
    let count = async |world: &World| {
        let (_, row) = reversion(world).await;
        record_with(world, &row, TableKey::rotation()).await;
    };
    cases("count a reversion while open", count, open_rows())
}

fn counts_in_finished_rotations() -> Vec<Outcome> {
    let count = async |world: &World| {
        let (record, row) = reversion(world).await;
        let owned = world.aws.ledger.owned(&record);
        let close = closed(&world.aws, &record);
        owned.close(&close, &author()).await.unwrap();
        record_with(world, &row, TableKey::rotation()).await;
    };
    let rows = [(as_it_is(), Holds), (reopened(), Fails)];
    cases("count a reversion when finished", count, rows)
}
