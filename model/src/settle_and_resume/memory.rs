//! What a slice has seen of the association, from which its `AssociationMove` is made again.

use rerole_core::call::{CallError, ErrorClass, Operation};
use rerole_core::rotation::{
    AssociationMove, Decision, EarlierSlices, Moment, RoleVerdict, Sent, Step, Update,
};
use rerole_core::timestamp::Timestamp;

use crate::settle_and_resume::clock::time;
use crate::settle_and_resume::eks::View;
use crate::settle_and_resume::{Guard, SettleAndResume};

/// The responses that a slice gets before it runs out of time.
const INPUTS_MAX: usize = 5;

/// A response, or its loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Input {
    /// A Describe shows this.
    Described(View),
    /// A Describe does not find the association.
    Missing,
    /// A Describe fails.
    NotDescribed,
    /// The update after the last Describe shows this.
    Updated(View),
    /// It fails, and may have taken effect.
    Lost,
    /// It does not find the association.
    NotFound,
}

/// A response with its times, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    pub input: Input,
    /// When the slice follows it.
    pub at: u8,
    /// When the last Describe was sent, as the slice counts.
    pub asked_at: u8,
}

/// All responses so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Memory {
    seen: Vec<Seen>,
}

/// What follows from them.
#[derive(Debug)]
pub enum Next {
    /// Send this update, justified by this view.
    Send(Update, View),
    Step(Step),
}

impl Memory {
    pub(super) fn is_full(&self) -> bool {
        self.seen.len() >= INPUTS_MAX
    }

    pub(super) fn push(&mut self, seen: Seen) {
        self.seen.push(seen);
    }

    /// Returns what follows from the responses.
    ///
    /// # Panics
    /// If there is none yet.
    pub(super) fn next(&self, model: &SettleAndResume, earlier: Option<EarlierSlices>) -> Next {
        self.replay(model, earlier).1
    }

    /// Returns what follows at `now` if the rotation has stopped, from a Describe that would
    /// justify an update.
    pub(super) fn stopped(
        &self,
        model: &SettleAndResume,
        earlier: Option<EarlierSlices>,
        now: u8,
    ) -> Step {
        match self.replay(model, earlier) {
            (mut attempts, Next::Send(_, view)) => {
                let asked_at = self.seen.last().map_or(now, |seen| seen.asked_at);
                let moment = moment(model, Guard::WaitAfterStop, (time(now), asked_at));
                attempts.stopped(&view.association(&model.association), moment)
            }
            (_, Next::Step(step)) => step,
        }
    }

    fn replay<'a>(
        &self,
        model: &'a SettleAndResume,
        earlier: Option<EarlierSlices>,
    ) -> (AssociationMove<'a>, Next) {
        let mut attempts = AssociationMove::new(&model.request, &model.row, earlier);
        let mut next = None;
        for seen in &self.seen {
            next = Some(follow(model, &mut attempts, (*seen, next)));
        }
        (attempts, next.expect("a slice has seen something"))
    }
}

/// The moment at which a slice follows a response. Without the guard, it does not wait for its own
/// updates to show: it counts as if it had asked long after them.
fn moment(model: &SettleAndResume, guard: Guard, (now, asked_at): (Timestamp, u8)) -> Moment {
    let asked_at = if model.has(guard) { asked_at } else { u8::MAX };
    Moment {
        now,
        asked_at: time(asked_at),
        random: || 0.0,
    }
}

/// Returns what follows from a response, and from what the one before has led to.
fn follow(
    model: &SettleAndResume,
    attempts: &mut AssociationMove<'_>,
    (
        Seen {
            input,
            at,
            asked_at,
        },
        before,
    ): (Seen, Option<Next>),
) -> Next {
    let now = time(at);
    let moment = moment(model, Guard::WaitBeforeDrifted, (now, asked_at));
    let shown = |view: View| view.association(&model.association);
    let (update, view) = match (input, before) {
        (Input::Described(view), _) => {
            return match attempts.described(&shown(view), moment) {
                Decision::Update(update) => Next::Send(update, view),
                Decision::Plan(_) => unreachable!("the association has one role"),
                Decision::Step(step) => Next::Step(step),
            };
        }
        (Input::Missing, _) => return Next::Step(attempts.not_found(now)),
        (Input::NotDescribed, _) => {
            return Next::Step(attempts.not_described(error(ErrorClass::Transient), moment));
        }
        (_, Some(Next::Send(update, view))) => (update, view),
        (_, _) => unreachable!("an update follows a Describe"),
    };
    let before = &shown(view);
    let sent = Sent { update, before };
    let no_verdict = |_| RoleVerdict::Unusable;
    attempts.count_sent();
    Next::Step(match input {
        Input::Updated(after) => attempts.confirmed(sent, shown(after), None, now),
        Input::NotFound => attempts.failed(sent, error(ErrorClass::NotFound), moment, no_verdict),
        _ => attempts.failed(sent, error(ErrorClass::Transient), moment, no_verdict),
    })
}

fn error(class: ErrorClass) -> CallError {
    let operation = Operation::on("call", &"a-1");
    let mut error = CallError::contention(operation, "of the model".to_owned());
    error.class = class;
    error
}
