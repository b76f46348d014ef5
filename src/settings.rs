//! The functions' settings. They are read from the environment here and nowhere else, once, and
//! checked before the first event. An error names the variable, so the log of a misconfigured
//! function says at start what to change.

mod clients;
mod endpoints;

pub use clients::ClientSettings;
pub use endpoints::Endpoints;

use std::time::Duration;

use rerole_core::indexing::Coverage;
use rerole_core::pacer::{InvalidRateShare, RateShare};
use rerole_core::request::{
    ClusterGlob, InvalidMaxConcurrency, MaxConcurrency, RequestRules, SOURCE_OF_STACK,
};
use rerole_core::resource::{ROLE_PATH_FORM, is_region, is_role_path};

/// A month.
const STALE_AFTER_HOURS_MAX: u64 = 31 * 24;
const OLD_ROLE_PATH: &str = "OLD_ROLE_PATH";
const ROTATION_EVENT_SOURCE: &str = "ROTATION_EVENT_SOURCE";
const EVENT_BUS_NAME: &str = "EVENT_BUS_NAME";
/// The variable with the ARN of the state machine.
const STATE_MACHINE_ARN: &str = "STATE_MACHINE_ARN";

/// The settings that the `rotate` and `indexer` functions have.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the `AssociationIndex` table.
    pub association_index_table: String,
    /// Name of the `RotationLedger` table.
    pub rotation_ledger_table: String,
    pub clients: ClientSettings,
    /// The state machine that resumes work that takes longer than one invocation. Without it, the
    /// next delivery of the event resumes the work.
    pub state_machine_arn: Option<String>,
    /// The maximum number of associations in flight. As long as EKS has not accepted the new role
    /// in a region, one association goes alone there, whatever this is.
    pub max_concurrency: MaxConcurrency,
    /// The part of the rate of EKS calls that is used once it is known.
    pub rate_share: RateShare,
}

/// The settings of the `rotate` function.
#[derive(Debug, Clone)]
pub struct RotateSettings {
    pub common: Settings,
    /// What the stack allows in a request.
    pub rules: RequestRules,
    /// What the index must cover before a rotation can say that nothing is left on its old role.
    pub coverage: Coverage,
}

/// The settings of the `indexer` function.
#[derive(Debug, Clone)]
pub struct IndexerSettings {
    pub common: Settings,
    pub coverage: Coverage,
}

/// The settings of the `publisher` function.
#[derive(Debug, Clone)]
pub struct PublisherSettings {
    pub clients: ClientSettings,
    /// The bus on which it puts events.
    pub event_bus_name: String,
}

/// A setting that is missing or invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting {variable}: {problem}")]
pub struct SettingsError {
    /// The environment variable.
    pub variable: &'static str,
    pub problem: String,
}

/// Reads a variable from the environment of the process. A value that is not Unicode counts as
/// absent.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl RotateSettings {
    /// Reads the variables with `lookup`: [`environment`], or a table in tests.
    ///
    /// # Errors
    /// If a variable is missing or invalid: the first such variable.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let (common, coverage) = common_and_coverage(&lookup)?;
        let role_path = role_path("ROLE_PATH", required(&lookup, "ROLE_PATH")?)?;
        let old_role_path = optional(&lookup, OLD_ROLE_PATH).map_or_else(
            || Ok(role_path.clone()),
            |path| self::role_path(OLD_ROLE_PATH, path),
        )?;
        Ok(Self {
            rules: RequestRules {
                source: event_source(required(&lookup, ROTATION_EVENT_SOURCE)?)?,
                role_path,
                old_role_path,
            },
            coverage,
            common,
        })
    }
}

impl IndexerSettings {
    /// Reads the variables with `lookup`: [`environment`], or a table in tests.
    ///
    /// # Errors
    /// If a variable is missing or invalid: the first such variable.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let (common, coverage) = common_and_coverage(&lookup)?;
        Ok(Self { common, coverage })
    }
}

