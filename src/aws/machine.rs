//! The state machine that goes on with what is longer than an invocation: starting it, once for each piece of work.

use std::sync::OnceLock;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::{Region, SharedHttpClient};
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_types::retry::RetryConfig;

use super::error::CallError;
use super::{behavior_version, own_retry_partition, timeouts};
use crate::continuation::Work;
use crate::settings::Settings;

/// Handing over takes no longer, in all: a call or a few, each of which is answered within tens of milliseconds.
pub const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(6);
/// After this long an answer is not coming.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// Attempts at a call, the first one included. Starting twice starts once, so that any of them may be repeated.
const ATTEMPTS: u32 = 4;
/// Executions of one piece of work that are looked past because they are over. Each was put an end to by somebody, or failed
/// and raised an alarm.
const RUNS_MAX: u32 = 100;
const OPERATION: &str = "start state machine";

/// The state machine. Most invocations never need it, so that its client is made when it is first called.
#[derive(Debug)]
pub struct Machine {
    arn: String,
    region: String,
    endpoint: Option<String>,
    credentials: SharedCredentialsProvider,
    http_client: SharedHttpClient,
    clock: SharedTimeSource,
    client: OnceLock<Client>,
}

impl Machine {
    /// `None` where none is configured.
    #[must_use]
    pub fn new(settings: &Settings, http_client: SharedHttpClient, clock: SharedTimeSource) -> Option<Self> {
        settings.continuation_state_machine_arn.clone().map(|arn| Self {
            arn,
            region: settings.region.clone(),
            endpoint: settings.states_endpoint.clone(),
            credentials: settings.credentials.clone(),
            http_client,
            clock,
            client: OnceLock::new(),
        })
    }

    /// Has the machine go on with this work, unless it does so already. Returns the name of its execution.
    ///
    /// # Errors
    /// Where Step Functions cannot be reached, refuses, or has a hundred executions of this work that are over.
    pub async fn hand_over(&self, work: &Work) -> Result<String, CallError> {
        let started = tokio::time::timeout(HAND_OVER_TIMEOUT, self.start(work)).await;
        started.unwrap_or_else(|_| {
            let problem = format!("nothing was started within {HAND_OVER_TIMEOUT:?}");
            Err(CallError::outrun(OPERATION, self.arn.clone(), problem))
        })
    }

    async fn start(&self, work: &Work) -> Result<String, CallError> {
        let input = work.input().to_string();
        for run in 1..=RUNS_MAX {
            let name = work.execution_name(run);
            let start = self.client().start_execution().state_machine_arn(&self.arn).name(&name).input(&input);
            match start.send().await {
                // New, or at work.
                Ok(_) => return Ok(name),
                // Over, or of other work that happens to be named alike.
                Err(error)
                    if matches!(error.as_service_error(), Some(StartExecutionError::ExecutionAlreadyExists(_))) => {}
                Err(error) => return Err(CallError::new(OPERATION, name, &error)),
            }
        }
        let problem =
            format!("its executions {} to {} are over", work.execution_name(1), work.execution_name(RUNS_MAX));
        Err(CallError::outrun(OPERATION, self.arn.clone(), problem))
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let mut config = aws_sdk_sfn::Config::builder()
                .behavior_version(behavior_version())
                .region(Region::new(self.region.clone()))
                .credentials_provider(self.credentials.clone())
                .http_client(self.http_client.clone())
                .time_source(self.clock.clone())
                .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
                .retry_partition(own_retry_partition("states"))
                .timeout_config(timeouts(ATTEMPT_TIMEOUT, HAND_OVER_TIMEOUT));
            if let Some(url) = &self.endpoint {
                config = config.endpoint_url(url);
            }
            Client::from_conf(config.build())
        })
    }
}
