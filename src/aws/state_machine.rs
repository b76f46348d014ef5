//! Starts executions of the state machine, which resumes work that takes longer than one
//! invocation. What an execution is started with, and how it is named, is in
//! `rerole_core::state_machine`.

use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::{Region, SharedHttpClient};
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_types::retry::RetryConfig;
use rerole_core::call::{CallError, Operation};
use rerole_core::state_machine::Execution;

use crate::aws::call_error::call_error;
use crate::aws::client_config::{Timeouts, behavior_version, retry_partition};
use crate::settings::{ClientSettings, Settings};

/// The limit for all calls with which a rotation or an index run is handed over. Usually it is one
/// call, or a few, each of which takes tens of milliseconds.
pub const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(6);
/// A call takes tens of milliseconds. After this long a response is unlikely to come.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// The first attempt at a call and its retries. Starting an execution twice starts it once, so
/// every call may be retried.
const ATTEMPTS: u32 = 4;

/// The result of [`StateMachine::start`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// The execution with this name runs, from now on or already.
    Running(String),
    /// The execution of this name was closed before.
    Closed,
}

/// The state machine. Most invocations do not need it, so the client is made at the first call.
#[derive(Debug)]
pub struct StateMachine {
    arn: String,
    settings: ClientSettings,
    http_client: SharedHttpClient,
    clock: SharedTimeSource,
    client: OnceLock<Client>,
}

impl StateMachine {
    /// Returns `None` if no state machine is configured.
    #[must_use]
    pub fn new(
        settings: &Settings,
        http_client: SharedHttpClient,
        clock: SharedTimeSource,
    ) -> Option<Self> {
        settings.state_machine_arn.clone().map(|arn| Self {
            arn,
            settings: settings.clients.clone(),
            http_client,
            clock,
            client: OnceLock::new(),
        })
    }

    /// Starts an execution under the name that it has with this `run`, unless it is running.
    ///
    /// # Errors
    /// If Step Functions cannot be reached, or rejects the call.
    pub async fn start(&self, execution: &Execution, run: u64) -> Result<Started, CallError> {
        let name = execution.name(run);
        let start = self
            .client()
            .start_execution()
            .state_machine_arn(&self.arn)
            .name(&name)
            .input(execution.input().to_string());
        match start.send().await {
            // It was started, or is running with the same input.
            Ok(_) => Ok(Started::Running(name)),
            // The execution of this name is closed, or has another input.
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(StartExecutionError::ExecutionAlreadyExists(_))
                ) =>
            {
                Ok(Started::Closed)
            }
            Err(error) => Err(call_error(Operation::on("start execution", &name), &error)),
        }
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let timeouts = Timeouts {
                attempt: ATTEMPT_TIMEOUT,
                operation: HAND_OVER_TIMEOUT,
            };
            let mut config = aws_sdk_sfn::Config::builder()
                .behavior_version(behavior_version())
                .region(Region::new(self.settings.region.clone()))
                .credentials_provider(self.settings.credentials.clone())
                .http_client(self.http_client.clone())
                .time_source(self.clock.clone())
                .use_fips(self.settings.endpoints.use_fips)
                .use_dual_stack(self.settings.endpoints.use_dual_stack)
                .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
                .retry_partition(retry_partition("states"))
                .timeout_config(timeouts.into());
            config.set_endpoint_url(self.settings.endpoints.step_functions.clone());
            Client::from_conf(config.build())
        })
    }
}
