//! From flags, environment and AWS configuration to clients. Profiles, single sign-on and the like are `aws-config`'s work; the
//! clients are those that ship.

use aws_config::BehaviorVersion;
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use rerole::aws::Aws;
use rerole::aws::tls::http_client;
use rerole::settings::{Settings, SettingsError, environment};

use super::flags::AwsFlags;
use crate::args::InvalidFlag;

/// Why there are no clients.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Flag(#[from] InvalidFlag),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("set up the HTTP client: {0}")]
    HttpClient(String),
    #[error("no region: name one in AWS_REGION, or in the profile")]
    NoRegion,
    #[error("no credentials: log in, or name a profile that has some with --profile")]
    NoCredentials,
}

/// Clients, and the region in which the tables are.
#[derive(Debug)]
pub struct Connection {
    pub aws: Aws,
    pub region: String,
    pub width: usize,
}

/// # Errors
/// Where flags, environment or configuration lack something.
pub async fn connect(flags: &AwsFlags) -> Result<Connection, ConnectError> {
    let width = flags.concurrency.count();
    // Whatever `aws-config` knows better is put in afterwards.
    let mut settings = Settings::from_lookup(|name| match name {
        "ASSOCIATION_INDEX_TABLE" => Some(flags.index_table.clone()),
        "ROTATION_LEDGER_TABLE" => Some(flags.ledger_table.clone()),
        "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("from the configuration".to_owned()),
        other => environment(other),
    })?;
    let http_client = http_client(&settings).map_err(|error| ConnectError::HttpClient(error.to_string()))?;
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http_client.clone());
    if let Some(profile) = &flags.profile {
        loader = loader.profile_name(profile);
    }
    let config = loader.load().await;
    settings.region = config.region().ok_or(ConnectError::NoRegion)?.to_string();
    settings.credentials = config.credentials_provider().ok_or(ConnectError::NoCredentials)?;
    for endpoint in [&mut settings.eks_endpoint, &mut settings.dynamodb_endpoint] {
        *endpoint = endpoint.take().or_else(|| config.endpoint_url().map(str::to_owned));
    }
    let clock = SharedTimeSource::new(SystemTimeSource::new());
    Ok(Connection { aws: Aws::new(&settings, http_client, clock), region: settings.region, width })
}
