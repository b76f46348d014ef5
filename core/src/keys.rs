//! The keys of the items of both tables. Only this file knows their text forms. What the items
//! contain is in `indexing`, `rotation` and `pacer`; how they are stored is in `src/aws/ledger/`
//! and `src/aws/index_table/`.
//!
//! In the ledger, the partition key is the attribute `rotationId` ([`LedgerKey`]), and the sort key
//! is `entry` ([`Entry`]). In the index they are `clusterArn` ([`IndexPartition`]) and
//! `associationId`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::request::{ROTATION_ID_FORM, RotationId, RotationRequest};
use crate::resource::{AssociationArn, RoleArn};
use crate::timestamp::Timestamp;

const DRY_RUN_PREFIX: &str = "dry-run/";
const ROLLBACK_PREFIX: &str = "rollback/";
const ROLE_PREFIX: &str = "role/";
const REJECTED_PREFIX: &str = "rejected/";
const RATES_PREFIX: &str = "rates/";
const CLUSTERS_PREFIX: &str = "clusters/";
/// As a partition key, `stack` could be the ID of a rotation.
const STACK_PARTITION: &str = "stack/state";
const STACK: &str = "stack";
const ASSOCIATION_PREFIX: &str = "association#";
const REVERSION_PREFIX: &str = "reversion#";
const TIMELINE_PREFIX: &str = "timeline#";
const COMMAND_PREFIX: &str = "command#";
const REGION_PREFIX: &str = "region#";
const FROM: &str = "from";
const ONTO: &str = "onto";

/// Identifies one rotation in the ledger. A dry run has a key of its own, so it never blocks the
/// rotation with the same ID. A rollback has the ID of the rotation that it takes back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RotationKey {
    /// `<id>`
    Rotation(RotationId),
    /// `dry-run/<id>`
    DryRun(RotationId),
    /// `rollback/<id>`
    Rollback(RotationId),
    /// `dry-run/rollback/<id>`
    RollbackDryRun(RotationId),
}

/// The partition key of an item of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerKey {
    /// A rotation, its rows and its reversions.
    Rotation(RotationKey),
    /// `role/<roleArn>`: what is known of a role, and the rotations from and onto it.
    Role(RoleArn),
    /// `rejected/<event id>`: an event that cannot run.
    Rejected(String),
    /// `stack/state`: whether the stack is frozen, and the commands about it.
    Stack,
    /// `index`: the index runs, and how old the index is.
    Index,
    /// `rates/<region>`: the learned rates of a region.
    Rates(String),
}

/// The sort key of an item of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// `rotation`: a rotation or a rejection.
    Rotation,
    /// `association#<associationArn>`: a row of a rotation.
    Association(AssociationArn),
    /// `reversion#<associationArn>#<modifiedAt>`: each version is recorded once.
    Reversion(AssociationArn, Timestamp),
    /// `stack`: whether the stack is frozen.
    Stack,
    /// `timeline#<seq>`: a change of a rotation's status or limits, numbered from 1.
    Timeline(u64),
    /// `command#<event id>`: a command and its verdict.
    Command(String),
    /// `role`: what is known of a role.
    Role,
    /// `from#<startedAt>#<ledger key>` or `onto#…`: a rotation from or onto a role.
    RoleRotation(RoleRotation),
    /// `run`: the index run that is active, or was the last.
    Run,
    /// `next`: the index run that waits for the active one.
    Next,
    /// `region#<region>`: since when a region's index is complete.
    Region(String),
    /// `rates`: the learned rates of a region.
    Rates,
}

/// A rotation in which a role is the old or the new role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRotation {
    pub side: Side,
    pub started_at: Timestamp,
    pub key: RotationKey,
}

/// Which role of a rotation a role is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The old role.
    From,
    /// The new role.
    Onto,
}

/// The partition key of an item of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexPartition {
    /// `<clusterArn>`: the associations of a cluster, by their IDs.
    Cluster(String),
    /// `clusters/<region>`: the known clusters of a region, by their ARNs.
    Region(String),
}

