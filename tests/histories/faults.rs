//! Chooses what happens to each call of the functions, from the faults of the history. People's
//! calls have no faults.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rerole_sim::{Call, Fault as CallFault, Service};
use tokio::time::Instant;

use crate::common::environment::{INDEXER_ACCESS_KEY, ROTATE_ACCESS_KEY};
use crate::history::{Effect, Fault, Function, ServiceName, Side};
use crate::sandbox::{Interruption, Place, Sandboxes};
use crate::situations::Situations;
use crate::world::World;

/// A call may be retried many times. A history that makes more calls than this does not end.
const CALLS_MAX: usize = 30_000;

/// The faults of a history, and what they have to be held against.
struct FaultPlayer {
    faults: Vec<Fault>,
    /// How many calls each fault of a single call has seen.
    seen: Vec<usize>,
    starts_at: Instant,
    /// The longest time that a call takes.
    latency: Duration,
    sandboxes: Sandboxes,
    situations: Situations,
    hits: Hits,
}

/// Which faults have hit a call.
#[derive(Clone)]
pub struct Hits(Arc<Mutex<Vec<bool>>>);

impl Hits {
    /// The faults that have hit nothing, of those that hit calls.
    pub fn missed(&self, faults: &[Fault]) -> Vec<Fault> {
        let hits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let missed = faults
            .iter()
            .zip(hits.iter())
            .filter(|(_, is_hit)| !**is_hit);
        let missed = missed.filter(|(fault, _)| !matches!(fault, Fault::Dip { .. }));
        missed.map(|(fault, _)| fault.clone()).collect()
    }

    fn add(&self, at: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[at] = true;
    }
}

/// Sets the hook that injects the faults.
pub fn inject(
    world: &World,
    faults: &[Fault],
    sandboxes: &Sandboxes,
    situations: &Situations,
) -> Hits {
    let hits = Hits(Arc::new(Mutex::new(vec![false; faults.len()])));
    let mut player = FaultPlayer {
        hits: hits.clone(),
        seen: vec![0; faults.len()],
        faults: faults.to_vec(),
        starts_at: Instant::now(),
        latency: world.latency(),
        sandboxes: sandboxes.clone(),
        situations: situations.clone(),
    };
    world.aws.on_call(move |call| {
        assert!(
            call.index < CALLS_MAX,
            "the history does not end: {CALLS_MAX} calls"
        );
        match function_of(call) {
            Some(function) => player.choose(function, call),
            None => CallFault::None,
        }
    });
    hits
}

/// Ends all faults. The calls are still counted.
pub fn end(world: &World) {
    world.aws.on_call(|call| {
        assert!(
            call.index < CALLS_MAX,
            "the history does not end: {CALLS_MAX} calls"
        );
        CallFault::None
    });
}

/// The function that makes a call. A person makes the others.
fn function_of(call: &Call) -> Option<Function> {
    if call.access_key.starts_with(ROTATE_ACCESS_KEY) {
        Some(Function::Rotate)
    } else {
        let is_indexer = call.access_key.starts_with(INDEXER_ACCESS_KEY);
        is_indexer.then_some(Function::Indexer)
    }
}

impl FaultPlayer {
    /// What happens to a call of a function: what the first fault says that hits it.
    fn choose(&mut self, function: Function, call: &Call) -> CallFault {
        let hits: Vec<_> = (0..self.faults.len())
            .filter(|at| self.hits(*at, function, call))
            .collect();
        match hits.first() {
            Some(at) => {
                self.hits.add(*at);
                self.apply(&self.faults[*at], function, call)
            }
            None => CallFault::None,
        }
    }

    /// Returns whether a fault hits the call. Each fault of a single call counts its calls.
    fn hits(&mut self, at: usize, function: Function, call: &Call) -> bool {
        let now = u64::try_from(self.starts_at.elapsed().as_millis()).expect("a short history");
        match &self.faults[at] {
            Fault::Call { at: place, .. }
            | Fault::Death { at: place, .. }
            | Fault::Freeze { at: place, .. } => {
                let is_counted = place.function == function && place.operation == call.operation;
                self.seen[at] += usize::from(is_counted);
                is_counted && self.seen[at] == place.nth + 1
            }
            Fault::Outage {
                from,
                until,
                service,
                region,
                ..
            } => {
                service_of(*service) == call.service
                    && (*from..*until).contains(&now)
                    && region.as_ref().is_none_or(|region| *region == call.region)
            }
            Fault::Dip { .. } => false,
        }
    }

    fn apply(&self, fault: &Fault, function: Function, call: &Call) -> CallFault {
        let (interruption, side) = match fault {
            Fault::Call { effect, .. } | Fault::Outage { effect, .. } => {
                let name = format!("{effect:?}");
                let name = name.split('(').next().expect("a name");
                self.situations
                    .note(&format!("{name} at {:?}", call.service));
                return to_fault(effect, call);
            }
            Fault::Death { side, .. } => (Interruption::Death, *side),
            Fault::Freeze { side, secs, .. } => {
                (Interruption::Freeze(Duration::from_secs(*secs)), *side)
            }
            Fault::Dip { .. } => return CallFault::None,
        };
        let what = match interruption {
            Interruption::Death => "death",
            Interruption::Freeze(_) => "freeze",
        };
        let when = match side {
            Side::Before => "before",
            Side::After => "after",
        };
        let operation = &call.operation;
        self.situations
            .note(&format!("{what} of {function:?} {when} {operation}"));
        let place = Place {
            interruption,
            side,
            latency: self.latency,
        };
        self.sandboxes.interrupt(&call.access_key, place)
    }
}

fn service_of(name: ServiceName) -> Service {
    match name {
        ServiceName::Eks => Service::Eks,
        ServiceName::DynamoDb => Service::DynamoDb,
        ServiceName::StepFunctions => Service::StepFunctions,
    }
}

fn to_fault(effect: &Effect, call: &Call) -> CallFault {
    match effect {
        Effect::LoseRequest => CallFault::LoseRequest,
        Effect::LoseResponse => CallFault::LoseResponse,
        Effect::ArriveLate(millis) => CallFault::ArriveLate(Duration::from_millis(*millis)),
        Effect::Delay(millis) => CallFault::Delay(Duration::from_millis(*millis)),
        Effect::DelayResponse(millis) => CallFault::DelayResponse(Duration::from_millis(*millis)),
        Effect::Throttle => CallFault::Throttle,
        Effect::ServerError if call.index.is_multiple_of(2) => CallFault::ServerError(500),
        Effect::ServerError => CallFault::ServerError(503),
        Effect::Conflict => CallFault::Error {
            status: 400,
            code: "TransactionConflictException".to_owned(),
            message: "Transaction is ongoing for the item".to_owned(),
        },
    }
}
