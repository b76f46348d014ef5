//! The deployed stack as the CLI sees it: where it is, who calls it, its outputs, and clients for
//! its services. Credentials are in `credentials`, outputs in `outputs`, and why there is no stack
//! in `error`.

mod credentials;
pub mod error;
pub mod flags;
mod outputs;
#[cfg(test)]
mod simulated;

pub use outputs::{Name, Outputs};

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksError;
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use rerole::aws::Aws;
use rerole::aws::call_error::call_error;
use rerole::aws::http::http_client;
use rerole::settings::{Settings, environment};
use rerole_core::call::{CallError, Operation};
use rerole_core::indexing::{Coverage, ItemRules};
use rerole_core::resource::{OwnAccount, RoleArn};
use serde::Serialize;
use strum::VariantArray;

use crate::failure::Failure;
use crate::invalid_flag::{Flag, InvalidFlag};
use crate::stack::error::StackError;
use crate::stack::flags::StackFlags;

/// The name of the stack in `samconfig.toml`, and without `--stack`.
const DEFAULT_STACK: &str = "rerole";
/// The version of this CLI.
pub const CLI_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where an answer comes from: the first line of each screen, and a member of each JSON answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Origin {
    pub account: String,
    pub region: String,
    pub stack: String,
    /// The version of the deployed stack. Null if the stack does not say.
    pub version: Option<String>,
}

/// A deployed stack.
#[derive(Debug)]
pub struct Stack {
    pub origin: Origin,
    /// The ARN of the caller, from `sts:GetCallerIdentity`.
    pub caller_arn: String,
    pub outputs: Outputs,
    /// The tables and EKS, with the clients that ship.
    pub aws: Aws,
    /// What the clients of the other services are made from.
    pub sdk: SdkConfig,
    /// The flags that chose account and region, with their values. A command to paste has them.
    pub chosen: Vec<(&'static str, String)>,
    settings: Settings,
}

impl Stack {
    /// Finds the stack, with three calls: to STS and CloudFormation, and for credentials.
    ///
    /// # Errors
    /// If there are no credentials, no such stack, or not the outputs that every command needs.
    pub async fn find(flags: &StackFlags) -> Result<Self, Failure> {
        let placeholder = |_: &str| Some("placeholder".to_owned());
        // `Settings` requires tables, region and credentials, which are found below.
        let mut settings = Settings::from_lookup(|name| match name {
            "ASSOCIATION_INDEX_TABLE"
            | "ROTATION_LEDGER_TABLE"
            | "AWS_REGION"
            | "AWS_ACCESS_KEY_ID"
            | "AWS_SECRET_ACCESS_KEY" => placeholder(name),
            // It is the maximum of a function. The CLI has a flag.
            "MAX_CONCURRENCY" | "STATE_MACHINE_ARN" => None,
            other => environment(other),
        })
        .map_err(StackError::from)?;
        let http_client = http_client(&settings.clients)
            .map_err(|error| StackError::HttpClient(error.to_string()))?;
        let sdk = credentials::load(flags, http_client.clone()).await?;
        let region = sdk.region().ok_or(StackError::NoRegion)?.to_string();
        let (identity, described) = tokio::join!(caller(&sdk), describe(&sdk, &flags.stack));
        let Caller { account, arn } = identity?;
        let described = described?;
        let outputs = Outputs::new(described.clone().unwrap_or_default(), environment);
        if described.is_none() && !outputs.name_tables() {
            return Err(StackError::NoStack {
                name: flags.stack.clone(),
                account,
                region,
            }
            .into());
        }
        let origin = Origin {
            account,
            region,
            stack: flags.stack.clone(),
            version: outputs.get(Name::Version).map(str::to_owned),
        };
        settings.association_index_table =
            required(&origin, &outputs, Name::AssociationIndexTableName)?;
        settings.rotation_ledger_table =
            required(&origin, &outputs, Name::RotationLedgerTableName)?;
        let aws = clients(&mut settings, &sdk, http_client)?;
        Ok(Self {
            origin,
            caller_arn: arn,
            outputs,
            aws,
            sdk,
            chosen: flags.chosen(),
            settings,
        })
    }

    /// Returns an output that the command cannot do without.
    ///
    /// # Errors
    /// If the stack does not have it, and the environment does not either.
    pub fn output(&self, name: Name) -> Result<String, StackError> {
        required(&self.origin, &self.outputs, name)
    }

    /// Parses a role: an ARN, or the path and name of a role of the stack's account.
    ///
    /// # Errors
    /// If the text is neither.
    pub fn role(&self, Flag(flag): Flag, text: &str) -> Result<RoleArn, InvalidFlag> {
        let arn = if text.starts_with("arn:") {
            text.to_owned()
        } else {
            let name = text.trim_start_matches('/');
            let (partition, account) = (self.partition(), &self.origin.account);
            format!("arn:{partition}:iam::{account}:role/{name}")
        };
        arn.parse().map_err(|_| {
            let allowed = "the ARN of an IAM role, or its path and name, such as platform/app-2026";
            InvalidFlag::new(flag, text, allowed.to_owned())
        })
    }

    /// Returns a command to paste, with the flags without which it would be about another stack.
    pub fn pasted(&self, command: &str) -> String {
        let name = ("--stack", self.origin.stack.as_str());
        let name = (self.origin.stack != DEFAULT_STACK).then_some(name);
        let chosen = self.chosen.iter();
        let chosen = chosen.map(|(flag, value)| (*flag, value.as_str()));
        with_flags(command, name.into_iter().chain(chosen))
    }

