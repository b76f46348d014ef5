//! TLS with rustls and ring, and the root certificates that it trusts.
//!
//! Reading the system's certificate store costs several milliseconds of every cold start. In the
//! `aws` partition, the certificates of all endpoints chain to five roots of Amazon Trust Services,
//! which are built in. In other partitions the system's store is read. `AWS_CA_BUNDLE` replaces
//! either.

use std::sync::Arc;

use aws_sdk_dynamodb::config::SharedHttpClient;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::aws::http;
use crate::settings::ClientSettings;

/// From <https://www.amazontrust.com/repository/>, as DER, because parsing PEM takes a sixth of all
/// instructions at start.
const AMAZON_TRUST_SERVICES: [&[u8]; 5] = [
    include_bytes!("amazon-trust-services/AmazonRootCA1.cer"),
    include_bytes!("amazon-trust-services/AmazonRootCA2.cer"),
    include_bytes!("amazon-trust-services/AmazonRootCA3.cer"),
    include_bytes!("amazon-trust-services/AmazonRootCA4.cer"),
    include_bytes!("amazon-trust-services/SFSRootCAG2.cer"),
];

/// Creates the HTTP client.
///
/// # Errors
/// If a root certificate cannot be parsed.
pub fn http_client(settings: &ClientSettings) -> Result<SharedHttpClient, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions()?;
    Ok(http::client(
        config
            .with_root_certificates(trusted_roots(settings)?)
            .with_no_client_auth(),
    ))
}

fn trusted_roots(settings: &ClientSettings) -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    match &settings.ca_bundle {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots
                    .add(certificate.map_err(|error| rustls::Error::General(error.to_string()))?)?;
            }
        }
        None if is_in_aws_partition(&settings.region) => {
            for certificate in AMAZON_TRUST_SERVICES {
                roots.add(certificate.into())?;
            }
        }
        None => add_system_store(&mut roots),
    }
    Ok(roots)
}

/// Adds the system's certificates. One that cannot be parsed is left out, and the others are
/// trusted.
fn add_system_store(roots: &mut RootCertStore) {
    let loaded = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        tracing::warn!(errors = ?loaded.errors, "the system's store has no usable certificate");
    }
}

/// Returns whether the region is in the `aws` partition. Regions of the other partitions (China,
/// GovCloud, isolated and sovereign) start with these prefixes.
/// <https://docs.aws.amazon.com/general/latest/gr/rande.html>
fn is_in_aws_partition(region: &str) -> bool {
    !["cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"]
        .iter()
        .any(|prefix| region.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_roots_equal_the_published_ones() {
        let published = include_bytes!("amazon-trust-services/all.pem");
        let published: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(published).collect();
        assert_eq!(
            published.unwrap(),
            AMAZON_TRUST_SERVICES.map(CertificateDer::from)
        );
    }

    #[test]
    fn the_built_in_roots_can_be_trusted() {
        let mut roots = RootCertStore::empty();
        for certificate in AMAZON_TRUST_SERVICES {
            roots.add(certificate.into()).unwrap();
        }
        assert_eq!(roots.len(), 5);
    }

    #[test]
    fn a_region_prefix_tells_its_partition() {
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
