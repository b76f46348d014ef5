//! What CloudFormation tells of the stack: its outputs and the values of its parameters. For each
//! of them, an environment variable overrides it, so the CLI also works for a stack that was
//! deployed in another way.

use std::collections::BTreeMap;

use strum::VariantArray;

/// The outputs and parameters of a stack that the CLI uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, VariantArray)]
#[expect(clippy::enum_variant_names, reason = "the names of the template")]
pub enum Name {
    Version,
    AssociationIndexTableName,
    RotationLedgerTableName,
    RotationEventBusName,
    PublishEventBusName,
    RotateFunctionArn,
    IndexerFunctionArn,
    PublisherFunctionArn,
    StateMachineArn,
    OnFailureQueueUrl,
    UndeliveredQueueUrl,
    IndexerQueueUrl,
    IndexerDeadLetterQueueUrl,
    /// A parameter, as the rest.
    RotationEventSource,
    RolePath,
    OldRolePath,
    RequesterArns,
    OperatorArns,
    IndexRegions,
    IndexExclude,
    IndexStaleAfterHours,
    AlarmTopicArn,
    RateShare,
}

impl Name {
    /// Returns the name in the template.
    pub fn key(self) -> String {
        format!("{self:?}")
    }

    /// Returns the environment variable that overrides it. Where the functions have such a
    /// variable, it is the same one.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Version => "REROLE_VERSION",
            Self::AssociationIndexTableName => "ASSOCIATION_INDEX_TABLE",
            Self::RotationLedgerTableName => "ROTATION_LEDGER_TABLE",
            Self::RotationEventBusName => "ROTATION_EVENT_BUS_NAME",
            Self::PublishEventBusName => "EVENT_BUS_NAME",
            Self::RotateFunctionArn => "ROTATE_FUNCTION_ARN",
            Self::IndexerFunctionArn => "INDEXER_FUNCTION_ARN",
            Self::PublisherFunctionArn => "PUBLISHER_FUNCTION_ARN",
            Self::StateMachineArn => "STATE_MACHINE_ARN",
            Self::OnFailureQueueUrl => "ON_FAILURE_QUEUE_URL",
            Self::UndeliveredQueueUrl => "UNDELIVERED_QUEUE_URL",
            Self::IndexerQueueUrl => "INDEXER_QUEUE_URL",
            Self::IndexerDeadLetterQueueUrl => "INDEXER_DEAD_LETTER_QUEUE_URL",
            Self::RotationEventSource => "ROTATION_EVENT_SOURCE",
            Self::RolePath => "ROLE_PATH",
            Self::OldRolePath => "OLD_ROLE_PATH",
            Self::RequesterArns => "REQUESTER_ARNS",
            Self::OperatorArns => "OPERATOR_ARNS",
            Self::IndexRegions => "INDEX_REGIONS",
            Self::IndexExclude => "INDEX_EXCLUDE",
            Self::IndexStaleAfterHours => "INDEX_STALE_AFTER_HOURS",
            Self::AlarmTopicArn => "ALARM_TOPIC_ARN",
            Self::RateShare => "RATE_SHARE",
        }
    }
}

/// The values of a stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    described: BTreeMap<String, String>,
    overrides: BTreeMap<Name, String>,
}

impl Outputs {
    /// Creates the values of a stack. `described` are its outputs and parameters by their names.
    pub fn new(
        described: BTreeMap<String, String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let overrides = Name::VARIANTS.iter().filter_map(|&name| {
            let value = environment(name.variable())?;
            (!value.is_empty()).then_some((name, value))
        });
        Self {
            described,
            overrides: overrides.collect(),
        }
    }

    /// Whether CloudFormation has described the stack, so an absent value is its default.
    pub fn are_described(&self) -> bool {
        !self.described.is_empty()
    }

    /// Returns the value, unless it is absent or empty.
    pub fn get(&self, name: Name) -> Option<&str> {
        let described = || self.described.get(&name.key());
        let value = self.overrides.get(&name).or_else(described);
        value.map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns the values of a list, which is empty if it is absent.
    pub fn list(&self, name: Name) -> Vec<&str> {
        let values = self.get(name).unwrap_or_default().split(',');
        values
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect()
    }
}