impl PublisherSettings {
    /// Reads the variables with `lookup`: [`environment`], or a table in tests.
    ///
    /// # Errors
    /// If a variable is missing or invalid: the first such variable.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        Ok(Self {
            event_bus_name: event_bus_name(required(&lookup, EVENT_BUS_NAME)?)?,
            clients: ClientSettings::from_lookup(&lookup)?,
        })
    }
}

impl Settings {
    /// Returns the value of `RUST_LOG`. It is read apart from the other settings, so an error in
    /// those can be logged.
    #[must_use]
    pub fn log_filter() -> Option<String> {
        std::env::var("RUST_LOG").ok()
    }

    /// Reads the variables with `lookup`: [`environment`], or a table in tests.
    ///
    /// # Errors
    /// If a variable is missing or invalid: the first such variable.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let optional = |name: &str| optional(&lookup, name);
        let required = |variable: &'static str| required(&lookup, variable);
        Ok(Self {
            association_index_table: required("ASSOCIATION_INDEX_TABLE")?,
            rotation_ledger_table: required("ROTATION_LEDGER_TABLE")?,
            clients: ClientSettings::from_lookup(&lookup)?,
            state_machine_arn: optional(STATE_MACHINE_ARN)
                .map(state_machine_arn)
                .transpose()?,
            max_concurrency: optional("MAX_CONCURRENCY")
                .map_or(Ok(MaxConcurrency::default()), |text| max_concurrency(&text))?,
            rate_share: optional("RATE_SHARE")
                .map_or(Ok(RateShare::default()), |text| rate_share(&text))?,
        })
    }
}

/// Returns the value of a variable. An empty one counts as absent, as in the AWS SDKs, because a
/// template cannot easily leave a variable out.
fn optional(lookup: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    lookup(name).filter(|value| !value.is_empty())
}

fn required(
    lookup: &impl Fn(&str) -> Option<String>,
    variable: &'static str,
) -> Result<String, SettingsError> {
    optional(lookup, variable).ok_or_else(|| SettingsError {
        variable,
        problem: "is missing or empty".to_owned(),
    })
}

/// Reads what the two functions have, and checks that all regions have the endpoints.
fn common_and_coverage(
    lookup: &impl Fn(&str) -> Option<String>,
) -> Result<(Settings, Coverage), SettingsError> {
    let common = Settings::from_lookup(lookup)?;
    let coverage = coverage(lookup, &common.clients.region)?;
    common.clients.endpoints.check_regions(&coverage.regions)?;
    Ok((common, coverage))
}

fn role_path(variable: &'static str, path: String) -> Result<String, SettingsError> {
    if is_role_path(&path) {
        return Ok(path);
    }
    let problem = format!("\"{path}\" is not allowed; allowed: {ROLE_PATH_FORM}");
    Err(SettingsError { variable, problem })
}

/// Checks the source of the events that may request rotations. AWS reserves `aws.`, and the stack
/// itself sends as [`SOURCE_OF_STACK`].
fn event_source(source: String) -> Result<String, SettingsError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"/.-_".contains(&b);
    let is_reserved = source == SOURCE_OF_STACK || source.starts_with("aws.");
    if source.len() <= 256 && source.bytes().all(allowed) && !is_reserved {
        return Ok(source);
    }
    let problem = format!(
        "\"{source}\" is not allowed; allowed: 1 to 256 letters, digits, \"/\", \".\", \"-\" or \
         \"_\", but neither \"{SOURCE_OF_STACK}\" nor a text that starts with \"aws.\""
    );
    Err(SettingsError {
        variable: ROTATION_EVENT_SOURCE,
        problem,
    })
}

/// Checks the name of an event bus.
fn event_bus_name(name: String) -> Result<String, SettingsError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"/.-_".contains(&b);
    if name.len() <= 256 && name.bytes().all(allowed) {
        return Ok(name);
    }
    let problem = format!(
        "\"{name}\" is not allowed; allowed: 1 to 256 letters, digits, \"/\", \".\", \"-\" or \"_\""
    );
    Err(SettingsError {
        variable: EVENT_BUS_NAME,
        problem,
    })
}

