//! Creates the AWS clients from flags, environment, and AWS configuration. `aws-config` reads
//! profiles and single sign-on; the clients are the ones that ship.

use aws_config::BehaviorVersion;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use rerole::aws::Aws;
use rerole::aws::call_error::causes;
use rerole::aws::http::http_client;
use rerole::settings::{Endpoints, Settings, SettingsError, environment};

use crate::index::flags::AwsFlags;
use crate::invalid_flag::InvalidFlag;

/// Why the clients could not be created.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Flag(#[from] InvalidFlag),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("set up the HTTP client: {0}")]
    HttpClient(String),
    #[error("no region: set AWS_REGION, or the region of the profile")]
    NoRegion,
    #[error(
        "no AWS credentials in the environment, the profile, or the machine's metadata; log in \
         (aws sso login), or name a profile in --profile"
    )]
    NoCredentials,
    #[error("load AWS credentials: {0}; log in again, or name another profile in --profile")]
    Credentials(String),
}

/// The clients, and the region of the tables.
#[derive(Debug)]
pub struct Connection {
    pub aws: Aws,
    pub region: String,
    pub concurrency: usize,
    endpoints: Endpoints,
}

impl Connection {
    /// Checks that EKS has the endpoints that are called in these regions.
    ///
    /// # Errors
    /// If it has not: the first such region.
    pub fn check_regions(&self, regions: &[String]) -> Result<(), ConnectError> {
        Ok(self.endpoints.check_regions(regions)?)
    }
}

/// Creates the clients, and checks that there are credentials. Makes no call to EKS or DynamoDB.
///
/// # Errors
/// If a setting is missing or invalid, or if there is no region or no credentials.
pub async fn connect(flags: &AwsFlags) -> Result<Connection, ConnectError> {
    let concurrency = flags.concurrency.count();
    // `Settings` requires a region and credentials. Those of `aws-config` replace these below.
    let mut settings = Settings::from_lookup(|name| match name {
        "ASSOCIATION_INDEX_TABLE" => Some(flags.index_table.clone()),
        "ROTATION_LEDGER_TABLE" => Some(flags.ledger_table.clone()),
        "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => {
            Some("placeholder".to_owned())
        }
        other => environment(other),
    })?;
    let http_client = http_client(&settings.clients)
        .map_err(|error| ConnectError::HttpClient(error.to_string()))?;
    let mut loader =
        aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http_client.clone());
    if let Some(profile) = &flags.profile {
        loader = loader.profile_name(profile);
    }
    let config = loader.load().await;
    settings.clients.region = config.region().ok_or(ConnectError::NoRegion)?.to_string();
    let credentials = config
        .credentials_provider()
        .ok_or(ConnectError::NoCredentials)?;
    // The first call would also find out, but only after it has retried for some seconds.
    match credentials.provide_credentials().await {
        Ok(_) => {}
        Err(CredentialsError::CredentialsNotLoaded(_)) => return Err(ConnectError::NoCredentials),
        Err(error) => return Err(ConnectError::Credentials(causes(&error))),
    }
    settings.clients.credentials = credentials;
    settings.clients.endpoints = settings.clients.endpoints.or(config.endpoint_url())?;
    let clock = SharedTimeSource::new(SystemTimeSource::new());
    Ok(Connection {
        aws: Aws::new(&settings, http_client, clock),
        region: settings.clients.region,
        concurrency,
        endpoints: settings.clients.endpoints,
    })
}
