//! What the clients of all services need: region, credentials, endpoints and certificates.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::settings::{Endpoints, SettingsError, optional, required};

/// What the clients of a function need, and its name.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The name of the function, which its metrics have as a dimension.
    pub function_name: String,
    /// The region of the function, of the tables and of the event bus.
    pub region: String,
    /// In Lambda, the credentials from the environment. The CLI replaces them with a provider that
    /// also reads profiles and single sign-on sessions, and that renews credentials.
    pub credentials: SharedCredentialsProvider,
    /// Which endpoints the clients call.
    pub endpoints: Endpoints,
    /// Certificates to trust instead of the built-in ones, as PEM. Each has been parsed once.
    pub ca_bundle: Option<Vec<u8>>,
}

impl ClientSettings {
    /// Reads the variables with `lookup`.
    ///
    /// # Errors
    /// If a variable is missing or invalid: the first such variable.
    pub(super) fn from_lookup(
        lookup: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let optional = |name: &str| optional(lookup, name);
        let required = |variable: &'static str| required(lookup, variable);
        Ok(Self {
            // Lambda always sets it. The fallback serves the CLI and tests.
            function_name: optional("AWS_LAMBDA_FUNCTION_NAME")
                .unwrap_or_else(|| "rotate".to_owned()),
            region: required("AWS_REGION")?,
            credentials: SharedCredentialsProvider::new(Credentials::new(
                required("AWS_ACCESS_KEY_ID")?,
                required("AWS_SECRET_ACCESS_KEY")?,
                optional("AWS_SESSION_TOKEN"),
                // Lambda's credentials outlive the execution environment that has them.
                None,
                "environment",
            )),
            endpoints: Endpoints::from_lookup(optional)?,
            ca_bundle: optional("AWS_CA_BUNDLE")
                .map(|path| ca_bundle(&path))
                .transpose()?,
        })
    }
}

/// Reads the bundle and parses each certificate in it. The SDK would panic on a malformed one at
/// the first call, and would trust no server if the bundle had none.
fn ca_bundle(path: &str) -> Result<Vec<u8>, SettingsError> {
    let invalid = |problem: String| SettingsError {
        variable: "AWS_CA_BUNDLE",
        problem: format!("{path}: {problem}"),
    };
    let pem = std::fs::read(path).map_err(|error| invalid(format!("cannot be read: {error}")))?;
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let certificate =
            certificate.map_err(|error| invalid(format!("is not a PEM bundle: {error}")))?;
        roots
            .add(certificate)
            .map_err(|error| invalid(format!("certificate {}: {error}", index + 1)))?;
    }
    if roots.is_empty() {
        return Err(invalid("contains no certificate".to_owned()));
    }
    Ok(pem)
}