/// The entries of one partition that start with the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryPrefix {
    /// All rows of a rotation.
    Associations,
    /// The rows of a rotation in one region.
    AssociationsIn(RowRegion),
    /// All reversions of a rotation.
    Reversions,
    /// All entries of a timeline.
    Timeline,
    /// All commands about a rotation, or about the stack.
    Commands,
    /// The items of all regions.
    Regions,
}

/// A region in which a rotation has rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRegion {
    partition: String,
    region: String,
}

/// The text is not the key of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not allowed; allowed: {form}", form = RotationKey::form())]
pub struct InvalidRotationKey(String);

impl RotationKey {
    /// Returns the key of a requested rotation.
    #[must_use]
    pub fn of(request: &RotationRequest) -> Self {
        let rotation_id = request.rotation_id.clone();
        match (&request.rollback, request.dry_run) {
            (None, false) => Self::Rotation(rotation_id),
            (None, true) => Self::DryRun(rotation_id),
            (Some(_), false) => Self::Rollback(rotation_id),
            (Some(_), true) => Self::RollbackDryRun(rotation_id),
        }
    }

    #[must_use]
    pub fn rotation_id(&self) -> &RotationId {
        match self {
            Self::Rotation(rotation_id)
            | Self::DryRun(rotation_id)
            | Self::Rollback(rotation_id)
            | Self::RollbackDryRun(rotation_id) => rotation_id,
        }
    }

    /// Returns the key of what a dry run tries out, and other keys as they are.
    #[must_use]
    pub fn without_dry_run(&self) -> Self {
        match self {
            Self::DryRun(rotation_id) => Self::Rotation(rotation_id.clone()),
            Self::RollbackDryRun(rotation_id) => Self::Rollback(rotation_id.clone()),
            Self::Rotation(_) | Self::Rollback(_) => self.clone(),
        }
    }

    /// Returns the form of a key, for error messages.
    #[must_use]
    pub fn form() -> String {
        format!(
            "{ROTATION_ID_FORM}, prefixed with \"{ROLLBACK_PREFIX}\" for a rollback, and with \
             \"{DRY_RUN_PREFIX}\" for a dry run"
        )
    }
}

impl FromStr for RotationKey {
    type Err = InvalidRotationKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let dry_run = text.strip_prefix(DRY_RUN_PREFIX);
        let rest = dry_run.unwrap_or(text);
        let rollback = rest.strip_prefix(ROLLBACK_PREFIX);
        let key = match (dry_run, rollback) {
            (None, None) => Self::Rotation,
            (Some(_), None) => Self::DryRun,
            (None, Some(_)) => Self::Rollback,
            (Some(_), Some(_)) => Self::RollbackDryRun,
        };
        let key = RotationId::new(rollback.unwrap_or(rest)).map(key);
        key.ok_or_else(|| InvalidRotationKey(text.to_owned()))
    }
}

impl TryFrom<String> for RotationKey {
    type Error = InvalidRotationKey;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RotationKey> for String {
    fn from(key: RotationKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for RotationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotation(rotation_id) => write!(f, "{rotation_id}"),
            Self::DryRun(rotation_id) => write!(f, "{DRY_RUN_PREFIX}{rotation_id}"),
            Self::Rollback(rotation_id) => write!(f, "{ROLLBACK_PREFIX}{rotation_id}"),
            Self::RollbackDryRun(rotation_id) => {
                write!(f, "{DRY_RUN_PREFIX}{ROLLBACK_PREFIX}{rotation_id}")
            }
        }
    }
}

impl From<RotationKey> for LedgerKey {
    fn from(key: RotationKey) -> Self {
        Self::Rotation(key)
    }
}

impl LedgerKey {
    /// Reads the key of a timeline: that of a rotation, or of the stack. Returns `None` for others.
    #[must_use]
    pub fn of_timeline(text: &str) -> Option<Self> {
        if text == STACK_PARTITION {
            return Some(Self::Stack);
        }
        text.parse().ok().map(Self::Rotation)
    }
}

impl fmt::Display for LedgerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotation(key) => write!(f, "{key}"),
            Self::Role(role) => write!(f, "{ROLE_PREFIX}{role}"),
            Self::Rejected(event_id) => write!(f, "{REJECTED_PREFIX}{event_id}"),
            Self::Stack => f.write_str(STACK_PARTITION),
            Self::Index => f.write_str("index"),
            Self::Rates(region) => write!(f, "{RATES_PREFIX}{region}"),
        }
    }
}

