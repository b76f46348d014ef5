//! One call as tests see it: what was asked, what to do to it, and the log of what became of it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// The AWS services behind the doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    Eks,
    DynamoDb,
    StepFunctions,
}

/// One request that arrived.
#[derive(Clone, Debug)]
pub struct Call {
    /// Position in order of arrival, from 0, since the start or the last `clear_calls`.
    pub index: usize,
    pub service: Service,
    /// The API's own name for the operation: `UpdatePodIdentityAssociation`, `TransactWriteItems`.
    pub operation: String,
    pub account: String,
    /// Who signed it; `anonymous` where nobody did.
    pub access_key: String,
    pub region: String,
    /// What it is about: `<cluster>/<associationId>` or `<cluster>` in EKS; in DynamoDB the table, followed by
    /// `/<partition key>/<sort key>` where the call has one item, or the tables joined with `+`; `<state machine>/<execution>`
    /// in Step Functions.
    pub subject: String,
    /// EKS `clientRequestToken`, or DynamoDB `ClientRequestToken`.
    pub token: Option<String>,
    /// The parsed body; null where there is none.
    pub body: Value,
}

/// What a hook does to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Nothing is applied, and the connection breaks.
    FailBefore,
    /// The call takes effect, and the connection breaks before the answer arrives.
    LoseAnswer,
    /// The effect comes later by this much.
    Delay(Duration),
    /// The answer comes later by this much; the effect does not.
    DelayAnswer(Duration),
    /// The service's own throttling error: HTTP 429 in EKS, `ProvisionedThroughputExceededException` in DynamoDB,
    /// `ThrottlingException` in Step Functions.
    Throttle,
    /// HTTP 429 without an error code.
    BareThrottle,
    /// The service's own error for this 5xx status.
    ServerError(u16),
    /// Any error; nothing is applied.
    Error { status: u16, code: String, message: String },
    /// Nothing is applied, and no answer ever comes.
    FreezeBefore,
    /// The call takes effect, and no answer ever comes.
    FreezeAfter,
}

/// What became of a call.
#[derive(Clone, Debug)]
pub struct CallRecord {
    pub call: Call,
    /// When the request arrived at the door.
    pub sent_at: SystemTime,
    /// When the service did what was asked; none where it refused, failed, or never got the request.
    pub applied_at: Option<SystemTime>,
    /// When the client got the answer; none where it never did.
    pub answered_at: Option<SystemTime>,
    /// What the service decided, even where the answer was lost on the way.
    pub status: Option<u16>,
    pub error_code: Option<String>,
    pub response: Value,
    /// A success that EKS answered from its memory of tokens, without doing it again.
    pub replayed: bool,
}

/// Names a call's place in the log for as long as the log is not cleared.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    generation: u64,
    index: usize,
}

/// Every call since the last `clear`, in order of arrival.
pub(crate) struct CallLog {
    keep: bool,
    generation: u64,
    arrived: usize,
    records: Vec<CallRecord>,
    counts: BTreeMap<(Service, String), usize>,
}

impl CallLog {
    pub(crate) fn new(keep: bool) -> Self {
        Self { keep, generation: 0, arrived: 0, records: Vec::new(), counts: BTreeMap::new() }
    }

    /// Gives the call its index and the ticket under which its fate is reported.
    pub(crate) fn arrive(&mut self, call: &mut Call, sent_at: SystemTime) -> Ticket {
        call.index = self.arrived;
        self.arrived += 1;
        *self.counts.entry((call.service, call.operation.clone())).or_default() += 1;
        if self.keep {
            self.records.push(CallRecord {
                call: call.clone(),
                sent_at,
                applied_at: None,
                answered_at: None,
                status: None,
                error_code: None,
                response: Value::Null,
                replayed: false,
            });
        }
        Ticket { generation: self.generation, index: call.index }
    }

    /// The record to write to; none where the log is off, or was cleared while the call was under way.
    pub(crate) fn record(&mut self, ticket: Ticket) -> Option<&mut CallRecord> {
        if ticket.generation == self.generation { self.records.get_mut(ticket.index) } else { None }
    }

    pub(crate) fn records(&self) -> &[CallRecord] {
        &self.records
    }

    pub(crate) fn counts(&self) -> &BTreeMap<(Service, String), usize> {
        &self.counts
    }

    pub(crate) fn clear(&mut self) {
        self.generation += 1;
        self.arrived = 0;
        self.records.clear();
        self.counts.clear();
    }
}
