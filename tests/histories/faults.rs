//! Chooses what happens to each call of the functions, from the faults of the history. People's
//! calls have no faults.

use std::time::Duration;

use rerole_sim::{Call, Fault as CallFault, Service};
use tokio::time::Instant;

use crate::common::environment::{INDEXER_ACCESS_KEY, ROTATE_ACCESS_KEY};
use crate::history::{Effect, Fault, Function, ServiceName, Side};
use crate::sandbox::{Kind, Sandboxes};
use crate::situations::Situations;
use crate::world::World;

/// A call may be retried many times. A history that makes more calls than this does not end.
const CALLS_MAX: usize = 30_000;

/// The failing calls and outages of a history, which the hook of the simulated AWS counts.
struct Faults {
    faults: Vec<Fault>,
    /// How many calls each [`Fault::Call`] has seen.
    seen: Vec<usize>,
    starts_at: Instant,
}

/// Sets the hook that plays the faults.
pub fn play(world: &World, faults: &[Fault], sandboxes: &Sandboxes, situations: &Situations) {
    let mut faults = Faults {
        seen: vec![0; faults.len()],
        faults: faults.to_vec(),
        starts_at: Instant::now(),
    };
    let (sandboxes, latency) = (sandboxes.clone(), world.latency());
    let situations = situations.clone();
    world.aws.on_call(move |call| {
        assert!(
            call.index < CALLS_MAX,
            "the history does not end: {CALLS_MAX} calls"
        );
        let Some(function) = function_of(call) else {
            return CallFault::None;
        };
        if let Some((interruption, fault)) = sandboxes.on_call(&call.access_key, latency) {
            let what = match interruption.kind {
                Kind::Death => "death",
                Kind::Freeze(_) => "freeze",
            };
            let side = match interruption.side {
                Side::Before => "before",
                Side::After => "after",
            };
            let operation = &call.operation;
            situations.note(&format!("{what} of {function:?} {side} {operation}"));
            return fault;
        }
        faults.choose(function, call, &situations)
    });
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

impl Faults {
    fn choose(&mut self, function: Function, call: &Call, situations: &Situations) -> CallFault {
        let now = u64::try_from(self.starts_at.elapsed().as_millis()).expect("a short history");
        let mut chosen = None;
        for (fault, seen) in self.faults.iter().zip(&mut self.seen) {
            let effect = match fault {
                Fault::Call {
                    function: of,
                    operation,
                    nth,
                    effect,
                } if *of == function && *operation == call.operation => {
                    *seen += 1;
                    (*seen == nth + 1).then_some(effect)
                }
                Fault::Outage {
                    from,
                    until,
                    service,
                    region,
                    effect,
                } => {
                    let is_hit = service_of(*service) == call.service
                        && (*from..*until).contains(&now)
                        && region.as_ref().is_none_or(|region| *region == call.region);
                    is_hit.then_some(effect)
                }
                _ => None,
            };
            chosen = chosen.or(effect.cloned());
        }
        let Some(effect) = chosen else {
            return CallFault::None;
        };
        let name = format!("{effect:?}");
        let name = name.split('(').next().expect("a name");
        situations.note(&format!("{name} at {:?}", call.service));
        to_fault(&effect, call)
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