impl RoleRotation {
    /// Reads the entry of a rotation from or onto a role. Returns `None` for other entries.
    #[must_use]
    pub fn parse(entry: &str) -> Option<Self> {
        let (side, rest) = entry.split_once('#')?;
        let side = match side {
            FROM => Side::From,
            ONTO => Side::Onto,
            _ => return None,
        };
        let (started_at, key) = rest.split_once('#')?;
        Some(Self {
            side,
            started_at: started_at.parse().ok()?,
            key: key.parse().ok()?,
        })
    }
}

impl fmt::Display for RoleRotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::From => FROM,
            Side::Onto => ONTO,
        };
        write!(f, "{side}#{}#{}", self.started_at, self.key)
    }
}

impl Entry {
    /// Returns the region of an entry `region#<region>`.
    #[must_use]
    pub fn region(text: &str) -> Option<&str> {
        text.strip_prefix(REGION_PREFIX)
    }

    /// Returns the number of an entry `timeline#<seq>`.
    #[must_use]
    pub fn timeline_seq(text: &str) -> Option<u64> {
        text.strip_prefix(TIMELINE_PREFIX)?.parse().ok()
    }

    /// Returns whether an entry is `association#<associationArn>`.
    #[must_use]
    pub fn is_association(text: &str) -> bool {
        text.starts_with(ASSOCIATION_PREFIX)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotation => f.write_str("rotation"),
            Self::Association(arn) => write!(f, "{ASSOCIATION_PREFIX}{arn}"),
            Self::Reversion(arn, version) => write!(f, "{REVERSION_PREFIX}{arn}#{version}"),
            Self::Stack => f.write_str(STACK),
            // Eight digits sort like the numbers.
            Self::Timeline(seq) => write!(f, "{TIMELINE_PREFIX}{seq:08}"),
            Self::Command(event_id) => write!(f, "{COMMAND_PREFIX}{event_id}"),
            Self::Role => f.write_str("role"),
            Self::RoleRotation(rotation) => write!(f, "{rotation}"),
            Self::Run => f.write_str("run"),
            Self::Next => f.write_str("next"),
            Self::Region(region) => write!(f, "{REGION_PREFIX}{region}"),
            Self::Rates => f.write_str("rates"),
        }
    }
}

impl IndexPartition {
    /// Returns the region of a partition `clusters/<region>`.
    #[must_use]
    pub fn region(text: &str) -> Option<&str> {
        text.strip_prefix(CLUSTERS_PREFIX)
    }
}

impl fmt::Display for IndexPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(cluster_arn) => f.write_str(cluster_arn),
            Self::Region(region) => write!(f, "{CLUSTERS_PREFIX}{region}"),
        }
    }
}

impl RowRegion {
    /// Returns the region of an association's row.
    #[must_use]
    pub fn of(arn: &AssociationArn) -> Self {
        Self {
            partition: arn.partition().to_owned(),
            region: arn.region().to_owned(),
        }
    }

    /// Returns the name of the region, such as `eu-west-1`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.region
    }
}

impl EntryPrefix {
    /// Returns the first text that sorts after all entries with this prefix. Every prefix ends in
    /// `#` or `:`, so its last character has a successor.
    #[must_use]
    pub fn end(&self) -> String {
        let mut text = self.to_string();
        if let Some(last) = text.pop() {
            text.extend(char::from_u32(u32::from(last) + 1));
        }
        text
    }
}

impl fmt::Display for EntryPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Associations => f.write_str(ASSOCIATION_PREFIX),
            Self::AssociationsIn(RowRegion { partition, region }) => {
                write!(f, "{ASSOCIATION_PREFIX}arn:{partition}:eks:{region}:")
            }
            Self::Reversions => f.write_str(REVERSION_PREFIX),
            Self::Timeline => f.write_str(TIMELINE_PREFIX),
            Self::Commands => f.write_str(COMMAND_PREFIX),
            Self::Regions => f.write_str(REGION_PREFIX),
        }
    }
}

#[cfg(test)]
mod tests;