    /// Returns a command of the AWS CLI to paste, with the region of the stack.
    pub fn pasted_to_aws(&self, command: &str) -> String {
        let region = ("--region", self.origin.region.as_str());
        let profile = self.chosen.iter().find(|(flag, _)| *flag == "--profile");
        let profile = profile.map(|(flag, value)| (*flag, value.as_str()));
        with_flags(command, [region].into_iter().chain(profile))
    }

    /// Returns the partition of the stack's region, such as `aws`.
    pub fn partition(&self) -> &'static str {
        match self.origin.region.as_str() {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    /// Returns the regions whose clusters the stack indexes, sorted.
    pub fn index_regions(&self) -> Vec<String> {
        let mut regions = self.outputs.list(Name::IndexRegions);
        if regions.is_empty() {
            regions.push(&self.origin.region);
        }
        regions.sort_unstable();
        regions.dedup();
        regions.into_iter().map(str::to_owned).collect()
    }

    /// Returns what the index of the stack covers.
    ///
    /// # Errors
    /// If a parameter of the stack, or a variable in its place, is invalid.
    pub fn index_coverage(&self) -> Result<Coverage, StackError> {
        let lookup = |variable: &str| {
            let name = Name::VARIANTS
                .iter()
                .find(|name| name.variable() == variable)?;
            self.outputs.get(*name).map(str::to_owned)
        };
        Ok(rerole::settings::coverage(&lookup, &self.origin.region)?)
    }

    /// Returns what items of the index are held against.
    pub fn item_rules(&self) -> ItemRules<'_> {
        ItemRules {
            own_account: None,
            regions: None,
            now: self.aws.now(),
        }
    }

    /// Checks that EKS has the endpoints that are called in these regions.
    ///
    /// # Errors
    /// If it has not: the first such region.
    pub fn check_regions(&self, regions: &[String]) -> Result<(), StackError> {
        Ok(self.settings.clients.endpoints.check_regions(regions)?)
    }

    /// Returns the account as the functions know it.
    pub fn own_account(&self) -> Option<OwnAccount> {
        OwnAccount::of_function(self.outputs.get(Name::RotateFunctionArn)?)
    }
}

impl Outputs {
    fn name_tables(&self) -> bool {
        let tables = [
            Name::AssociationIndexTableName,
            Name::RotationLedgerTableName,
        ];
        tables.into_iter().all(|table| self.get(table).is_some())
    }
}

/// The caller of AWS.
struct Caller {
    account: String,
    arn: String,
}

async fn caller(sdk: &SdkConfig) -> Result<Caller, CallError> {
    let operation = Operation::on("find out", &"who is calling (sts:GetCallerIdentity)");
    let identity = aws_sdk_sts::Client::new(sdk)
        .get_caller_identity()
        .send()
        .await;
    let identity = identity.map_err(|error| call_error(operation, &error))?;
    Ok(Caller {
        account: identity.account.unwrap_or_default(),
        arn: identity.arn.unwrap_or_default(),
    })
}

/// Returns the outputs and parameters of a stack by their names, or `None` if there is no such
/// stack.
async fn describe(
    sdk: &SdkConfig,
    name: &str,
) -> Result<Option<BTreeMap<String, String>>, CallError> {
    let operation = Operation::on("describe stack", &name);
    let client = aws_sdk_cloudformation::Client::new(sdk);
    let described = client.describe_stacks().stack_name(name).send().await;
    let described = match described {
        Ok(described) => described,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(call_error(operation, &error)),
    };
    let stack = described.stacks.unwrap_or_default().into_iter().next();
    Ok(stack.map(|stack| {
        let parameters = stack.parameters.unwrap_or_default().into_iter();
        let parameters = parameters.map(|it| (it.parameter_key, it.parameter_value));
        let outputs = stack.outputs.unwrap_or_default().into_iter();
        let outputs = outputs.map(|it| (it.output_key, it.output_value));
        // An output may have the name of a parameter. It says what came of it.
        let values = parameters.chain(outputs);
        values
            .filter_map(|(key, value)| Some((key?, value?)))
            .collect()
    }))
}

/// CloudFormation has no error code of its own for a stack that does not exist.
fn is_missing(error: &SdkError<DescribeStacksError, HttpResponse>) -> bool {
    let error = error.as_service_error().map(DescribeStacksError::meta);
    error.is_some_and(|error| {
        let message = error.message().unwrap_or_default();
        error.code() == Some("ValidationError") && message.contains("does not exist")
    })
}

fn required(origin: &Origin, outputs: &Outputs, name: Name) -> Result<String, StackError> {
    let value = outputs.get(name).map(str::to_owned);
    value.ok_or_else(|| StackError::NoOutput {
        stack: origin.stack.clone(),
        output: name.key(),
        variable: name.variable(),
    })
}

/// Creates the clients that ship, with the credentials of the operator.
fn clients(
    settings: &mut Settings,
    sdk: &SdkConfig,
    http_client: SharedHttpClient,
) -> Result<Aws, StackError> {
    let clients = &mut settings.clients;
    clients.region = sdk.region().ok_or(StackError::NoRegion)?.to_string();
    clients.credentials = sdk
        .credentials_provider()
        .ok_or(StackError::NoCredentials)?;
    clients.endpoints = clients.endpoints.clone().or(sdk.endpoint_url())?;
    let clock = SharedTimeSource::new(SystemTimeSource::new());
    Ok(Aws::new(settings, http_client, clock))
}

/// Appends flags to a command, quoted for a shell.
fn with_flags<'a>(command: &str, flags: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let flags = flags.map(|(flag, value)| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=".contains(c);
        if value.chars().all(is_plain) {
            format!(" {flag} {value}")
        } else {
            format!(" {flag} '{}'", value.replace('\'', "'\\''"))
        }
    });
    format!("{command}{}", flags.collect::<String>())
}
