//! The cases of opening a rotation: starting it, which holds both roles, and resuming it.

use rerole_core::rotation::LEASE;

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{Outcome, Table, World, as_it_is, cases, set, unset};
use crate::conditions::items::TableKey;
use crate::conditions::lease::fence_rows;
use crate::fence::{author, open, request, summary};
use crate::harness::{NEW, OLD};

pub const TABLES: &[Table] = &[starts, holds, takeovers, resumptions];

const LATER: &str = "2026-11-23T22:00:00.000Z";

/// Opens the rotation by a write that includes this item.
async fn open_with(world: &World, item: TableKey) {
    world.arm(item);
    let rotations = world.aws.ledger.rotations();
    let started_at = world.aws.now();
    drop(rotations.open(&request(), &author(), || started_at).await);
}

fn starts() -> Vec<Outcome> {
    let start = async |world: &World| open_with(world, TableKey::rotation()).await;
    let rows = [(as_it_is(), Holds), (set("fence", 1), Fails)];
    cases("start the rotation", start, rows)
}

fn holds() -> Vec<Outcome> {
    let of_role = |(write, role)| {
        let hold = async |world: &World| open_with(world, TableKey::role(role)).await;
        let rows = [(as_it_is(), Holds), (set("version", 1), Fails)];
        cases(write, hold, rows)
    };
    let roles = [("hold the old role", OLD), ("hold the new role", NEW)];
    roles.into_iter().flat_map(of_role).collect()
}

fn takeovers() -> Vec<Outcome> {
    let take_over = async |world: &World| {
        open(&world.aws, &request()).await;
        tokio::time::sleep(LEASE).await;
        open_with(world, TableKey::rotation()).await;
    };
    let rows = [
        (set("status", "Paused"), Fails),
        (unset("status"), Fails),
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
        (set("status", "Paused"), Fails),
        (unset("status"), Fails),
        (set("leaseUntil", LATER), Fails),
    ];
    let rows = fence_rows().into_iter().chain(rows);
    cases("resume the rotation", resume, rows)
}
