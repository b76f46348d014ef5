//! The cases of the rows of a rotation: planned once, settled once.

use rerole_core::resource::RoleFields;
use rerole_core::rotation::{Ending, RotationRecord, Row, Settled};

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{
    Edit, Expected, Outcome, Table, World, as_it_is, cases, no_item, set, unset,
};
use crate::conditions::items::TableKey;
use crate::fence::{indexed_association, open, request};

pub const TABLES: &[Table] = &[
    plans,
    settlements,
    refusals,
    fields,
    cancellations,
    reopenings,
];

/// A rotation with one pending row.
pub async fn planned(world: &World) -> (RotationRecord, Row) {
    let item = indexed_association(&world.harness);
    let record = open(&world.aws, &request()).await;
    let row = Row::planned(&record.old_role_arn, &item);
    let rows = world.aws.ledger.rows(&record.key);
    rows.plan(&record, vec![row.clone()]).await.unwrap();
    (record, row)
}

fn plans() -> Vec<Outcome> {
    let plan = async |world: &World| {
        let item = indexed_association(&world.harness);
        let record = open(&world.aws, &request()).await;
        world.arm(TableKey::row(&item.association_arn));
        let rows = world.aws.ledger.rows(&record.key);
        let row = Row::planned(&record.old_role_arn, &item);
        drop(rows.plan(&record, vec![row]).await);
    };
    let rows = [(as_it_is(), Holds), (set("outcome", "Updated"), Fails)];
    cases("plan a row", plan, rows)
}

/// The cases of a write that requires a pending row.
fn pending_rows() -> [(Edit, Expected); 6] {
    [
        (as_it_is(), Holds),
        (set("outcome", "Updated"), Fails),
        (unset("outcome"), Fails),
        (set("attempt", 2), Fails),
        (unset("attempt"), Fails),
        (no_item(), Fails),
    ]
}

fn cancellations() -> Vec<Outcome> {
    let cancel = async |world: &World| {
        let (record, row) = planned(world).await;
        world.arm(TableKey::row(&row.association_arn));
        let rows = world.aws.ledger.rows(&record.key);
        let now = world.aws.now();
        let settled = rows.settle_not_attempted(&record, &[row], now).await;
        settled.unwrap();
    };
    cases("settle a row as not attempted", cancel, pending_rows())
}

fn reopenings() -> Vec<Outcome> {
    let reopen = async |world: &World| {
        let (record, row) = planned(world).await;
        let rows = world.aws.ledger.rows(&record.key);
        let now = world.aws.now();
        let row = std::slice::from_ref(&row);
        rows.settle_not_attempted(&record, row, now).await.unwrap();
        let settled = rows.get(&row[0].association_arn).await.unwrap().unwrap();
        let reopened = settled.reopened(&record.request, 2).unwrap();
        world.arm(TableKey::row(&reopened.association_arn));
        rows.reopen(&record, &[reopened]).await.unwrap();
    };
    let of_results = [
        (as_it_is(), Holds),
        (set("outcome", "Pending"), Fails),
        (unset("outcome"), Fails),
        (set("attempt", 2), Fails),
        (unset("attempt"), Fails),
        (no_item(), Fails),
    ];
    cases("open a row again", reopen, of_results)
}

fn settlements() -> Vec<Outcome> {
    let settle = async |world: &World| {
        let (record, row) = planned(world).await;
        let settled = Settled {
            ending: Ending::Deleted,
            observed: None,
            attempts: 0,
            refusals: 0,
            at: world.aws.now(),
        };
        world.arm(TableKey::row(&row.association_arn));
        let rows = world.aws.ledger.rows(&record.key);
        rows.settle(&row, &settled).await.unwrap();
    };
    cases("settle a row", settle, pending_rows())
}

fn refusals() -> Vec<Outcome> {
    let save = async |world: &World| {
        let (record, row) = planned(world).await;
        world.arm(TableKey::row(&row.association_arn));
        let rows = world.aws.ledger.rows(&record.key);
        rows.save_refusals(&row, 1).await.unwrap();
    };
    cases("save the refusals of a row", save, pending_rows())
}

fn fields() -> Vec<Outcome> {
    let save = async |world: &World| {
        let (record, row) = planned(world).await;
        world.arm(TableKey::row(&row.association_arn));
        let rows = world.aws.ledger.rows(&record.key);
        rows.save_fields(&row, RoleFields::default()).await.unwrap();
    };
    cases("save the fields of a row", save, pending_rows())
}
