//! The cases of publishing an entry of a timeline again, which must not create one.

use rerole_core::publishing::Republish;
use serde_json::json;

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{Outcome, Table, World, as_it_is, cases, no_item};
use crate::conditions::items::TableKey;
use crate::fence::{open, request};

pub const TABLES: &[Table] = &[republishes];

fn republishes() -> Vec<Outcome> {
    let republish = async |world: &World| {
        open(&world.aws, &request()).await;
        world.arm(TableKey::ledger("r-1", "timeline#00000001"));
        let republish = Republish::parse(&json!({ "rotationId": "r-1", "toSeq": 1 }));
        let timelines = world.aws.ledger.timelines();
        drop(
            timelines
                .republish(&republish.unwrap(), world.aws.now())
                .await,
        );
    };
    let rows = [(as_it_is(), Holds), (no_item(), Fails)];
    cases("publish an entry again", republish, rows)
}
