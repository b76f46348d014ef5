//! Which endpoints the clients call: those of the environment variables, FIPS and dual-stack ones,
//! or the public ones.

use std::net::IpAddr;

use http::Uri;

use crate::settings::SettingsError;

const COMMON: &str = "AWS_ENDPOINT_URL";
const EKS: &str = "AWS_ENDPOINT_URL_EKS";
const DYNAMODB: &str = "AWS_ENDPOINT_URL_DYNAMODB";
const STEP_FUNCTIONS: &str = "AWS_ENDPOINT_URL_SFN";
const EVENT_BRIDGE: &str = "AWS_ENDPOINT_URL_EVENTBRIDGE";
const USE_FIPS: &str = "AWS_USE_FIPS_ENDPOINT";
const USE_DUAL_STACK: &str = "AWS_USE_DUALSTACK_ENDPOINT";
/// Stands for the name of a region in the endpoint of EKS.
const REGION: &str = "{region}";
/// The regions in which EKS has FIPS endpoints. The SDK would make up an endpoint for any other
/// region, and each call would fail. <https://docs.aws.amazon.com/general/latest/gr/eks.html>
const EKS_FIPS_REGIONS: [&str; 6] = [
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// Which endpoints the clients call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The endpoint of EKS, which may contain `{region}`; `None` for the public ones.
    eks: Option<String>,
    /// The endpoint of DynamoDB; `None` for the public one.
    pub dynamodb: Option<String>,
    /// The endpoint of Step Functions; `None` for the public one.
    pub step_functions: Option<String>,
    /// The endpoint of EventBridge; `None` for the public one.
    pub event_bridge: Option<String>,
    /// Whether to call the public endpoints with FIPS 140 validated cryptography on AWS's side.
    pub use_fips: bool,
    /// Whether to call the public endpoints that IPv6 also reaches.
    pub use_dual_stack: bool,
}

impl Endpoints {
    /// Reads the variables with `lookup`, which returns no empty value.
    ///
    /// # Errors
    /// If a variable is invalid: the first such variable.
    pub(super) fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let common = lookup(COMMON);
        let of = |variable: &'static str| {
            // A service's own variable overrides the common one.
            let own = lookup(variable).map(|url| (variable, url));
            let url = own.or_else(|| common.clone().map(|url| (COMMON, url)));
            url.map(|(variable, url)| endpoint(variable, url))
                .transpose()
        };
        let endpoints = Self {
            eks: of(EKS)?,
            dynamodb: of(DYNAMODB)?,
            step_functions: of(STEP_FUNCTIONS)?,
            event_bridge: of(EVENT_BRIDGE)?,
            use_fips: switch(USE_FIPS, lookup(USE_FIPS))?,
            use_dual_stack: switch(USE_DUAL_STACK, lookup(USE_DUAL_STACK))?,
        };
        let mut variables = [COMMON, EKS, DYNAMODB, STEP_FUNCTIONS, EVENT_BRIDGE].into_iter();
        if let Some(given) = variables.find(|name| lookup(name).is_some()) {
            endpoints.check_public(given)?;
        }
        Ok(endpoints)
    }

    /// Checks that neither FIPS nor dual-stack endpoints are required, because `given` names an
    /// endpoint. The SDK has no such form of it, so each call would fail.
    fn check_public(&self, given: &str) -> Result<(), SettingsError> {
        let variable = if self.use_fips {
            USE_FIPS
        } else if self.use_dual_stack {
            USE_DUAL_STACK
        } else {
            return Ok(());
        };
        let problem = format!("true is not allowed together with {given}");
        Err(SettingsError { variable, problem })
    }

    /// Returns the endpoint of EKS in a region; `None` for the public one.
    #[must_use]
    pub fn eks(&self, region: &str) -> Option<String> {
        self.eks.as_ref().map(|url| url.replace(REGION, region))
    }

    /// Replaces the endpoints that are not set with that of the AWS configuration, which only the
    /// CLI reads.
    ///
    /// # Errors
    /// As for the variable `AWS_ENDPOINT_URL`.
    pub fn or(self, configured: Option<&str>) -> Result<Self, SettingsError> {
        let Some(url) = configured else {
            return Ok(self);
        };
        let url = endpoint(COMMON, url.to_owned())?;
        let endpoints = Self {
            eks: self.eks.or_else(|| Some(url.clone())),
            dynamodb: self.dynamodb.or(Some(url)),
            ..self
        };
        endpoints.check_public(COMMON)?;
        Ok(endpoints)
    }

    /// Checks that EKS has the endpoints that are called in these regions.
    ///
    /// # Errors
    /// If FIPS endpoints are required and EKS has none in one of the regions: the first such
    /// region.
    pub fn check_regions(&self, regions: &[String]) -> Result<(), SettingsError> {
        let has_fips = |region: &&String| EKS_FIPS_REGIONS.contains(&region.as_str());
        match regions.iter().find(|region| !has_fips(region)) {
            Some(region) if self.use_fips => Err(SettingsError {
                variable: USE_FIPS,
                problem: format!(
                    "true is not allowed, because EKS has no FIPS endpoint in {region}; it has \
                     them in {}",
                    EKS_FIPS_REGIONS.join(", ")
                ),
            }),
            _ => Ok(()),
        }
    }
}

fn switch(variable: &'static str, text: Option<String>) -> Result<bool, SettingsError> {
    match text.as_deref() {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(text) => Err(SettingsError {
            variable,
            problem: format!("\"{text}\" is not allowed; allowed: true or false"),
        }),
    }
}

/// Checks the URL of an endpoint.
fn endpoint(variable: &'static str, url: String) -> Result<String, SettingsError> {
    // An error must not show a password.
    let shown = match url.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => url.clone(),
    };
    let invalid = |allowed: &str| SettingsError {
        variable,
        problem: format!("\"{shown}\" is not allowed; allowed: {allowed}"),
    };
    // In any region, the URL must have the same form.
    let sample = if variable == EKS {
        url.replace(REGION, "us-east-1")
    } else {
        url.clone()
    };
    let form = if variable == EKS {
        "a URL that starts with http:// or https://, and may contain {region}"
    } else {
        "a URL that starts with http:// or https://"
    };
    let uri: Uri = sample.parse().map_err(|_| invalid(form))?;
    let has_user = |uri: &Uri| uri.authority().is_none_or(|at| at.as_str().contains('@'));
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), None | Some("")) => Err(invalid(form)),
        (Some("http" | "https"), Some(_)) if has_user(&uri) => {
            Err(invalid("a URL without a user name"))
        }
        (Some("http"), Some(host)) if !is_private(host) => Err(invalid(
            "https://, or http:// with a loopback or private address, or with a name that only a \
             private network resolves: one without a dot, or under .internal, .local, .localhost \
             or .test",
        )),
        (Some("http" | "https"), Some(_)) => Ok(url),
        _ => Err(invalid(form)),
    }
}

/// Returns whether only this machine or a private network reaches the host. Over the internet,
/// `http://` would show every request and its credentials.
fn is_private(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = address.parse::<IpAddr>() {
        return match address {
            IpAddr::V4(address) => address.is_loopback() || address.is_private(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
        };
    }
    let name = host.to_ascii_lowercase();
    // Without a letter, it is an IP address in another form, such as 0x7f000001 or 2130706433.
    let is_name = name
        .split('.')
        .any(|label| label.starts_with(|c: char| c.is_ascii_alphabetic()));
    let suffixes = [".internal", ".local", ".localhost", ".test"];
    is_name && (!name.contains('.') || suffixes.iter().any(|suffix| name.ends_with(suffix)))
}

#[cfg(test)]
mod tests;
