//! A call on the wire, in two steps: its effect, and the answer that its caller gets. In between,
//! and before, a fault can hit it.

/// A call that its caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call<Request, Answer> {
    /// The request is on its way.
    Sent(Request),
    /// The request has had its effect, and the answer is on its way.
    Answered(Request, Answer),
}

/// What happens to a call next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The service processes the request.
    Effect,
    /// The caller gets the answer.
    Answer,
    /// The request is lost. The caller gets an error.
    LoseRequest,
    /// The answer is lost. The caller gets an error, although the request had its effect.
    LoseAnswer,
    /// The answer is lost, and the SDK sends the request again.
    Resend,
    /// The caller gives up on the request, and gets an error. The request arrives later.
    Delay,
    /// The SDK sends the request again, and the second copy is processed. The first one arrives
    /// later.
    Overtake,
    /// The answer is lost, and what is sent again is refused because of the first.
    RefuseRepeat,
}

impl Event {
    /// Returns whether this is a fault.
    #[must_use]
    pub fn is_fault(self) -> bool {
        !matches!(self, Self::Effect | Self::Answer)
    }

    /// Returns whether the request is sent once, and in time if at all.
    #[must_use]
    pub fn is_once(&self) -> bool {
        matches!(
            self,
            Self::Effect | Self::Answer | Self::LoseRequest | Self::LoseAnswer
        )
    }
}

impl<Request, Answer> Call<Request, Answer> {
    /// Returns what can happen next, with faults or without.
    pub fn events(&self, faults_left: u8) -> impl Iterator<Item = Event> + use<Request, Answer> {
        let events: &[Event] = match self {
            Self::Sent(_) => &[
                Event::Effect,
                Event::LoseRequest,
                Event::Delay,
                Event::Overtake,
            ],
            Self::Answered(..) => &[
                Event::Answer,
                Event::LoseAnswer,
                Event::Resend,
                Event::RefuseRepeat,
            ],
        };
        let events = events.iter().copied();
        events.filter(move |event| faults_left > 0 || !event.is_fault())
    }
}
