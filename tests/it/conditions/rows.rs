//! The cases of the rows of a rotation: planned once, settled once.

use rerole_core::resource::RoleFields;
use rerole_core::rotation::{Ending, RotationRecord, Row, Settled};

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{
    Edit, Expected, Outcome, Table, World, as_it_is, cases, no_item, set, unset,
};
use crate::conditions::items::TableKey;
use crate::fence::{indexed_association, open, request};

pub const TABLES: &[Table] = &[plans, settlements, refusals, fields];

/// A rotation with one pending row.
pub async fn planned(world: &World) -> (RotationRecord, Row) {
    let item = indexed_association(&world.harness);
    let record = open(&world.aws, &request()).await;
    let row = Row::planned(&record.old_role_arn, &item);
    let rows = world.aws.ledger.rows(&record.key);
    rows.plan(&record, &[item]).await.unwrap();
    (record, row)
}

fn plans() -> Vec<Outcome> {
    let plan = async |world: &World| {
        let item = indexed_association(&world.harness);
        let record = open(&world.aws, &request()).await;
        world.arm(TableKey::row(&item.association_arn));
        let rows = world.aws.ledger.rows(&record.key);
        drop(rows.plan(&record, &[item]).await);
    };
    let rows = [(as_it_is(), Holds), (set("outcome", "Updated"), Fails)];
    cases("plan a row", plan, rows)
}

/// The cases of a write that requires a pending row.
fn pending_rows() -> [(Edit, Expected); 4] {
    [
        (as_it_is(), Holds),
        (set("outcome", "Updated"), Fails),
        (unset("outcome"), Fails),
        (no_item(), Fails),
    ]
}

fn settlements() -> Vec<Outcome> {
    let settle = async |world: &World| {
        let (record, row) = planned(world).await;
        let settled = Settled {
            ending: Ending::Deleted,
            observed: None,
            attempts: 0,
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
