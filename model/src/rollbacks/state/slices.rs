//! The steps of the slices, of the rotation, its rollback, and the other rotation.

use rerole_core::indexing::IndexItem;
use rerole_core::request::Rollback;
use rerole_core::rotation::{
    Action as Decided, Outcome, Row as CoreRow, Status, WrittenMembers, decide, decide_rollback,
};

use crate::requests::{association, requested, role};
use crate::rollbacks::ledger::EXECUTING;
use crate::rollbacks::{
    Author, Guard, RollbackRow, Rollbacks, Row, Shown, Slice, State, Which, Wrong,
};

impl State {
    /// A step of a slice of the rotation: `execute.rs`, `mover.rs`, `cancel.rs`, `conclude.rs`.
    pub(super) fn work(&mut self, model: &Rollbacks) {
        self.rotation = match self.rotation {
            Slice::Send(at) => {
                self.associations[at].write(1, Author::Rotation);
                Slice::Settle(at, self.associations[at].version)
            }
            Slice::Settle(at, version) => {
                if self.ledger.rows[at] == Row::Pending {
                    self.ledger.rows[at] = Row::Updated(version);
                }
                Slice::Next
            }
            Slice::Next => self.take_up(model),
        };
    }

    fn take_up(&mut self, model: &Rollbacks) -> Slice {
        let rows = &mut self.ledger.rows;
        let Some(at) = rows.iter().position(|row| *row == Row::Pending) else {
            let status = if self.ledger.rotation.is_cancelling() {
                Status::Cancelled
            } else {
                Status::Succeeded
            };
            self.ledger.close(Which::Rotation, status);
            return Slice::Next;
        };
        let is_cancelling = self.ledger.rotation.is_cancelling();
        let is_described = self.has_died && model.has(Guard::DescribedAfterDeath);
        if is_cancelling && !is_described {
            rows[at] = Row::Other;
            return Slice::Next;
        }
        let shown = self.associations[at];
        let request = requested("r-1", ["a", "b"]).request;
        let observed = shown.observed();
        let planned = CoreRow::planned(
            &request.old_role_arn,
            &IndexItem::of(&Shown::new().observed()),
        );
        match decide(&request, planned.fields, &observed) {
            Decided::Update(_) if !is_cancelling => return Slice::Send(at),
            // `ending_on_new_role`: a slice that died may have set it.
            Decided::AlreadyCurrent(_) if self.has_died => rows[at] = Row::Updated(shown.version),
            _ => rows[at] = Row::Other,
        }
        Slice::Next
    }

    /// A step of a slice of the rollback.
    pub(super) fn roll_back(&mut self, model: &Rollbacks) {
        if self.ledger.rollback != Some(EXECUTING) {
            self.ledger.plan_rollback();
            return;
        }
        self.rollback = match self.rollback {
            Slice::Send(at) => {
                self.associations[at].write(0, Author::Rollback);
                Slice::Settle(at, 0)
            }
            Slice::Settle(at, _) => {
                self.ledger.rollback_rows[at] = RollbackRow::Settled;
                Slice::Next
            }
            Slice::Next => self.take_back(model),
        };
    }

    fn take_back(&mut self, model: &Rollbacks) -> Slice {
        let rows = &mut self.ledger.rollback_rows;
        let is_pending = |row: &RollbackRow| matches!(row, RollbackRow::Pending(_));
        let Some(at) = rows.iter().position(is_pending) else {
            self.ledger.close(Which::Rollback, Status::RolledBack);
            return Slice::Next;
        };
        let RollbackRow::Pending(version) = rows[at] else {
            return Slice::Next;
        };
        let shown = self.associations[at];
        let rollback = Rollback {
            include_changed: !model.has(Guard::OwnWriteOnly),
        };
        let request = requested("r-1", ["a", "b"]).request;
        let left = Shown {
            role: 1,
            version,
            by: Author::Rotation,
        };
        let row = rollback_row(left);
        let decided = decide_rollback(
            &request.taken_back(rollback),
            rollback,
            &row,
            &shown.observed(),
        );
        if let Decided::Update(_) = decided {
            if shown.by == Author::OtherActor && shown.version > version {
                self.wrong = Some(Wrong::ChangeUndone);
            }
            return Slice::Send(at);
        }
        rows[at] = RollbackRow::Settled;
        Slice::Next
    }

    /// The other rotation moves what is on B, and closes.
    pub(super) fn finish_rival(&mut self) {
        for shown in &mut self.associations {
            if shown.role == 1 {
                shown.write(2, Author::Rival);
            }
        }
        self.ledger.close(Which::Rival, Status::Succeeded);
    }
}

/// The row of a rollback for an association that its rotation has left like this.
fn rollback_row(left: Shown) -> CoreRow {
    let old_role = role("a").parse().expect("a role");
    let observed = left.observed();
    let moved = CoreRow {
        outcome: Outcome::Updated,
        role_arn: Some(observed.role_arn.clone()),
        modified_at: Some(observed.modified_at),
        ..CoreRow::planned(&old_role, &IndexItem::of(&association("a-1", &role("a"))))
    };
    CoreRow::taken_back(&moved, WrittenMembers::default(), 1).expect("it was moved")
}