/// Checks the ARN of the state machine. The ARN of a version or an alias has one more part and is
/// rejected: each execution must start on the definition that is deployed.
fn state_machine_arn(arn: String) -> Result<String, SettingsError> {
    let parts: Vec<&str> = arn.split(':').collect();
    if matches!(parts[..], ["arn", _, "states", _, _, "stateMachine", name] if !name.is_empty()) {
        return Ok(arn);
    }
    let problem = format!("\"{arn}\" is not allowed; allowed: the ARN of a state machine");
    Err(SettingsError {
        variable: STATE_MACHINE_ARN,
        problem,
    })
}

/// Reads what the index of a stack covers. Without a list of regions, it is the stack's own one.
///
/// # Errors
/// If a variable is invalid: the first such variable.
pub fn coverage(
    lookup: &impl Fn(&str) -> Option<String>,
    own_region: &str,
) -> Result<Coverage, SettingsError> {
    let regions = match optional(lookup, "INDEX_REGIONS") {
        None => vec![own_region.to_owned()],
        Some(text) => regions(&text)?,
    };
    let stale_after = optional(lookup, "INDEX_STALE_AFTER_HOURS")
        .map(|text| hours(&text))
        .transpose()?;
    let default = Coverage::of(&regions);
    Ok(Coverage {
        regions,
        stale_after: stale_after.unwrap_or(default.stale_after),
        exclude_clusters: optional(lookup, "INDEX_EXCLUDE")
            .map_or(Ok(Vec::new()), |text| excluded_clusters(&text))?,
    })
}

fn excluded_clusters(text: &str) -> Result<Vec<ClusterGlob>, SettingsError> {
    let globs = text.split(',').map(str::trim).map(|text| {
        let glob = ClusterGlob::new(text).filter(|glob| !glob.excludes());
        glob.ok_or_else(|| SettingsError {
            variable: "INDEX_EXCLUDE",
            problem: format!(
                "\"{text}\" is not allowed; allowed: cluster names or globs of 1 to 100 letters, \
                 digits, \"-\", \"_\" or \"*\", separated by commas"
            ),
        })
    });
    globs.collect()
}

fn hours(text: &str) -> Result<Duration, SettingsError> {
    let parsed = text
        .parse()
        .ok()
        .filter(|hours| (1..=STALE_AFTER_HOURS_MAX).contains(hours));
    parsed
        .map(Duration::from_hours)
        .ok_or_else(|| SettingsError {
            variable: "INDEX_STALE_AFTER_HOURS",
            problem: format!(
                "\"{text}\" is not allowed; \
             allowed: a whole number of hours from 1 to {STALE_AFTER_HOURS_MAX}"
            ),
        })
}

fn regions(text: &str) -> Result<Vec<String>, SettingsError> {
    let mut regions: Vec<String> = text
        .split(',')
        .map(|region| region.trim().to_owned())
        .collect();
    regions.sort();
    regions.dedup();
    match regions.iter().find(|region| !is_region(region)) {
        None => Ok(regions),
        Some(region) => Err(SettingsError {
            variable: "INDEX_REGIONS",
            problem: format!(
                "\"{region}\" is not allowed; allowed: region names, separated by commas"
            ),
        }),
    }
}

fn max_concurrency(text: &str) -> Result<MaxConcurrency, SettingsError> {
    text.parse()
        .map_err(|invalid: InvalidMaxConcurrency| SettingsError {
            variable: "MAX_CONCURRENCY",
            problem: invalid.to_string(),
        })
}

fn rate_share(text: &str) -> Result<RateShare, SettingsError> {
    text.parse()
        .map_err(|invalid: InvalidRateShare| SettingsError {
            variable: "RATE_SHARE",
            problem: invalid.to_string(),
        })
}

#[cfg(test)]
mod tests;
