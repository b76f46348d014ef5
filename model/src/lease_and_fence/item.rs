//! The rotation's item in the ledger, and the writes to it with their conditions.

use rerole_core::rotation::{RotationRecord, Status};
use rerole_core::timestamp::Timestamp;

use crate::lease_and_fence::{Guard, LeaseAndFence};
use crate::requests::{at, state};

/// Seconds of a tick: a third of a lease.
const TICK_SECS: u32 = 15;

/// What the model keeps of the rotation's item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Item {
    pub status: Status,
    pub fence: u8,
    /// The end of the lease, in ticks.
    pub lease_until: Option<u8>,
}

/// A write to the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Write {
    /// `create` in `src/aws/ledger/opening.rs`.
    Create { until: u8 },
    /// `resume` in `src/aws/ledger/opening.rs`.
    Resume {
        fence: u8,
        until: u8,
        seen_lease: Option<u8>,
    },
    /// `OwnedRotation::renew` in `src/aws/ledger/lease.rs`.
    Renew { fence: u8, until: u8 },
    /// `OwnedRotation::start`. The conditions of `stop`, and of the rows of a plan, are the same.
    Start { fence: u8 },
    /// `OwnedRotation::close`. What the indexer changes is in the model `plan_and_close`.
    Close { fence: u8 },
    /// `OwnedRotation::release`.
    Release { fence: u8 },
}

/// What no write may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wrong {
    FenceDecreased,
    FormerOwner,
    Released,
    ChangedWhenFinished,
}

impl Item {
    /// Returns the record that the item stands for.
    pub(super) fn record(self, template: &RotationRecord) -> RotationRecord {
        RotationRecord {
            state: state(self.status),
            fence: self.fence.into(),
            lease_until: self.lease_until.map(time),
            ..template.clone()
        }
    }

    fn is_finished(self) -> bool {
        self.status.is_final()
    }
}

impl Write {
    /// Returns whether the SDK's repetition of this request has no effect of its own: a transaction
    /// has a token (`src/aws/dynamodb/transaction.rs`).
    pub(super) fn is_transaction(self) -> bool {
        matches!(
            self,
            Self::Create { .. } | Self::Resume { .. } | Self::Close { .. }
        )
    }

    /// Returns the fence of an owner's write.
    pub(super) fn owner_fence(self) -> Option<u8> {
        match self {
            Self::Create { .. } | Self::Resume { .. } => None,
            Self::Renew { fence, .. }
            | Self::Start { fence }
            | Self::Close { fence }
            | Self::Release { fence } => Some(fence),
        }
    }

    fn needs_lease(self) -> bool {
        matches!(
            self,
            Self::Renew { .. } | Self::Start { .. } | Self::Close { .. }
        )
    }

    /// The condition of the write.
    fn is_allowed(self, model: &LeaseAndFence, item: Option<Item>) -> bool {
        let Some(item) = item else {
            return matches!(self, Self::Create { .. });
        };
        let has_fence = |fence| !model.has(Guard::Fence) || item.fence == fence;
        let is_leased = |guard| !model.has(guard) || item.lease_until.is_some();
        match self {
            Self::Create { .. } => !model.has(Guard::AbsenceInCreate),
            Self::Resume {
                fence, seen_lease, ..
            } => {
                let has_seen_lease =
                    !model.has(Guard::SeenLeaseInTakeover) || item.lease_until == seen_lease;
                item.fence == fence - 1 && !item.is_finished() && has_seen_lease
            }
            Self::Renew { fence, until } => {
                let is_longer = !model.has(Guard::LongerLeaseInRenewal)
                    || item.lease_until.is_none_or(|lease| lease <= until);
                has_fence(fence) && is_leased(Guard::LeaseInRenewal) && is_longer
            }
            Self::Start { fence } => has_fence(fence) && is_leased(Guard::LeaseInStart),
            Self::Close { fence } => has_fence(fence) && is_leased(Guard::LeaseInClose),
            // It releases what is no lease any more.
            Self::Release { fence } => has_fence(fence) && item.lease_until.is_some(),
        }
    }

    /// Returns the item after the write, and what is wrong with it, or `None` if it is refused.
    pub(super) fn apply(
        self,
        model: &LeaseAndFence,
        before: Option<Item>,
    ) -> Option<(Item, Option<Wrong>)> {
        if !self.is_allowed(model, before) {
            return None;
        }
        let created = Item {
            status: Status::Planning,
            fence: 1,
            lease_until: None,
        };
        let item = before.unwrap_or(created);
        let after = match self {
            Self::Create { until } => Item {
                lease_until: Some(until),
                ..created
            },
            Self::Resume { fence, until, .. } => Item {
                fence,
                lease_until: Some(until),
                ..item
            },
            Self::Renew { until, .. } => Item {
                lease_until: Some(until),
                ..item
            },
            Self::Start { .. } => Item {
                status: Status::InProgress,
                ..item
            },
            Self::Close { .. } => Item {
                status: Status::Succeeded,
                lease_until: None,
                ..item
            },
            Self::Release { .. } => Item {
                lease_until: None,
                ..item
            },
        };
        Some((after, before.and_then(|before| self.wrong(before, after))))
    }

    /// Returns what is wrong with this change of the item.
    fn wrong(self, before: Item, after: Item) -> Option<Wrong> {
        if after.fence < before.fence {
            Some(Wrong::FenceDecreased)
        } else if before.is_finished() && after != before {
            Some(Wrong::ChangedWhenFinished)
        } else if self
            .owner_fence()
            .is_some_and(|fence| fence != before.fence)
        {
            Some(Wrong::FormerOwner)
        } else if self.needs_lease() && before.lease_until.is_none() {
            Some(Wrong::Released)
        } else {
            None
        }
    }
}

/// Returns the time at a tick.
pub(super) fn time(tick: u8) -> Timestamp {
    at(u32::from(tick) * TICK_SECS)
}

/// Returns the tick of a time.
pub(super) fn tick(time: Timestamp) -> u8 {
    let millis = i64::from(TICK_SECS) * 1_000;
    u8::try_from(time.as_millis() / millis).expect("a history has few ticks")
}
