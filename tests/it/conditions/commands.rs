//! The cases of commands, of turns and of executions: what changes the status of a rotation without
//! its lease.

use rerole_core::command::Command;
use rerole_core::rotation::{Cause, RotationRecord};
use serde_json::json;

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{
    Edit, Expected, Outcome, Table, World, as_it_is, cases, no_item, set, unset,
};
use crate::conditions::items::TableKey;
use crate::fence::{author, command, open, request};
use crate::harness::event;

pub const TABLES: &[Table] = &[
    pauses,
    cancelled_in_the_queue,
    rollbacks,
    limits,
    verdicts,
    entries,
    first_freezes,
    later_freezes,
    freezes_of_rotations,
    turns,
    executions,
];

/// What the indexer has counted before a command.
const REVERSIONS: u64 = 3;

/// Carries out a command, in a transaction that includes this item.
async fn carry_out(world: &World, command: &Command, item: TableKey) {
    world.arm(item);
    let commands = world.aws.ledger.commands();
    drop(commands.carry_out(command, || world.aws.now()).await);
}

/// The cases of a write that requires the end of the timeline that was read, which is 1.
fn timeline_rows() -> [(Edit, Expected); 4] {
    [
        (as_it_is(), Holds),
        (set("timelineSeq", 2), Fails),
        (unset("timelineSeq"), Fails),
        (no_item(), Fails),
    ]
}

/// As [`timeline_rows`], of a write that also requires the status that was read.
fn status_rows() -> impl Iterator<Item = (Edit, Expected)> {
    let of_status = [
        (set("status", "Cancelling"), Fails),
        (unset("status"), Fails),
    ];
    timeline_rows().into_iter().chain(of_status)
}

fn pauses() -> Vec<Outcome> {
    let pause = async |world: &World| {
        open(&world.aws, &request()).await;
        carry_out(world, &command("Pause", &json!({})), TableKey::rotation()).await;
    };
    cases("pause the rotation", pause, status_rows())
}

fn cancelled_in_the_queue() -> Vec<Outcome> {
    let cancel = async |world: &World| {
        let freeze = command("Freeze", &json!({ "rotationId": null }));
        let (aws, now) = (&world.aws, || world.aws.now());
        aws.ledger.commands().carry_out(&freeze, now).await.unwrap();
        let rotations = aws.ledger.rotations();
        rotations.open(&request(), &author(), now).await.unwrap();
        set("reversionCount", REVERSIONS).apply(&world.harness.aws, &TableKey::rotation());
        let cancel = Command {
            event_id: "c-2".to_owned(),
            ..command("Cancel", &json!({}))
        };
        carry_out(world, &cancel, TableKey::rotation()).await;
    };
    let counted = [
        (set("reversionCount", REVERSIONS + 1), Fails),
        (unset("reversionCount"), Holds),
    ];
    let rows = status_rows().chain(counted);
    cases("cancel a queued rotation", cancel, rows)
}

/// Of a rotation that is being cancelled, and stays so.
fn rollbacks() -> Vec<Outcome> {
    let roll_back = async |world: &World| {
        open(&world.aws, &request()).await;
        let cancelling = set("status", "Cancelling").set("phase", "Executing");
        cancelling.apply(&world.harness.aws, &TableKey::rotation());
        carry_out(
            world,
            &command("Rollback", &json!({})),
            TableKey::rotation(),
        )
        .await;
    };
    let of_status = [
        (set("status", "Cancelled"), Fails),
        (unset("status"), Fails),
    ];
    let rows = timeline_rows().into_iter().chain(of_status);
    cases("take a rotation back", roll_back, rows)
}

fn limits() -> Vec<Outcome> {
    let change = async |world: &World| {
        open(&world.aws, &request()).await;
        let command = command("Change", &json!({ "maxErrors": "7" }));
        carry_out(world, &command, TableKey::rotation()).await;
    };
    cases("change the limits", change, timeline_rows())
}

fn verdicts() -> Vec<Outcome> {
    let pause = async |world: &World| {
        open(&world.aws, &request()).await;
        let item = TableKey::ledger("r-1", "command#c-1");
        carry_out(world, &command("Pause", &json!({})), item).await;
    };
    let rows = [(as_it_is(), Holds), (set("verdict", "Refused"), Fails)];
    cases("record the verdict on a command", pause, rows)
}

fn entries() -> Vec<Outcome> {
    let pause = async |world: &World| {
        open(&world.aws, &request()).await;
        let item = TableKey::ledger("r-1", "timeline#00000002");
        carry_out(world, &command("Pause", &json!({})), item).await;
    };
    let rows = [(as_it_is(), Holds), (set("type", "StatusChanged"), Fails)];
    cases("add to the timeline", pause, rows)
}

fn stack() -> TableKey {
    TableKey::ledger("stack/state", "stack")
}

fn first_freezes() -> Vec<Outcome> {
    let freeze = async |world: &World| {
        let freeze = command("Freeze", &json!({ "rotationId": null }));
        carry_out(world, &freeze, stack()).await;
    };
    let rows = [(as_it_is(), Holds), (set("timelineSeq", 1), Fails)];
    cases("freeze the stack for the first time", freeze, rows)
}

fn later_freezes() -> Vec<Outcome> {
    let unfreeze = async |world: &World| {
        let freeze = command("Freeze", &json!({ "rotationId": null }));
        let commands = world.aws.ledger.commands();
        let now = || world.aws.now();
        commands.carry_out(&freeze, now).await.unwrap();
        let unfreeze = Command {
            event_id: "c-2".to_owned(),
            ..command("Unfreeze", &json!({ "rotationId": null }))
        };
        carry_out(world, &unfreeze, stack()).await;
    };
    cases("unfreeze the stack", unfreeze, timeline_rows())
}

fn freezes_of_rotations() -> Vec<Outcome> {
    let freeze = async |world: &World| {
        let record = open(&world.aws, &request()).await;
        world.arm(TableKey::rotation());
        let rotations = world.aws.ledger.rotations();
        let by = author();
        let applied = rotations.apply(Cause::Frozen, &record, (&by, None), world.aws.now());
        drop(applied.await);
    };
    cases("pause a rotation of a frozen stack", freeze, status_rows())
}

/// The rotation r-2, which waits for the roles of r-1.
async fn queued(world: &World) -> RotationRecord {
    open(&world.aws, &request()).await;
    let event = event(&json!({ "rotationId": "r-2" }));
    world.harness.deliver(&event).await.unwrap();
    let rotations = world.aws.ledger.rotations();
    let found = rotations.read(&"r-2".parse().unwrap()).await;
    found.unwrap().unwrap()
}

fn turns() -> Vec<Outcome> {
    let start = async |world: &World| {
        let record = queued(world).await;
        let roles = world.aws.ledger.roles().pair(&record.request).await;
        world.arm(TableKey::ledger("r-2", "rotation"));
        let rotations = world.aws.ledger.rotations();
        let (roles, by, now) = (roles.unwrap(), author(), world.aws.now());
        drop(rotations.start_queued(&record, &roles, &by, now).await);
    };
    cases("start a queued rotation", start, status_rows())
}

fn executions() -> Vec<Outcome> {
    let next = async |world: &World| {
        let record = open(&world.aws, &request()).await;
        world.arm(TableKey::rotation());
        let rotations = world.aws.ledger.rotations();
        drop(rotations.set_execution_run(&record.key, 1).await);
    };
    let rows = [
        (as_it_is(), Holds),
        (set("executionRun", 2), Fails),
        (unset("executionRun"), Fails),
        (no_item(), Fails),
    ];
    cases("record the next execution", next, rows)
}
