//! The functions' settings: read from the environment once, here and nowhere else, and checked before the first event.
//!
//! An error names the variable, so that a broken deployment says at start what is wrong with it.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::arn::{is_region, is_role_path};
use crate::max_concurrency::{InvalidMaxConcurrency, MaxConcurrency};

/// A day between two complete looks, and half of one for a run that takes long.
const STALE_AFTER_DEFAULT: Duration = Duration::from_hours(36);
/// A month.
const STALE_AFTER_HOURS_MAX: u64 = 31 * 24;

/// The variable that tells the functions of the state machine.
const STATE_MACHINE: &str = "CONTINUATION_STATE_MACHINE_ARN";

/// What both functions need to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the `AssociationIndex` table.
    pub association_index_table: String,
    /// Name of the `RotationLedger` table.
    pub rotation_ledger_table: String,
    /// The function's own name, for its metrics.
    pub function_name: String,
    /// The function's own region: the tables are there.
    pub region: String,
    /// In Lambda those of its environment; elsewhere whatever finds profiles, single sign-on and the like, and renews them.
    pub credentials: SharedCredentialsProvider,
    /// Where EKS is, if not at its public endpoints.
    pub eks_endpoint: Option<String>,
    /// Where DynamoDB is, if not at its public endpoint.
    pub dynamodb_endpoint: Option<String>,
    /// Where Step Functions is, if not at its public endpoint.
    pub states_endpoint: Option<String>,
    /// The state machine that goes on with what is longer than an invocation. Without one the next delivery does.
    pub continuation_state_machine_arn: Option<String>,
    /// Certificates, as PEM, to trust instead of the built-in ones. Every one has been read once.
    pub ca_bundle: Option<Vec<u8>>,
    /// Associations in work at the same time, at most; in a rotation, once the first update has succeeded.
    pub max_concurrency: MaxConcurrency,
}

/// What the `rotate` function needs to know.
#[derive(Debug, Clone)]
pub struct RotateSettings {
    pub common: Settings,
    /// New roles must lie under this IAM path.
    pub role_path: String,
}

/// What the `index` function needs to know.
#[derive(Debug, Clone)]
pub struct IndexSettings {
    pub common: Settings,
    /// The regions whose clusters are indexed, each once, in order.
    pub regions: Vec<String>,
    /// A region's index that has not been complete for longer than this is stale.
    pub stale_after: Duration,
}

/// A setting that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting {variable}: {problem}")]
pub struct SettingsError {
    /// The environment variable.
    pub variable: &'static str,
    pub problem: String,
}

/// Looks a variable up in the process's environment. What is no Unicode reads as absent.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl RotateSettings {
    /// Reads variables from `lookup`, which is [`environment`] but in tests.
    ///
    /// # Errors
    /// The first variable that is missing or wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let common = Settings::from_lookup(&lookup)?;
        Ok(Self { common, role_path: role_path(required(&lookup, "ROLE_PATH")?)? })
    }
}

impl IndexSettings {
    /// Reads variables from `lookup`, which is [`environment`] but in tests.
    ///
    /// # Errors
    /// The first variable that is missing or wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let common = Settings::from_lookup(&lookup)?;
        let regions = match optional(&lookup, "INDEX_REGIONS") {
            None => vec![common.region.clone()],
            Some(text) => regions(&text)?,
        };
        let stale_after = optional(&lookup, "INDEX_STALE_AFTER_HOURS").map(|text| hours(&text)).transpose()?;
        Ok(Self { common, regions, stale_after: stale_after.unwrap_or(STALE_AFTER_DEFAULT) })
    }
}

/// An empty variable counts as absent, as in the AWS SDKs: a template can hardly leave one out.
fn optional(lookup: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    lookup(name).filter(|value| !value.is_empty())
}

fn required(lookup: &impl Fn(&str) -> Option<String>, variable: &'static str) -> Result<String, SettingsError> {
    optional(lookup, variable).ok_or_else(|| SettingsError { variable, problem: "is missing or empty".to_owned() })
}

impl Settings {
    /// `RUST_LOG`: read apart from the rest, so that what is wrong with the rest can be logged.
    #[must_use]
    pub fn log_filter() -> Option<String> {
        std::env::var("RUST_LOG").ok()
    }

