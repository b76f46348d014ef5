//! The keys of the items of both tables. Only this file knows their text forms. What the items
//! contain is in `indexing`, `rotation` and `pacer`; how they are stored is in `src/aws/ledger/`
//! and `src/aws/index_table/`.
//!
//! In the ledger, the partition key is the attribute `rotationId` ([`LedgerKey`]), and the sort key
//! is `entry` ([`Entry`]). In the index they are `clusterArn` ([`IndexPartition`]) and
//! `associationId`.

mod rotation;

use std::fmt;

pub use self::rotation::{InvalidRotationKey, RotationKey};
use crate::resource::{AssociationArn, RoleArn};
use crate::timestamp::Timestamp;

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
