//! The cases of what the owner of a lease writes: each write requires the owner's fence and the
//! lease. Closing is in `closing.rs`.

use rerole_core::rotation::{Counts, Open, RotationRecord, Row, State, Work};

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{
    Edit, Expected, Outcome, Table, World, as_it_is, cases, no_item, set, unset,
};
use crate::conditions::items::TableKey;
use crate::conditions::rows::planned;
use crate::fence::{author, closed, indexed_association, open, progress, request, summary};

pub const TABLES: &[Table] = &[
    renewals,
    releases,
    starts,
    stops,
    uses_of_the_new_role,
    plans,
    cancellations,
    cancelled_rows,
    cancelled_closes,
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

/// As [`lease_rows`], of a write that also requires that no command has changed the status.
pub fn owner_rows() -> impl Iterator<Item = (Edit, Expected)> {
    let of_status = [
        (set("status", "Planning"), Holds),
        (set("status", "InProgress"), Holds),
        (set("status", "Paused"), Fails),
        (unset("status"), Fails),
    ];
    lease_rows().chain(of_status)
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
    let later = [(set("leaseUntil", STILL_LATER), Fails)];
    cases("renew the lease", renew, owner_rows().chain(later))
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
        drop(
            owned
                .start(&Counts::default(), &author(), world.aws.now())
                .await,
        );
    };
    let of_timeline = [
        (set("timelineSeq", 2), Fails),
        (unset("timelineSeq"), Fails),
    ];
    cases("record the start", start, owner_rows().chain(of_timeline))
}

fn stops() -> Vec<Outcome> {
    let stop = async |world: &World| {
        let record = opened(world).await;
        let owned = world.aws.ledger.owned(&record);
        drop(owned.stop("because", world.aws.now()).await);
    };
    cases("record the stop", stop, owner_rows())
}

fn uses_of_the_new_role() -> Vec<Outcome> {
    let put_to_use = async |world: &World| {
        let record = opened(world).await;
        let owned = world.aws.ledger.owned(&record);
        drop(owned.put_new_role_to_use().await);
    };
    cases("put the new role to use", put_to_use, owner_rows())
}

fn plans() -> Vec<Outcome> {
    let plan = async |world: &World| {
        let item = indexed_association(&world.harness);
        let record = opened(world).await;
        let rows = world.aws.ledger.rows(&record.key);
        let row = Row::planned(&record.old_role_arn, &item);
        drop(rows.plan(&record, vec![row]).await);
    };
    cases("plan as the owner", plan, owner_rows())
}

/// The slice of a cancelled rotation is the owner of one with this status alone.
fn cancellations() -> Vec<Outcome> {
    let renew = async |world: &World| {
        let mut record = open(&world.aws, &request()).await;
        record.state = State::Open(Open::Cancelling(Work::Planning));
        world.arm(TableKey::rotation());
        let owned = world.aws.ledger.owned(&record);
        let until = LATER.parse().unwrap();
        drop(owned.renew(until, &progress(&world.aws)).await);
    };
    let cancelling = || set("status", "Cancelling");
    let rows = [
        (cancelling(), Holds),
        (as_it_is(), Fails),
        (unset("status"), Fails),
        (cancelling().set("fence", 2), Fails),
        (cancelling().unset("fence"), Fails),
        (cancelling().unset("leaseUntil"), Fails),
        (cancelling().set("leaseUntil", STILL_LATER), Fails),
        (cancelling().set("leaseUntil", LATER), Holds),
        (no_item(), Fails),
    ];
    cases("renew the lease of a cancelled rotation", renew, rows)
}

fn cancelled_rows() -> Vec<Outcome> {
    let settle = async |world: &World| {
        let (mut record, row) = planned(world).await;
        record.state = State::Open(Open::Cancelling(Work::Planning));
        world.arm(TableKey::rotation());
        let rows = world.aws.ledger.rows(&record.key);
        let now = world.aws.now();
        drop(rows.settle_not_attempted(&record, &[row], now).await);
    };
    let cancelling = || set("status", "Cancelling");
    let rows = [
        (cancelling(), Holds),
        (as_it_is(), Fails),
        (unset("status"), Fails),
        (cancelling().set("fence", 2), Fails),
        (cancelling().unset("fence"), Fails),
        (cancelling().unset("leaseUntil"), Fails),
        (no_item(), Fails),
    ];
    cases("settle rows of a cancelled rotation", settle, rows)
}

fn cancelled_closes() -> Vec<Outcome> {
    let close = async |world: &World| {
        let mut record = open(&world.aws, &request()).await;
        record.state = State::Open(Open::Cancelling(Work::Planning));
        let close = closed(&world.aws, &record);
        world.arm(TableKey::rotation());
        let owned = world.aws.ledger.owned(&record);
        drop(owned.close(&close, &author()).await);
    };
    let cancelling = || set("status", "Cancelling");
    let rows = [
        (cancelling(), Holds),
        (as_it_is(), Fails),
        (unset("status"), Fails),
        (cancelling().set("fence", 2), Fails),
        (cancelling().unset("fence"), Fails),
        (cancelling().unset("leaseUntil"), Fails),
        (cancelling().set("timelineSeq", 2), Fails),
        (cancelling().unset("timelineSeq"), Fails),
        (cancelling().set("reversionCount", 0), Holds),
        (cancelling().set("reversionCount", 1), Fails),
        (cancelling().set("arrivals", 0), Holds),
        (cancelling().set("arrivals", 1), Fails),
        (no_item(), Fails),
    ];
    cases("close a cancelled rotation", close, rows)
}
