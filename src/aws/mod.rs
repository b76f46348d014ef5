//! The edge to AWS: the SDK's clients, made from [`Settings`], and the calls that rerole makes to
//! each service. Decisions are in `rerole-core`.
//!
//! Nothing here is replaced in tests. They pass another HTTP client, or another endpoint, and the
//! same code calls the simulated AWS.

pub mod call_error;
mod client_config;
pub(crate) mod dynamodb;
pub mod eks;
pub mod event_bus;
pub mod http;
pub mod index_table;
pub mod ledger;
pub mod page;
mod rates;
mod role_use;
pub mod state_machine;

pub use client_config::CONNECT_TIMEOUT;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_async::time::SharedTimeSource;
use rerole_core::timestamp::Timestamp;

use crate::aws::eks::Eks;
use crate::aws::index_table::IndexTable;
use crate::aws::ledger::Ledger;
use crate::aws::state_machine::StateMachine;
use crate::settings::Settings;

/// The clients of all services, and the clock.
#[derive(Debug)]
pub struct Aws {
    pub eks: Eks,
    pub ledger: Ledger,
    pub index: IndexTable,
    /// `None` if no state machine is configured.
    pub state_machine: Option<StateMachine>,
    clock: SharedTimeSource,
}

impl Aws {
    /// Creates the clients. This sends no call and opens no connection.
    #[must_use]
    pub fn new(
        settings: &Settings,
        http_client: SharedHttpClient,
        clock: SharedTimeSource,
    ) -> Self {
        let dynamodb = dynamodb::client(&settings.clients, http_client.clone(), clock.clone());
        Self {
            state_machine: StateMachine::new(settings, http_client.clone(), clock.clone()),
            eks: Eks::new(settings, http_client, clock.clone()),
            ledger: Ledger::new(dynamodb.clone(), settings.rotation_ledger_table.clone()),
            index: IndexTable::new(dynamodb, settings.association_index_table.clone()),
            clock,
        }
    }

    /// Returns the time of day, for records. Durations are measured with tokio's clock instead.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now().into()
    }
}