    /// Reads variables from `lookup`, which is [`environment`] but in tests.
    ///
    /// # Errors
    /// The first variable that is missing or wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let optional = |name: &str| optional(&lookup, name);
        let required = |variable: &'static str| required(&lookup, variable);
        let any_endpoint = optional("AWS_ENDPOINT_URL");
        Ok(Self {
            association_index_table: required("ASSOCIATION_INDEX_TABLE")?,
            rotation_ledger_table: required("ROTATION_LEDGER_TABLE")?,
            // Lambda always sets it.
            function_name: optional("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "rotate".to_owned()),
            region: required("AWS_REGION")?,
            credentials: SharedCredentialsProvider::new(Credentials::new(
                required("AWS_ACCESS_KEY_ID")?,
                required("AWS_SECRET_ACCESS_KEY")?,
                optional("AWS_SESSION_TOKEN"),
                // Lambda gives each sandbox credentials that outlive it.
                None,
                "environment",
            )),
            eks_endpoint: endpoint("AWS_ENDPOINT_URL_EKS", optional("AWS_ENDPOINT_URL_EKS"), any_endpoint.as_ref())?,
            dynamodb_endpoint: endpoint(
                "AWS_ENDPOINT_URL_DYNAMODB",
                optional("AWS_ENDPOINT_URL_DYNAMODB"),
                any_endpoint.as_ref(),
            )?,
            states_endpoint: endpoint("AWS_ENDPOINT_URL_SFN", optional("AWS_ENDPOINT_URL_SFN"), any_endpoint.as_ref())?,
            continuation_state_machine_arn: optional(STATE_MACHINE).map(state_machine_arn).transpose()?,
            ca_bundle: optional("AWS_CA_BUNDLE").map(|path| ca_bundle(&path)).transpose()?,
            max_concurrency: optional("MAX_CONCURRENCY")
                .map_or(Ok(MaxConcurrency::default()), |text| max_concurrency(&text))?,
        })
    }
}

fn role_path(path: String) -> Result<String, SettingsError> {
    if is_role_path(&path) {
        return Ok(path);
    }
    let problem =
        format!("\"{path}\" is not allowed; allowed: an IAM path with a slash at both ends, such as /platform/");
    Err(SettingsError { variable: "ROLE_PATH", problem })
}

/// A version or an alias would be one more part: the machine itself is meant, so that an execution begins on what is deployed.
fn state_machine_arn(arn: String) -> Result<String, SettingsError> {
    let parts: Vec<&str> = arn.split(':').collect();
    if matches!(parts[..], ["arn", _, "states", _, _, "stateMachine", name] if !name.is_empty()) {
        return Ok(arn);
    }
    let problem = format!("\"{arn}\" is not allowed; allowed: the ARN of a state machine");
    Err(SettingsError { variable: STATE_MACHINE, problem })
}

fn hours(text: &str) -> Result<Duration, SettingsError> {
    let parsed = text.parse().ok().filter(|hours| (1..=STALE_AFTER_HOURS_MAX).contains(hours));
    parsed.map(Duration::from_hours).ok_or_else(|| SettingsError {
        variable: "INDEX_STALE_AFTER_HOURS",
        problem: format!(
            "\"{text}\" is not allowed; allowed: a whole number of hours from 1 to {STALE_AFTER_HOURS_MAX}"
        ),
    })
}

fn regions(text: &str) -> Result<Vec<String>, SettingsError> {
    let mut regions: Vec<String> = text.split(',').map(|region| region.trim().to_owned()).collect();
    regions.sort();
    regions.dedup();
    let wrong = regions.iter().find(|region| !is_region(region));
    match wrong {
        None => Ok(regions),
        Some(region) => Err(SettingsError {
            variable: "INDEX_REGIONS",
            problem: format!("\"{region}\" is not allowed; allowed: names of regions, with commas between them"),
        }),
    }
}

fn endpoint(
    variable: &'static str,
    own: Option<String>,
    any: Option<&String>,
) -> Result<Option<String>, SettingsError> {
    let (variable, url) = match (own, any) {
        (Some(url), _) => (variable, url),
        (None, Some(url)) => ("AWS_ENDPOINT_URL", url.clone()),
        (None, None) => return Ok(None),
    };
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    if host.is_none_or(str::is_empty) {
        let problem = format!("\"{url}\" is not allowed; allowed: a URL that starts with http:// or https://");
        return Err(SettingsError { variable, problem });
    }
    Ok(Some(url))
}

