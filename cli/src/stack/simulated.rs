//! A stack whose clients are in process, for tests in virtual time.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::region::Region;
use rerole::aws::Aws;
use rerole::settings::Settings;
use rerole_sim::SimulatedAws;

use crate::stack::{CLI_VERSION, Name, Origin, Outputs, Stack};
use crate::testing::ACCOUNT;

const REGION: &str = "us-east-1";

impl Stack {
    /// A stack with these outputs, and the tables `index` and `ledger`.
    pub fn simulated(aws: &SimulatedAws, outputs: &[(Name, String)]) -> Self {
        let settings = Settings::from_lookup(|name| {
            let value = match name {
                "ASSOCIATION_INDEX_TABLE" => "index",
                "ROTATION_LEDGER_TABLE" => "ledger",
                "AWS_REGION" => REGION,
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "test",
                _ => return None,
            };
            Some(value.to_owned())
        })
        .unwrap();
        let credentials = Credentials::new("test", "test", None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
            .region(Region::from_static(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(aws.http_client())
            .time_source(aws.time_source())
            .build();
        let described = outputs.iter();
        let described = described.map(|(name, value)| (name.key(), value.clone()));
        Self {
            origin: Origin {
                account: ACCOUNT.to_owned(),
                region: REGION.to_owned(),
                stack: "rerole".to_owned(),
                version: Some(CLI_VERSION.to_owned()),
            },
            caller_arn: format!("arn:aws:iam::{ACCOUNT}:user/jane"),
            outputs: Outputs::new(described.collect(), |_| None),
            aws: Aws::new(&settings, aws.http_client(), aws.time_source()),
            sdk,
            chosen: Vec::new(),
            settings,
        }
    }
}
