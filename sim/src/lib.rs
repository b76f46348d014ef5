//! A simulated AWS: EKS Pod Identity associations, DynamoDB, and the start of state machines, faked at the wire and nowhere
//! else.
//!
//! One [`SimulatedAws`] has two doors to the same handlers. `http_client` is an HTTP client for SDK configs, in process
//! and in tokio's time: under `tokio::time::pause` a run takes no real time, and one seed gives one trace. `serve` listens
//! on loopback, for anything that speaks to AWS over HTTP. Whichever door a change comes through, `trail` has the event that
//! AWS would deliver about it.
//!
//! Deliberately not here: signature verification, IAM policies, TLS, and anything about the product that is tested with
//! this; this crate does not depend on it.

mod call;
mod chance;
mod clock;
mod door_in_process;
mod door_loopback;
mod dynamodb;
mod eks;
mod exchange;
pub mod fleet;
mod options;
mod states;
mod trail;
mod wire;

pub use call::{Call, CallRecord, Fault, Service};
pub use clock::{VirtualClock, rfc3339_millis};
pub use door_loopback::LoopbackServer;
pub use eks::{Association, Cluster, EksWorld, RoleState};
pub use fleet::index_item;
pub use options::{AddonUpdates, Options, SameRole, Throttle, TrailTimes};
pub use states::{Execution, ExecutionStatus};

use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use call::CallLog;
use chance::Chance;
use dynamodb::DynamoDb;
use serde_json::Value;
use states::States;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;
use tokio::sync::watch;
use trail::Listener;

type Hook = Arc<Mutex<dyn FnMut(&Call) -> Fault + Send>>;

/// The simulated AWS. Clones are handles to the same one.
#[derive(Clone)]
pub struct SimulatedAws(Arc<Inner>);

struct Inner {
    options: Options,
    clock: VirtualClock,
    eks: Mutex<EksWorld>,
    dynamodb: Mutex<DynamoDb>,
    states: Mutex<States>,
    chance: Mutex<Chance>,
    log: Mutex<CallLog>,
    hook: Mutex<Option<Hook>>,
    trail: Mutex<Vec<Value>>,
    listener: Mutex<Option<Listener>>,
    /// How many calls were frozen since the hook was set.
    frozen: watch::Sender<usize>,
}

impl std::fmt::Debug for SimulatedAws {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SimulatedAws").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl SimulatedAws {
    /// A new, empty AWS. Call it inside a tokio runtime: its clock is that runtime's.
    pub fn new(options: Options) -> Self {
        let clock = VirtualClock::starting_at(options.starts_at);
        Self(Arc::new(Inner {
            eks: Mutex::new(EksWorld::new(&options)),
            dynamodb: Mutex::new(DynamoDb::new(&options, &clock)),
            states: Mutex::new(States::default()),
            chance: Mutex::new(Chance::from_seed(options.seed)),
            log: Mutex::new(CallLog::new(options.keep_log)),
            hook: Mutex::new(None),
            trail: Mutex::new(Vec::new()),
            listener: Mutex::new(None),
            frozen: watch::Sender::new(0),
            clock,
            options,
        }))
    }

