//! Where the rotation is in its life, and what an operator orders.

use rerole_core::rotation::{Cause, Open, State as RotationState, Status, Transition, Work};

use crate::requests::at;

/// Where the rotation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    Open(Open),
    Finished(Status),
}

/// What an operator orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    Pause,
    Resume,
    Cancel,
    Retry,
}

impl Life {
    pub fn state(self) -> RotationState {
        match self {
            Self::Open(open) => RotationState::Open(open),
            Self::Finished(status) => RotationState::finished(status, at(0)),
        }
    }

    pub fn work(self) -> Option<Work> {
        self.state().work()
    }

    pub fn is_cancelling(self) -> bool {
        matches!(self, Self::Open(Open::Cancelling(_)))
    }

    pub fn is_finished(self) -> bool {
        matches!(self, Self::Finished(_))
    }

    pub fn is_paused(self) -> bool {
        matches!(self, Self::Open(Open::Paused { .. }))
    }

    /// The life after a command, if the command changes it.
    pub fn after(self, order: Order) -> Option<Self> {
        let cause = match order {
            Order::Pause => Cause::Pause,
            Order::Resume => Cause::Resume,
            Order::Cancel => Cause::Cancel,
            Order::Retry => Cause::Retry,
        };
        match self.state().after(cause) {
            Transition::To(open) => Some(Self::Open(open)),
            Transition::Cancelled => Some(Self::Finished(Status::Cancelled)),
            Transition::Stays | Transition::Refused => None,
        }
    }
}
