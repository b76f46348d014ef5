//! The handle that tests hold: the two transports, and what tests read and change without a call to
//! the API.
//!
//! Nothing is simulated here. `pipeline` handles the calls, and each service has a module.

mod compute;
mod identity;
mod messaging;
mod operations;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use serde_json::Value;

use crate::arn::Scope;
use crate::call::{Call, CallRecord, Service};
use crate::eks::EksState;
use crate::fault::Fault;
use crate::options::Options;
use crate::pipeline::Pipeline;
use crate::regional::Regional;
use crate::sync::lock;
use crate::tables::{self, index_item};
use crate::transport::{InProcessTransport, LoopbackServer};

/// The simulated AWS. Clones are handles to the same one.
#[derive(Clone)]
pub struct SimulatedAws {
    pipeline: Arc<Pipeline>,
    /// Where this handle creates resources, and looks for them.
    region: String,
}

impl fmt::Debug for SimulatedAws {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SimulatedAws")
            .field("options", &self.pipeline.options)
            .finish_non_exhaustive()
    }
}

/// Transports and time.
impl SimulatedAws {
    /// A new, empty AWS. Call it in a tokio runtime, whose clock it uses.
    pub fn new(options: Options) -> Self {
        Self {
            region: options.region.clone(),
            pipeline: Arc::new(Pipeline::new(options)),
        }
    }

    /// A handle to the same AWS that creates queues, functions, stacks, alarms, topics, rules and
    /// trails in this region, and reads and changes those of this region.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        Self {
            pipeline: Arc::clone(&self.pipeline),
            region: region.to_owned(),
        }
    }

    /// The account and the region of this handle.
    fn scope(&self) -> Scope<'_> {
        Scope {
            account: &self.pipeline.options.account,
            region: &self.region,
        }
    }

    /// Changes the state of a service in the account and the region of this handle.
    fn with<T: Default, R>(&self, state: &Mutex<Regional<T>>, work: impl FnOnce(&mut T) -> R) -> R {
        work(lock(state).of(self.scope()))
    }

    /// A new ID for a resource.
    fn resource_id(&self) -> String {
        lock(&self.pipeline.rng).resource_id()
    }

    /// An HTTP client for SDK configs, in process.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(InProcessTransport::new(Arc::clone(&self.pipeline)))
    }

    /// A server on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If 127.0.0.1 has no free port.
    pub async fn serve(&self) -> io::Result<LoopbackServer> {
        self.serve_on(0).await
    }

    /// A server on this port of 127.0.0.1.
    ///
    /// # Errors
    /// If the port is in use.
    pub async fn serve_on(&self, port: u16) -> io::Result<LoopbackServer> {
        LoopbackServer::start(Arc::clone(&self.pipeline), port).await
    }

    /// The simulated clock, for SDK configs.
    pub fn time_source(&self) -> SharedTimeSource {
        SharedTimeSource::new(self.pipeline.clock.clone())
    }

    /// The time on the simulated clock.
    pub fn now(&self) -> SystemTime {
        self.pipeline.now()
    }

    /// The options that it was created with.
    pub fn options(&self) -> &Options {
        &self.pipeline.options
    }
}

/// The state of the services.
impl SimulatedAws {
    /// Reads or changes the state of EKS without a call to the API. `work` must not call `eks`
    /// itself.
    pub fn eks<T>(&self, work: impl FnOnce(&mut EksState) -> T) -> T {
        let now = self.now();
        let mut state = lock(&self.pipeline.eks);
        state.now = now;
        work(&mut state)
    }

    /// Creates the association index and the rotation ledger with their global secondary indexes.
    ///
    /// # Panics
    /// If one of the tables exists already.
    pub fn create_tables(&self, index_table: &str, ledger_table: &str) {
        let create_ledger = if self.pipeline.options.ledger_stream {
            tables::create_ledger_with_stream
        } else {
            tables::create_ledger
        };
        let mut dynamodb = lock(&self.pipeline.dynamodb);
        for request in [
            tables::create_index(index_table),
            create_ledger(ledger_table),
        ] {
            dynamodb
                .create_table(request)
                .expect("a test creates each table once");
        }
    }

    /// Creates a table from a `CreateTable` request.
    ///
    /// # Panics
    /// If the table exists already, or the request is invalid.
    pub fn create_table(&self, request: Value) {
        let created = lock(&self.pipeline.dynamodb).create_table(request);
        created.expect("a table is created once, by a valid request");
    }

    /// Turns on point-in-time recovery of a table.
    pub fn enable_recovery(&self, table: &str) {
        lock(&self.pipeline.dynamodb).enable_recovery(table);
    }

    /// Records in the ledger that the index of each region is complete as of now, as after a full
    /// run over these regions.
    ///
    /// # Panics
    /// If the table does not exist.
    pub fn complete_index(&self, ledger_table: &str, regions: &[&str]) {
        for region in regions {
            self.put_item(ledger_table, tables::region_index_item(region, self.now()));
        }
    }

