//! The cases of the index: an item only moves forward, and a tombstone stays for a while.

use rerole::aws::index_table::Replaces;
use rerole_core::resource::{Association, AssociationArn};
use rerole_core::rotation::KnownRoles;
use rerole_core::timestamp::Timestamp;

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{
    Edit, Expected, Outcome, Table, World, as_it_is, cases, no_item, set, unset,
};
use crate::conditions::items::TableKey;
use crate::harness::{NEW, OLD, THIRD};

pub const TABLES: &[Table] = &[
    repairs,
    repairs_of_roles,
    stores,
    tombstones,
    tombstones_of_versions,
];

/// The version that is written.
const VERSION: &str = "2026-11-23T20:00:00.000Z";
const BEFORE: &str = "2026-11-23T19:59:59.999Z";
const AFTER: &str = "2026-11-23T20:00:00.001Z";
/// The time of each write.
pub const NOW: &str = "2026-11-23T21:10:00.000Z";
/// Ten minutes earlier. A tombstone from before gives way.
const FIRM: &str = "2026-11-23T21:00:00.000Z";
const OLD_TOMBSTONE: &str = "2026-11-23T20:59:59.999Z";
const NEW_TOMBSTONE: &str = "2026-11-23T21:00:00.001Z";

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An association on the old role, with an item in the index.
pub fn associate(world: &World) -> AssociationArn {
    world.harness.associate("api", OLD).parse().unwrap()
}

/// What EKS shows of the association at the version that is written.
pub fn seen(arn: &AssociationArn) -> Association {
    Association {
        association_arn: arn.clone(),
        namespace: "tools".to_owned(),
        service_account: "api".to_owned(),
        role_arn: NEW.to_owned(),
        target_role_arn: None,
        disable_session_tags: None,
        policy: None,
        external_id: None,
        owner_arn: None,
        tags: std::collections::BTreeMap::new(),
        created_at: None,
        modified_at: time(VERSION),
    }
}

/// The cases of a write that requires an item that is not newer.
fn version_rows() -> [(Edit, Expected); 5] {
    [
        (set("modifiedAt", BEFORE), Holds),
        (set("modifiedAt", VERSION), Holds),
        (set("modifiedAt", AFTER), Fails),
        // A tombstone.
        (unset("modifiedAt"), Fails),
        (no_item(), Fails),
    ]
}

fn repairs() -> Vec<Outcome> {
    let repair = async |world: &World| {
        let arn = associate(world);
        world.arm(TableKey::association(&arn));
        let index = &world.aws.index;
        index.repair(&seen(&arn), time(NOW)).await.unwrap();
    };
    cases("repair an item", repair, version_rows())
}

fn repairs_of_roles() -> Vec<Outcome> {
    let repair = async |world: &World| {
        let arn = associate(world);
        let known = KnownRoles {
            role_arn: NEW.to_owned(),
            target_role_arn: None,
            modified_at: time(VERSION),
        };
        let old_role = OLD.parse().unwrap();
        world.arm(TableKey::association(&arn));
        let index = &world.aws.index;
        let repaired = index.repair_roles(&arn, &old_role, &known, time(NOW));
        repaired.await.unwrap();
    };
    let current = || set("modifiedAt", VERSION);
    let elsewhere = || current().set("roleArn", THIRD);
    let rows = [
        (elsewhere(), Fails),
        (current().unset("roleArn"), Fails),
        (elsewhere().set("targetRoleArn", OLD), Holds),
        (elsewhere().set("targetRoleArn", THIRD), Fails),
        (current().unset("roleArn").set("targetRoleArn", OLD), Holds),
        (current().set("targetRoleArn", OLD), Holds),
    ];
    let rows = version_rows().into_iter().chain(rows);
    cases("repair the roles of an item", repair, rows)
}

/// The cases of storing what EKS shows, whatever else may be replaced.
pub fn store_rows() -> [(Edit, Expected); 8] {
    let tombstone = |at: &str| unset("modifiedAt").unset("roleArn").set("deletedAt", at);
    [
        (no_item(), Holds),
        (set("modifiedAt", BEFORE), Holds),
        (set("modifiedAt", VERSION), Holds),
        (set("modifiedAt", AFTER), Fails),
        (unset("modifiedAt"), Fails),
        (tombstone(OLD_TOMBSTONE), Holds),
        (tombstone(FIRM), Fails),
        (tombstone(NEW_TOMBSTONE), Fails),
    ]
}

fn stores() -> Vec<Outcome> {
    let store = async |world: &World| {
        let arn = associate(world);
        world.arm(TableKey::association(&arn));
        let index = &world.indexer.index;
        index.store(&seen(&arn), None, time(NOW)).await.unwrap();
    };
    cases("store an item", store, store_rows())
}

/// Writes the tombstone of an association.
fn write(replaces: Replaces) -> impl AsyncFn(&World) {
    async move |world: &World| {
        let arn = associate(world);
        world.arm(TableKey::association(&arn));
        let index = &world.aws.index;
        let written = index.write_tombstone(&arn, replaces, time(NOW));
        written.await.unwrap();
    }
}

fn tombstones() -> Vec<Outcome> {
    let rows = [
        (as_it_is(), Holds),
        (no_item(), Holds),
        (set("deletedAt", OLD_TOMBSTONE), Fails),
    ];
    cases("write a tombstone", write(Replaces::Any), rows)
}

fn tombstones_of_versions() -> Vec<Outcome> {
    let write = write(Replaces::UpTo(time(VERSION)));
    cases("write the tombstone of a version", write, version_rows())
}
