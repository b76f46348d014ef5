//! The HTTP client that ships: one TLS stack (rustls with ring), and a choice of whom it trusts.
//!
//! Reading the system's whole certificate store costs several milliseconds of every cold start. In the `aws` partition
//! all endpoints are signed under five roots of Amazon Trust Services, which are built in; elsewhere the system's store
//! is read, and `AWS_CA_BUNDLE` replaces either.

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, HttpClientError};

use crate::settings::Settings;

/// Amazon Root CA 1 to 4 and Starfield Services Root G2, from <https://www.amazontrust.com/repository/>.
const AMAZON_TRUST_SERVICES: &[u8] = include_bytes!("amazon-trust-services.pem");

/// Makes the HTTP client. Plain `http://` endpoints work with it, too.
///
/// # Errors
/// Where the TLS stack cannot be set up.
pub fn http_client(settings: &Settings) -> Result<SharedHttpClient, HttpClientError> {
    let context = TlsContext::builder().with_trust_store(trust_store(settings)).build()?;
    Ok(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https())
}

fn trust_store(settings: &Settings) -> TrustStore {
    match &settings.ca_bundle {
        Some(pem) => TrustStore::empty().with_pem_certificate(pem.clone()),
        None if is_in_aws_partition(&settings.region) => {
            TrustStore::empty().with_pem_certificate(AMAZON_TRUST_SERVICES)
        }
        None => TrustStore::empty().with_native_roots(true),
    }
}

/// Regions of the other partitions (China, GovCloud, the isolated and the sovereign ones) begin with these.
/// <https://docs.aws.amazon.com/general/latest/gr/rande.html>
fn is_in_aws_partition(region: &str) -> bool {
    !["cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"].iter().any(|prefix| region.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn the_built_in_roots_are_five_readable_certificates() {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(AMAZON_TRUST_SERVICES) {
            roots.add(certificate.unwrap()).unwrap();
        }
        assert_eq!(roots.len(), 5);
    }

    #[test]
    fn regions_fall_into_partitions() {
        for (region, expected) in [
            ("us-east-1", true),
            ("eu-central-2", true),
            ("ap-southeast-7", true),
            ("cn-north-1", false),
            ("us-gov-west-1", false),
            ("us-iso-east-1", false),
            ("us-isob-east-1", false),
            ("eu-isoe-west-1", false),
            ("eusc-de-east-1", false),
        ] {
            assert_eq!(is_in_aws_partition(region), expected, "{region}");
        }
    }
}