    /// Door 1: an HTTP client for SDK configs.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(door_in_process::InProcessDoor::to(self.clone()))
    }

    /// Door 2: a server on 127.0.0.1, on a port that was free.
    ///
    /// # Errors
    /// When loopback has no free port.
    pub async fn serve(&self) -> io::Result<LoopbackServer> {
        self.serve_on(0).await
    }

    /// Door 2 on this port of 127.0.0.1.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn serve_on(&self, port: u16) -> io::Result<LoopbackServer> {
        LoopbackServer::start(self.clone(), port).await
    }

    /// The simulated clock, for SDK configs.
    pub fn time_source(&self) -> SharedTimeSource {
        SharedTimeSource::new(self.0.clock.clone())
    }

    /// The time on the simulated clock.
    pub fn now(&self) -> SystemTime {
        self.0.clock.now()
    }

    /// The switches it was made with.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Looks at EKS or changes it behind the API's back. `work` must not call `eks` itself.
    pub fn eks<T>(&self, work: impl FnOnce(&mut EksWorld) -> T) -> T {
        let now = self.now();
        let mut world = locked(&self.0.eks);
        world.now = now;
        work(&mut world)
    }

    /// Creates the association index and the rotation ledger, on demand, with their global secondary indexes.
    pub fn create_tables(&self, index_table: &str, ledger_table: &str) {
        locked(&self.0.dynamodb).create_contract_tables(index_table, ledger_table);
    }

    /// Every item of a table as a plain JSON object (numbers as numbers), in order of the keys.
    pub fn items(&self, table: &str) -> Vec<Value> {
        locked(&self.0.dynamodb).items(table)
    }

    /// Puts an item given as a plain JSON object; null members are left out. Shows in indexes at once, whatever the lag.
    pub fn put_item(&self, table: &str, item: Value) {
        locked(&self.0.dynamodb).put(table, &item);
    }

    /// Deletes the item with this key, if it is there. Shows in indexes at once, whatever the lag.
    pub fn delete_item(&self, table: &str, key: Value) {
        locked(&self.0.dynamodb).delete(table, &key);
    }

    /// Puts the item of this association, as EKS has it now, into the index table.
    ///
    /// # Panics
    /// When there is no such association.
    pub fn index_association(&self, table: &str, arn: &str) {
        let now = self.now();
        let item = self.eks(|eks| eks.association(arn).map(|association| index_item(association, now)));
        self.put_item(table, item.unwrap_or_else(|| panic!("a test indexes associations that exist, not {arn}")));
    }

    /// Decides what happens to each call that arrives from now on, in place of the hook before. The hook may look at this
    /// `SimulatedAws` and change it.
    pub fn on_call(&self, hook: impl FnMut(&Call) -> Fault + Send + 'static) {
        self.0.frozen.send_replace(0);
        *locked(&self.0.hook) = Some(Arc::new(Mutex::new(hook)));
    }

    /// Nothing happens to calls from now on. Calls that are frozen stay so.
    pub fn clear_hook(&self) {
        self.0.frozen.send_replace(0);
        *locked(&self.0.hook) = None;
    }

    /// Resolves once a call was frozen since the hook was set: at once after its effect where it has one.
    ///
    /// # Panics
    /// Never: the sender that it waits for lives as long as `self`.
    pub async fn frozen(&self) {
        let mut frozen = self.0.frozen.subscribe();
        frozen.wait_for(|calls| *calls > 0).await.expect("the sender lives as long as self");
    }

    /// Every call since the start or the last `clear_calls`, in order of arrival. Empty where the log is off.
    pub fn calls(&self) -> Vec<CallRecord> {
        locked(&self.0.log).records().to_vec()
    }

    /// How many calls of each operation arrived since the start or the last `clear_calls`.
    pub fn call_counts(&self) -> BTreeMap<(Service, String), usize> {
        locked(&self.0.log).counts().clone()
    }

    /// Empties the log and the counts; the next call has index 0.
    pub fn clear_calls(&self) {
        locked(&self.0.log).clear();
    }

    /// A fingerprint of the log: service, operation, subject, EKS token, times and outcome of each call in order of
    /// arrival. Equal for equal seeds, work and code. DynamoDB's tokens are left out: the SDK draws them at random.
    pub fn trace_hash(&self) -> u64 {
        // FNV-1a: stable across builds and platforms, which the standard library's hasher does not promise.
        const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let log = locked(&self.0.log);
        let lines = log.records().iter().map(|record| self.trace_line(record));
        lines.fold(OFFSET_BASIS, |hash, line| {
            line.bytes().fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
        })
    }

    fn trace_line(&self, record: &CallRecord) -> String {
        let call = &record.call;
        let at = |time: Option<SystemTime>| time.map(|time| self.0.clock.since_start(time).as_nanos());
        let token = call.token.as_deref().filter(|_| call.service == Service::Eks);
        format!(
            "{:?} {} {} {token:?} {:?} {:?} {:?} {:?} {:?}\n",
            call.service,
            call.operation,
            call.subject,
            at(Some(record.sent_at)),
            at(record.applied_at),
            at(record.answered_at),
            record.status,
            record.error_code,
        )
    }
}

/// Locks, also after a panic elsewhere: the test that panicked is lost already, and the others should say their own
/// reasons.
fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