    /// Every item of a table as a plain JSON object (numbers as numbers), in order of the keys.
    ///
    /// # Panics
    /// If the table does not exist.
    pub fn items(&self, table: &str) -> Vec<Value> {
        lock(&self.pipeline.dynamodb).items(table)
    }

    /// Puts an item given as a plain JSON object, without its null members. Indexes show it at
    /// once, whatever their lag.
    ///
    /// # Panics
    /// If the table does not exist or does not accept the item.
    pub fn put_item(&self, table: &str, item: Value) {
        let now = self.now();
        lock(&self.pipeline.dynamodb).put(now, table, &item);
    }

    /// Deletes the item with this key if it exists. Indexes show it at once, whatever their lag.
    ///
    /// # Panics
    /// If the table does not exist or has another key.
    pub fn delete_item(&self, table: &str, key: Value) {
        let now = self.now();
        lock(&self.pipeline.dynamodb).delete(now, table, &key);
    }

    /// Puts the association, as EKS has it now, into the index table.
    ///
    /// # Panics
    /// If the association or the table does not exist.
    pub fn index_association(&self, table: &str, arn: &str) {
        let now = self.now();
        let item = self.eks(|eks| eks.association(arn).map(|it| index_item(it, now)));
        let item =
            item.unwrap_or_else(|| panic!("a test indexes associations that exist, not {arn}"));
        self.put_item(table, item);
    }

    /// Puts many new items, several times faster than one by one.
    pub(crate) fn import_items(&self, table: &str, items: &[Value]) {
        lock(&self.pipeline.dynamodb).import(table, items);
    }

    /// Up to `limit` records of the stream of the ledger, as Lambda passes them to a function:
    /// those after the record with this sequence number, or the first ones. It needs
    /// `Options::ledger_stream`.
    ///
    /// # Panics
    /// If the table does not exist or has no stream.
    pub fn stream_records(&self, table: &str, after: Option<&str>, limit: usize) -> Vec<Value> {
        let dynamodb = lock(&self.pipeline.dynamodb);
        dynamodb.stream_of(table).records(after, limit).to_vec()
    }
}

/// Faults, the log of calls, and CloudTrail.
impl SimulatedAws {
    /// Sets the hook that chooses the fault of each call from now on, in place of the previous
    /// hook. The hook may read and change this `SimulatedAws`.
    pub fn on_call(&self, hook: impl FnMut(&Call) -> Fault + Send + 'static) {
        self.pipeline.faults.set_hook(hook);
    }

    /// Removes the hook. Calls that are frozen stay frozen.
    pub fn clear_hook(&self) {
        self.pipeline.faults.clear_hook();
    }

    /// Returns once a call was frozen since the hook was set. A call that is frozen after its
    /// effect has then been applied.
    pub async fn wait_for_frozen_call(&self) {
        self.pipeline.faults.wait_for_frozen_call().await;
    }

    /// Every call since the start or the last `clear_calls`, in order of arrival; none without
    /// `Options::keep_log`.
    pub fn calls(&self) -> Vec<CallRecord> {
        lock(&self.pipeline.log).records().to_vec()
    }

    /// Those of [`SimulatedAws::calls`] for which `is_wanted` holds. It clones only these, so a
    /// loop may call it.
    pub fn calls_where(&self, is_wanted: impl Fn(&CallRecord) -> bool) -> Vec<CallRecord> {
        let log = lock(&self.pipeline.log);
        let wanted = log.records().iter().filter(|record| is_wanted(record));
        wanted.cloned().collect()
    }

    /// How many calls of each operation arrived since the start or the last `clear_calls`.
    pub fn call_counts(&self) -> BTreeMap<(Service, String), usize> {
        lock(&self.pipeline.log).counts().clone()
    }

    /// Clears the log and the counts; the next call has index 0.
    pub fn clear_calls(&self) {
        lock(&self.pipeline.log).clear();
    }

    /// A hash of the log: service, operation, subject, EKS token, times, status and error code of
    /// each call in order of arrival. It is equal for equal seeds, work and code. DynamoDB's tokens
    /// do not count: the SDK draws them at random.
    pub fn trace_hash(&self) -> u64 {
        lock(&self.pipeline.log).trace_hash(&self.pipeline.clock)
    }

    /// The CloudTrail events since the start or the last `take_cloudtrail_events`, in order of the
    /// calls' effects; none without `Options::cloudtrail`.
    pub fn cloudtrail_events(&self) -> Vec<Value> {
        self.pipeline.cloudtrail.events()
    }

    /// Removes and returns the CloudTrail events since the start or the last
    /// `take_cloudtrail_events`.
    pub fn take_cloudtrail_events(&self) -> Vec<Value> {
        self.pipeline.cloudtrail.take_events()
    }

    /// Passes each CloudTrail event to `listener` from now on, instead of keeping it. The listener
    /// has it before the client has the response, and may read and change this `SimulatedAws`.
    pub fn on_cloudtrail_event(&self, listener: impl FnMut(Value) + Send + 'static) {
        self.pipeline.cloudtrail.set_listener(listener);
    }
}
