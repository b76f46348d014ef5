//! A history as data: what is in AWS at first, what people and the stack's schedules do and when,
//! and which calls fail or kill the function that makes them. It can be printed, stored as a
//! regression, and shortened by dropping parts. `generate` draws one from a seed, and `run` plays
//! it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything that happens in a history, apart from what rerole does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct History {
    /// Seeds the latencies, IDs and jitter.
    pub seed: u64,
    #[serde(default)]
    pub quirks: Vec<Quirk>,
    /// What is in EKS at first, and unless it is [`Quirk::EmptyIndex`], in the index.
    #[serde(default)]
    pub associations: Vec<NewAssociation>,
    pub steps: Vec<Step>,
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// How AWS differs from a calm and immediately consistent one. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Quirk {
    Throttle {
        rate_per_sec: f64,
        burst: f64,
    },
    BucketPerOperation,
    BareThrottle,
    DescribeLag(u64),
    ListLag(u64),
    /// The lag of a secondary index.
    IndexLag {
        index: String,
        millis: u64,
    },
    /// The longest latency of a call.
    Latency(u64),
    /// The longest time until an event of CloudTrail arrives. It also decides the order.
    EventDelay(u64),
    /// The share of CloudTrail events that never arrive.
    LostEvents(f64),
    /// The share of CloudTrail events that arrive twice.
    RepeatedEvents(f64),
    TransactionConflicts(f64),
    DynamoDbThrottles(f64),
    Unprocessed(f64),
    ReplayRefusals,
    RejectSameRole,
    /// The timeout of a function, if it is not Lambda's longest.
    Timeout {
        function: Function,
        secs: u64,
    },
    /// The index has nothing and no region is complete.
    EmptyIndex,
}

/// A role under the stack's path, by its number.
pub type Role = usize;
/// A cluster, by its number.
pub type Cluster = usize;
/// An association, by its number in the order of `associations` and of [`Action::Create`].
pub type AssociationNumber = usize;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAssociation {
    pub cluster: Cluster,
    pub role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_role: Option<Role>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub owned_by_addon: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Milliseconds since the start.
    pub at: u64,
    pub action: Action,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// EventBridge delivers a request. The same request later is another delivery of it.
    Request(Request),
    /// EventBridge delivers a command.
    Command(Command),
    SetRole(AssociationNumber, Role),
    SetTargetRole(AssociationNumber, Option<Role>),
    Delete(AssociationNumber),
    Create(NewAssociation),
    /// Deletes the association, and creates one for its service account on this role.
    Recreate(AssociationNumber, Role),
    DeleteCluster(Cluster),
    CreateCluster(Cluster),
    /// An add-on becomes the owner.
    Adopt(AssociationNumber),
    /// The add-on moves its association, which no event about the association shows.
    MoveByAddon(AssociationNumber, Role),
    /// EKS finds the role unusable for this long.
    BreakRole {
        role: Role,
        millis: u64,
    },
    /// Calls about the cluster are denied for this long.
    Deny {
        cluster: Cluster,
        millis: u64,
    },
    /// A schedule or an operator starts an index run.
    Reconcile(Mode),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    ListOnly,
    Full,
}

/// A request, as the members of `detail` have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    pub id: u32,
    pub from: Role,
    pub to: Role,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// The lists of the scope by their names, if it is not everything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scope: BTreeMap<String, Vec<String>>,
    pub max_errors: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// Why, as the sender claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A command, as the members of `detail` have it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Command {
    pub name: String,
    /// The ID of the rotation, unless the command is about the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// It is about the dry run with this ID.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// It is about the rollback of the rotation with this ID.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_rollback: bool,
    /// The members of `Rollback`.
    #[serde(default)]
    pub rollback: Rollback,
    /// The new limits of `Change`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_errors: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// Why, as the sender claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_seq: Option<u64>,
    /// How old the event is when it is delivered.
    #[serde(default)]
    pub age_secs: u64,
    /// EventBridge delivers it a second time, this many milliseconds later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_after: Option<u64>,
}

/// How a rotation is to be taken back, as the members of `detail` have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rollback {
    pub dry_run: bool,
    pub include_changed: bool,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Fault {
    /// One call of a function fails.
    Call { at: CallOf, effect: Effect },
    /// Calls of the functions to a service fail for some time.
    Outage {
        from: u64,
        until: u64,
        service: ServiceName,
        /// A region of EKS, if not all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<String>,
        effect: Effect,
    },
    /// EKS admits fewer calls for some time.
    Dip {
        from: u64,
        until: u64,
        rate_per_sec: f64,
    },
    /// The invocation that makes a call ends at it, without a trace.
    Death { at: CallOf, side: Side },
    /// The invocation that makes a call stands still at it, and then goes on.
    Freeze { at: CallOf, side: Side, secs: u64 },
}

/// A call of a function: the `nth` of this operation in the history, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallOf {
    pub function: Function,
    pub operation: String,
    pub nth: usize,
}

/// Whether something happens before or after the call takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    Before,
    After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Function {
    Rotate,
    Indexer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServiceName {
    Eks,
    DynamoDb,
    StepFunctions,
}

/// What happens to a call. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    LoseRequest,
    LoseResponse,
    /// The connection breaks, and the request arrives later.
    ArriveLate(u64),
    Delay(u64),
    DelayResponse(u64),
    Throttle,
    ServerError,
    /// A transaction on the same item is ongoing.
    Conflict,
}

impl Function {
    /// The name of the function's resource in the template.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Rotate => "RotateFunction",
            Self::Indexer => "IndexerFunction",
        }
    }
}

/// How long faults go on after the last step, so that they hit what it has started.
const AFTER_LAST_STEP_MS: u64 = 60_000;

/// The time in milliseconds at which all faults are over.
pub fn end_of(history: &History) -> u64 {
    let steps = history.steps.iter().map(|step| match step.action {
        Action::BreakRole { millis, .. } | Action::Deny { millis, .. } => step.at + millis,
        _ => step.at + AFTER_LAST_STEP_MS,
    });
    let faults = history.faults.iter().filter_map(|fault| match fault {
        Fault::Outage { until, .. } | Fault::Dip { until, .. } => Some(*until),
        Fault::Call { .. } | Fault::Death { .. } | Fault::Freeze { .. } => None,
    });
    steps.chain(faults).max().unwrap_or(0)
}
