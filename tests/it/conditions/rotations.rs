//! The cases of opening a rotation: starting it, which holds both roles, and resuming it.

use rerole_core::rotation::{InUse, LEASE};

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{Outcome, Table, World, as_it_is, cases, no_item, set, unset};
use crate::conditions::items::TableKey;
use crate::conditions::lease::fence_rows;
use crate::fence::{open, request, summary};
use crate::harness::{NEW, OLD};

pub const TABLES: &[Table] = &[starts, holds, holds_without_items, takeovers, resumptions];

const LATER: &str = "2026-11-23T22:00:00.000Z";

/// Opens the rotation by a write that includes this item.
async fn open_with(world: &World, item: TableKey) {
    world.arm(item);
    let rotations = world.aws.ledger.rotations();
    drop(rotations.open(&request(), || world.aws.now()).await);
}

fn starts() -> Vec<Outcome> {
    let start = async |world: &World| open_with(world, TableKey::rotation()).await;
    let rows = [(as_it_is(), Holds), (set("fence", 1), Fails)];
    cases("start the rotation", start, rows)
}

/// Opens the rotation by a write that includes a role, whose item has version 1, or is absent.
fn hold(role: &'static str, is_known: Known) -> impl AsyncFn(&World) {
    async move |world: &World| {
        if is_known == Known::Yes {
            let arn = role.parse().unwrap();
            let in_use = InUse::by_invalid_item("somebody".to_owned(), world.aws.now());
            let roles = world.aws.ledger.roles();
            roles.put_to_use(&arn, &in_use).await.unwrap();
        }
        open_with(world, TableKey::role(role)).await;
    }
}

/// Whether the ledger has an item of a role.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    No,
}

/// Each write of the item changes its version, also one that lets another rotation hold the role.
fn holds() -> Vec<Outcome> {
    let of_role = |(write, role)| {
        let rows = [
            (as_it_is(), Holds),
            (set("version", 0), Fails),
            (set("version", 2), Fails),
            (unset("version"), Fails),
            (no_item(), Fails),
        ];
        cases(write, hold(role, Known::Yes), rows)
    };
    let roles = [("hold the old role", OLD), ("hold the new role", NEW)];
    roles.into_iter().flat_map(of_role).collect()
}

fn holds_without_items() -> Vec<Outcome> {
    let of_role = |(write, role)| {
        let rows = [(as_it_is(), Holds), (set("version", 1), Fails)];
        cases(write, hold(role, Known::No), rows)
    };
    let roles = [
        ("hold the old role without an item", OLD),
        ("hold the new role without an item", NEW),
    ];
    roles.into_iter().flat_map(of_role).collect()
}

fn takeovers() -> Vec<Outcome> {
    let take_over = async |world: &World| {
        open(&world.aws, &request()).await;
        tokio::time::sleep(LEASE).await;
        open_with(world, TableKey::rotation()).await;
    };
    let rows = [
        (set("finishedAt", LATER), Fails),
        (set("leaseUntil", LATER), Fails),
        (unset("leaseUntil"), Fails),
    ];
    let rows = fence_rows().into_iter().chain(rows);
    cases("take the rotation over", take_over, rows)
}

fn resumptions() -> Vec<Outcome> {
    let resume = async |world: &World| {
        let record = open(&world.aws, &request()).await;
        let owned = world.aws.ledger.owned(&record);
        owned.release(&summary(&world.aws)).await.unwrap();
        open_with(world, TableKey::rotation()).await;
    };
    let rows = [
        (set("finishedAt", LATER), Fails),
        (set("leaseUntil", LATER), Fails),
    ];
    let rows = fence_rows().into_iter().chain(rows);
    cases("resume the rotation", resume, rows)
}