fn max_concurrency(text: &str) -> Result<MaxConcurrency, SettingsError> {
    text.parse().map_err(|invalid: InvalidMaxConcurrency| SettingsError {
        variable: "MAX_CONCURRENCY",
        problem: invalid.to_string(),
    })
}

/// Reads the bundle and each certificate in it: the SDK would panic on a malformed one when the first call is made, and
/// trust nobody where there is none.
fn ca_bundle(path: &str) -> Result<Vec<u8>, SettingsError> {
    let broken = |problem: String| SettingsError { variable: "AWS_CA_BUNDLE", problem: format!("{path}: {problem}") };
    let pem = std::fs::read(path).map_err(|error| broken(format!("cannot be read: {error}")))?;
    let mut roots = RootCertStore::empty();
    for (at, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let certificate = certificate.map_err(|error| broken(format!("is no PEM bundle: {error}")))?;
        roots.add(certificate).map_err(|error| broken(format!("certificate {}: {error}", at + 1)))?;
    }
    if roots.is_empty() {
        return Err(broken("holds no certificate".to_owned()));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const GOOD: &[(&str, &str)] = &[
        ("ASSOCIATION_INDEX_TABLE", "index"),
        ("ROTATION_LEDGER_TABLE", "ledger"),
        ("ROLE_PATH", "/platform/"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];

    fn read(changes: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        RotateSettings::from_lookup(lookup(changes)).map(|settings| settings.common)
    }

    fn lookup<'a>(changes: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| {
            let set = |pairs: &[(&str, &str)]| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            set(changes).or_else(|| set(GOOD))
        }
    }

    #[test]
    fn what_is_needed_is_enough() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.max_concurrency, MaxConcurrency::default());
        assert_eq!(settings.eks_endpoint, None);
        assert_eq!(settings.continuation_state_machine_arn, None);
        assert_eq!(settings.ca_bundle, None);
    }

    #[test]
    fn a_services_own_endpoint_goes_before_the_common_one() {
        let settings =
            read(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_ENDPOINT_URL_EKS", "http://127.0.0.1:2")])
                .unwrap();
        assert_eq!(settings.eks_endpoint.as_deref(), Some("http://127.0.0.1:2"));
        assert_eq!(settings.dynamodb_endpoint.as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(settings.states_endpoint.as_deref(), Some("http://127.0.0.1:1"));
        let settings = read(&[("AWS_ENDPOINT_URL_SFN", "http://127.0.0.1:3")]).unwrap();
        assert_eq!(settings.states_endpoint.as_deref(), Some("http://127.0.0.1:3"));
        assert_eq!(settings.eks_endpoint, None);
    }

    #[test]
    fn each_error_names_its_variable() {
        for (name, value, expected) in [
            ("ASSOCIATION_INDEX_TABLE", "", expect!["setting ASSOCIATION_INDEX_TABLE: is missing or empty"]),
            ("ROTATION_LEDGER_TABLE", "", expect!["setting ROTATION_LEDGER_TABLE: is missing or empty"]),
            ("ROLE_PATH", "", expect!["setting ROLE_PATH: is missing or empty"]),
            (
                "ROLE_PATH",
                "platform",
                expect![[
                    r#"setting ROLE_PATH: "platform" is not allowed; allowed: an IAM path with a slash at both ends, such as /platform/"#
                ]],
            ),
            ("AWS_REGION", "", expect!["setting AWS_REGION: is missing or empty"]),
            ("AWS_ACCESS_KEY_ID", "", expect!["setting AWS_ACCESS_KEY_ID: is missing or empty"]),
            ("AWS_SECRET_ACCESS_KEY", "", expect!["setting AWS_SECRET_ACCESS_KEY: is missing or empty"]),
            (
                "AWS_ENDPOINT_URL_EKS",
                "127.0.0.1",
                expect![[
                    r#"setting AWS_ENDPOINT_URL_EKS: "127.0.0.1" is not allowed; allowed: a URL that starts with http:// or https://"#
                ]],
            ),
            (
                "AWS_ENDPOINT_URL",
                "ftp://x",
                expect![[
                    r#"setting AWS_ENDPOINT_URL: "ftp://x" is not allowed; allowed: a URL that starts with http:// or https://"#
                ]],
            ),
            (
                "AWS_ENDPOINT_URL_SFN",
                "localhost:1",
                expect![[
                    r#"setting AWS_ENDPOINT_URL_SFN: "localhost:1" is not allowed; allowed: a URL that starts with http:// or https://"#
                ]],
            ),
            (
                "CONTINUATION_STATE_MACHINE_ARN",
                "arn:aws:states:us-east-1:111122223333:stateMachine:slices:7",
                expect![[
                    r#"setting CONTINUATION_STATE_MACHINE_ARN: "arn:aws:states:us-east-1:111122223333:stateMachine:slices:7" is not allowed; allowed: the ARN of a state machine"#
                ]],
            ),
            (
                "MAX_CONCURRENCY",
                "0",
                expect![[r#"setting MAX_CONCURRENCY: "0" is not allowed; allowed: a whole number from 1 to 128"#]],
            ),
            (
                "MAX_CONCURRENCY",
                "many",
                expect![[r#"setting MAX_CONCURRENCY: "many" is not allowed; allowed: a whole number from 1 to 128"#]],
            ),
            (
                "AWS_CA_BUNDLE",
                "/nowhere.pem",
                expect!["setting AWS_CA_BUNDLE: /nowhere.pem: cannot be read: No such file or directory (os error 2)"],
            ),
        ] {
            assert_error(&[(name, value)], &expected);
        }
    }

    fn assert_error(changes: &[(&str, &str)], expected: &Expect) {
        expected.assert_eq(&read(changes).expect_err(&format!("{changes:?}")).to_string());
    }

    #[test]
    fn a_bundle_is_read_certificate_by_certificate() {
        let roots = include_str!("aws/amazon-trust-services/all.pem");
        let first_line = roots.lines().nth(1).unwrap();
        let folder = std::env::temp_dir().join(format!("rerole-settings-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, pem, problem) in [
            ("good", roots.to_owned(), None),
            ("empty", String::new(), Some("holds no certificate")),
            ("prose", "these are not the certificates".to_owned(), Some("holds no certificate")),
            ("cut", roots[..200].to_owned(), Some("is no PEM bundle")),
            ("garbled", roots.replacen(first_line, "!!!!", 1), Some("is no PEM bundle")),
            (
                "no-certificate",
                "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n".to_owned(),
                Some("certificate 1"),
            ),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, pem).unwrap();
            let result = read(&[("AWS_CA_BUNDLE", path.to_str().unwrap())]);
            match problem {
                None => assert!(result.is_ok(), "{name}: {result:?}"),
                Some(problem) => {
                    let error = result.expect_err(name);
                    assert_eq!(error.variable, "AWS_CA_BUNDLE");
                    assert!(error.problem.contains(problem), "{name}: {error}");
                }
            }
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_index_covers_the_regions_that_are_named_or_its_own() {
        let regions = |text: &str| {
            let settings = IndexSettings::from_lookup(lookup(&[("INDEX_REGIONS", text), ("ROLE_PATH", "")]));
            settings.map(|settings| settings.regions.join(" ")).map_err(|error| error.to_string())
        };
        assert_eq!(regions("").unwrap(), "us-east-1");
        assert_eq!(regions("us-west-2, eu-west-1,us-west-2").unwrap(), "eu-west-1 us-west-2");
        let allowed = "names of regions, with commas between them";
        for (text, wrong) in [("eu-west-1,", ""), ("everywhere!", "everywhere!"), ("eu west", "eu west")] {
            assert_eq!(
                regions(text).unwrap_err(),
                format!("setting INDEX_REGIONS: \"{wrong}\" is not allowed; allowed: {allowed}")
            );
        }
    }

    #[test]
    fn settings_print_without_the_secret() {
        let printed = format!("{:?}", read(&[("AWS_SECRET_ACCESS_KEY", "do-not-print")]).unwrap());
        assert!(!printed.contains("do-not-print"), "{printed}");
    }
}
