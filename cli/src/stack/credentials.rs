//! Region and credentials: from flags first, then from the environment, profiles, single sign-on,
//! and the metadata of the machine, as `aws-config` reads them.

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::region::Region;
use rerole::aws::CONNECT_TIMEOUT;
use rerole::aws::call_error::causes;

use crate::stack::error::StackError;
use crate::stack::flags::StackFlags;

/// A call of the CLI that has no response by then will not get one while the operator waits for it.
const OPERATION_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(20);
const ATTEMPTS: u32 = 3;

/// Loads the configuration of the SDK's clients, and checks that there are credentials.
///
/// # Errors
/// If there is no such profile, no region, or no valid credentials.
pub async fn load(
    flags: &StackFlags,
    http_client: SharedHttpClient,
) -> Result<SdkConfig, StackError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http_client.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts);
    if let Some(name) = &flags.profile {
        // Left to itself, the SDK prefers credentials and region of the environment.
        let of_profile = region_of_profile(name).await?;
        let chosen = flags.aws_region.clone().map(Region::new);
        let region = chosen.or(of_profile);
        // Single sign-on and roles to assume are calls to AWS.
        let provider = ProviderConfig::without_region()
            .with_http_client(http_client)
            .with_region(region.clone());
        let credentials = ProfileFileCredentialsProvider::builder()
            .profile_name(name)
            .configure(&provider)
            .build();
        loader = loader.profile_name(name).credentials_provider(credentials);
        if let Some(region) = region {
            loader = loader.region(region);
        }
    }
    if let Some(region) = &flags.aws_region {
        loader = loader.region(Region::new(region.clone()));
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(StackError::NoRegion);
    }
    check_credentials(&config, flags.profile.as_deref()).await?;
    Ok(config)
}

/// Returns the region of a profile, if it has one.
async fn region_of_profile(name: &str) -> Result<Option<Region>, StackError> {
    let files = EnvConfigFiles::default();
    let profiles = aws_config::profile::load(&Fs::real(), &Env::real(), &files, None).await;
    let profiles = profiles.map_err(|error| StackError::ProfileFiles(causes(&error)))?;
    let Some(profile) = profiles.get_profile(name) else {
        let mut known: Vec<_> = profiles.profiles().map(str::to_owned).collect();
        known.sort_unstable();
        let name = name.to_owned();
        return Err(StackError::NoProfile { name, known });
    };
    let region = profile.get("region");
    Ok(region.map(|region| Region::new(region.to_owned())))
}

/// The first call would also find out, but only after it has retried for some seconds.
async fn check_credentials(config: &SdkConfig, profile: Option<&str>) -> Result<(), StackError> {
    let provider = config.credentials_provider();
    let provider = provider.ok_or(StackError::NoCredentials)?;
    match provider.provide_credentials().await {
        Ok(_) => Ok(()),
        Err(CredentialsError::CredentialsNotLoaded(_)) => Err(StackError::NoCredentials),
        Err(error) => Err(StackError::Credentials {
            problem: causes(&error),
            login: login(profile),
        }),
    }
}

fn login(profile: Option<&str>) -> String {
    let profile = profile.map_or_else(String::new, |name| format!(" --profile {name}"));
    format!("aws sso login{profile}")
}
