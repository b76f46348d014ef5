//! The cases of what the owner of a lease writes: each write requires the owner's fence and the
//! lease. Closing is in `closing.rs`.

use rerole_core::rotation::{Counts, RotationRecord};

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{
    Edit, Expected, Outcome, Table, World, as_it_is, cases, no_item, set, unset,
};
use crate::conditions::items::TableKey;
use crate::fence::{indexed_association, open, progress, request, summary};

pub const TABLES: &[Table] = &[
    renewals,
    releases,
    starts,
    stops,
    uses_of_the_new_role,
    plans,
];

const LATER: &str = "2026-11-23T22:00:00.000Z";
const STILL_LATER: &str = "2026-11-23T22:00:00.001Z";

/// The cases of a write that requires the fence of its owner, which is 1.
pub fn fence_rows() -> [(Edit, Expected); 5] {
    [
        (as_it_is(), Holds),
        (set("fence", 0), Fails),
        (set("fence", 2), Fails),
        (unset("fence"), Fails),
        (no_item(), Fails),
    ]
}

/// As [`fence_rows`], of a write that also requires the lease.
pub fn lease_rows() -> impl Iterator<Item = (Edit, Expected)> {
    let of_lease = [
        (unset("leaseUntil"), Fails),
        (set("leaseUntil", LATER), Holds),
    ];
    fence_rows().into_iter().chain(of_lease)
}

/// Opens the rotation. The next write to its item is the one that the case is about.
async fn opened(world: &World) -> RotationRecord {
    let record = open(&world.aws, &request()).await;
    world.arm(TableKey::rotation());
    record
}

fn renewals() -> Vec<Outcome> {
    let renew = async |world: &World| {
        let record = opened(world).await;
        let owned = world.aws.ledger.owned(&record);
        let until = LATER.parse().unwrap();
        drop(owned.renew(until, &progress(&world.aws)).await);
    };
    let of_lease = [
        (unset("leaseUntil"), Fails),
        (set("leaseUntil", LATER), Holds),
        (set("leaseUntil", STILL_LATER), Fails),
    ];
    cases(
        "renew the lease",
        renew,
        fence_rows().into_iter().chain(of_lease),
    )
}

fn releases() -> Vec<Outcome> {
    let release = async |world: &World| {
        let record = opened(world).await;
        let owned = world.aws.ledger.owned(&record);
        drop(owned.release(&summary(&world.aws)).await);
    };
    cases("release the lease", release, lease_rows())
}

fn starts() -> Vec<Outcome> {
    let start = async |world: &World| {
        let record = opened(world).await;
        let owned = world.aws.ledger.owned(&record);
        drop(owned.start(&Counts::default()).await);
    };
    cases("record the start", start, lease_rows())
}

fn stops() -> Vec<Outcome> {
    let stop = async |world: &World| {
        let record = opened(world).await;
        let owned = world.aws.ledger.owned(&record);
        drop(owned.stop("because", world.aws.now()).await);
    };
    cases("record the stop", stop, lease_rows())
}

fn uses_of_the_new_role() -> Vec<Outcome> {
    let put_to_use = async |world: &World| {
        let record = opened(world).await;
        let owned = world.aws.ledger.owned(&record);
        drop(owned.put_new_role_to_use(&record).await);
    };
    cases("put the new role to use", put_to_use, lease_rows())
}

fn plans() -> Vec<Outcome> {
    let plan = async |world: &World| {
        let item = indexed_association(&world.harness);
        let record = opened(world).await;
        let rows = world.aws.ledger.rows(&record.key);
        drop(rows.plan(&record, &[item]).await);
    };
    cases("plan as the owner", plan, lease_rows())
}
