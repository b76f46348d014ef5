//! The records of `rerole_core` that the model's small numbers stand for.

use rerole_core::indexing::IndexItem;
use rerole_core::resource::Association;
use rerole_core::rotation::{RoleRecord, RotationRecord, Row, Status};

use crate::locks_and_roles::ledger::{Phase, Role, Rotation, RowState, View};
use crate::locks_and_roles::{LocksAndRoles, NAMES, ROTATIONS};
use crate::requests::{at, role, state};

impl Role {
    pub(super) fn record(self, model: &LocksAndRoles) -> RoleRecord {
        let in_use = |by| model.uses.iter().find(|(other, _)| *other == by);
        RoleRecord {
            version: self.version.into(),
            held_by: self.held_by.map(|rotation| model.key(rotation).clone()),
            waiting: Vec::new(),
            opened_at: None,
            in_use: self
                .in_use
                .and_then(in_use)
                .map(|(_, in_use)| in_use.clone()),
            left_until: self.has_left.then_some(at(0)),
        }
    }

    pub(super) fn stored(self, model: &LocksAndRoles, record: &RoleRecord) -> Self {
        let by = model
            .uses
            .iter()
            .find(|(_, use_)| Some(use_) == record.in_use.as_ref());
        let holder = |rotation: &usize| Some(model.key(*rotation)) == record.held_by.as_ref();
        Self {
            version: u8::try_from(record.version).expect("a history has few writes"),
            held_by: (0..ROTATIONS).find(holder),
            in_use: by.map(|(by, _)| *by),
            has_left: record.left_until.is_some(),
            was_left: self.was_left || record.left_until.is_some(),
        }
    }
}

impl Rotation {
    pub(super) fn record(&self, template: &RotationRecord) -> RotationRecord {
        let is_closed = self.phase == Phase::Closed;
        let status = match self.row {
            _ if !is_closed => Status::InProgress,
            None => Status::NoAssociations,
            Some(_) => Status::Succeeded,
        };
        RotationRecord {
            state: state(status),
            ..template.clone()
        }
    }
}

impl RowState {
    pub(super) fn row(self, model: &LocksAndRoles, rotation: usize) -> Row {
        let settled = self.settled.association(model);
        let item = IndexItem::of(&settled);
        Row {
            outcome: self.outcome,
            role_arn: Some(settled.role_arn),
            modified_at: Some(settled.modified_at),
            ..Row::planned(&model.templates[rotation].old_role_arn, &item)
        }
    }
}

impl View {
    pub(in crate::locks_and_roles) fn association(self, model: &LocksAndRoles) -> Association {
        Association {
            role_arn: role(NAMES[self.role]),
            modified_at: at(1_000 + u32::from(self.version)),
            ..model.association.clone()
        }
    }
}
