//! The cases of a role's item, as the indexer writes it.

use rerole_core::resource::RoleArn;
use rerole_core::timestamp::Timestamp;

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{Outcome, Table, World, as_it_is, cases, set};
use crate::conditions::items::TableKey;
use crate::harness::OLD;

pub const TABLES: &[Table] = &[departures, releases, releases_without_items];

const LEFT_UNTIL: &str = "2026-11-24T03:00:00.000Z";
const BEFORE: &str = "2026-11-24T02:59:59.999Z";
const AFTER: &str = "2026-11-24T03:00:00.001Z";

fn role() -> RoleArn {
    OLD.parse().unwrap()
}

fn departures() -> Vec<Outcome> {
    let note = async |world: &World| {
        let until: Timestamp = LEFT_UNTIL.parse().unwrap();
        world.arm(TableKey::role(OLD));
        let roles = world.indexer.ledger.roles();
        roles.note_departure(&role(), until).await.unwrap();
    };
    let rows = [
        // No rotation has named the role.
        (as_it_is(), Fails),
        (set("version", 1), Holds),
        (set("leftUntil", BEFORE), Holds),
        (set("leftUntil", LEFT_UNTIL), Fails),
        (set("leftUntil", AFTER), Fails),
    ];
    cases("note a departure", note, rows)
}

/// Frees the role, whose item had this version.
fn free(version: u64) -> impl AsyncFn(&World) {
    async move |world: &World| {
        world.arm(TableKey::role(OLD));
        let roles = world.indexer.ledger.roles();
        roles.free(&role(), version).await.unwrap();
    }
}

fn releases() -> Vec<Outcome> {
    let rows = [
        (set("version", 3), Holds),
        (set("version", 2), Fails),
        (set("version", 4), Fails),
        (set("leftUntil", LEFT_UNTIL), Fails),
        (as_it_is(), Fails),
    ];
    cases("free a role", free(3), rows)
}

fn releases_without_items() -> Vec<Outcome> {
    let rows = [(as_it_is(), Holds), (set("version", 1), Fails)];
    cases("free a role without an item", free(0), rows)
}
