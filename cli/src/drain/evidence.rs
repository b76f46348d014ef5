//! What the credentials that callers have received say about a role: which pods still have some of
//! it, which have some of the new role, and who else uses it. Plain functions of what was read;
//! what follows for the role is decided in `verdict`.
//!
//! A pod counts as moved once it has received credentials of the new role after those of the old
//! one. It is known by its name: Kubernetes has no two pods of one name in a namespace at the same
//! time, so a pod that was made again under its name stands for the one before it.

mod callers;
mod pods;

pub use callers::{OtherUse, Refused};

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::drain::event::{CallResult, CredentialUse, Pod};
use crate::drain::evidence::callers::{others, refused};
use crate::drain::evidence::pods::{Pods, Received};
use crate::drain::restart;
use crate::rotation::report_rows::Workload;

/// EKS shows a change of an association some seconds before it serves the new role everywhere. This
/// is the margin of the ledger's own times.
const MOVE_MARGIN: Duration = Duration::from_mins(1);

/// What was read of CloudTrail, about the old role and the new ones.
#[derive(Debug, Clone, Default)]
pub struct Sightings {
    pub uses: Vec<CredentialUse>,
    pub regions: Vec<RegionRead>,
    /// Records that cannot be read.
    pub unreadable: u64,
}

/// How far a region was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RegionRead {
    pub region: String,
    /// Records about the roles.
    pub events: u64,
    /// Why it was not read to the end. Null if it was.
    pub gap: Option<String>,
}

/// What the ledger says of the role, to hold the sightings against.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub role_arn: String,
    /// The roles that rotations have moved associations to, the latest first.
    pub new_role_arns: Vec<String>,
    /// What these rotations have moved, by workload: when.
    pub moved: BTreeMap<Workload, Timestamp>,
    /// When they moved the last of them.
    pub last_move: Option<Timestamp>,
    /// The workloads whose associations use the role, according to the index.
    pub using: HashSet<Workload>,
    /// Until when pods of associations that have left the role may have its credentials.
    pub left_until: Option<Timestamp>,
}

/// The time that CloudTrail was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// What CloudTrail shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Evidence {
    /// The beginning of the time that was looked at.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub from: Option<Timestamp>,
    /// The end of that time.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub to: Option<Timestamp>,
    pub new_role_arns: Vec<String>,
    pub regions: Vec<RegionRead>,
    /// Records that cannot be read, so each may be a use.
    pub unreadable: u64,
    /// Pods that have credentials of the old role, or have received some of a new one.
    pub pods_seen: u64,
    /// Those of them whose latest credentials are of a new role.
    pub pods_on_new_role: u64,
    /// The pods with valid credentials of the old role and no later ones of a new role.
    pub holders: Vec<Holder>,
    /// Callers besides pods that have received credentials of the old role.
    pub others: Vec<OtherUse>,
    /// Callers whose last call for credentials of one of the roles was refused.
    pub refused: Vec<Refused>,
    /// Workloads that the rotations have moved.
    pub workloads_moved: u64,
    /// Those of them of which no pod was seen on a new role.
    pub workloads_not_seen: Vec<Workload>,
    /// When the last credentials of the old role that were seen expire, or have expired.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub last_expiry: Option<Timestamp>,
    /// The commands that restart the holders whose associations have left the role, derived from
    /// the names of the pods.
    pub restarts: Vec<String>,
}

/// A pod with credentials of the old role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Holder {
    pub region: String,
    /// Null if the record does not name it, as for the other names of a pod.
    pub cluster: Option<String>,
    pub namespace: Option<String>,
    pub service_account: Option<String>,
    pub pod: Option<String>,
    pub session: Option<String>,
    #[cfg_attr(test, schemars(with = "String"))]
    pub received_at: Timestamp,
    #[cfg_attr(test, schemars(with = "String"))]
    pub expires_at: Timestamp,
    pub because: Because,
}

/// Why a pod has credentials of the old role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Because {
    /// Its association uses the role, according to the index.
    Associated,
    /// It received them before its association left the role.
    ReceivedBefore,
    /// It received them after a rotation had moved its association.
    ReceivedAfter,
    /// The ledger knows of no association of this pod that has left the role.
    Unexplained,
}

impl Evidence {
    /// Draws up what was seen of the role in this time.
    pub fn of(sightings: &Sightings, known: &Known, window: Window) -> Self {
        let uses = distinct(&sightings.uses);
        let pods = Pods::of(&uses, &known.role_arn);
        let holding: Vec<_> = pods.holding(window.to).collect();
        let on_new = pods.on_new_role().count();
        let seen_on_new: HashSet<_> = pods.on_new_role().filter_map(workload).collect();
        let moved = known.moved.keys();
        let not_seen = moved.filter(|it| !seen_on_new.contains(it)).cloned();
        Self {
            from: Some(window.from),
            to: Some(window.to),
            new_role_arns: known.new_role_arns.clone(),
            regions: sightings.regions.clone(),
            unreadable: sightings.unreadable,
            pods_seen: (holding.len() + on_new) as u64,
            pods_on_new_role: on_new as u64,
            restarts: restarts(&holding, known),
            holders: holders(&holding, known),
            others: others(&uses, &known.role_arn),
            refused: refused(&uses),
            workloads_moved: known.moved.len() as u64,
            workloads_not_seen: not_seen.collect(),
            last_expiry: last_expiry(&uses, &known.role_arn),
        }
    }

    /// The regions that were not read to the end, with the reasons.
    pub fn gaps(&self) -> impl Iterator<Item = (&str, &str)> {
        let regions = self.regions.iter();
        regions.filter_map(|it| Some((it.region.as_str(), it.gap.as_deref()?)))
    }
}

/// The workload of a pod, if its record names it.
fn workload(pod: &Pod) -> Option<Workload> {
    Some(Workload {
        region: pod.region.clone(),
        cluster: pod.cluster.clone()?,
        namespace: pod.namespace.clone()?,
        service_account: pod.service_account.clone()?,
    })
}

/// Each once: CloudTrail can deliver a record twice.
fn distinct(uses: &[CredentialUse]) -> Vec<&CredentialUse> {
    let mut seen = HashSet::new();
    let uses = uses.iter().filter(|it| match &it.event_id {
        Some(id) => seen.insert(id.as_str()),
        None => true,
    });
    uses.collect()
}

fn holders(holding: &[(&Pod, Received)], known: &Known) -> Vec<Holder> {
    let holders = holding.iter().map(|(pod, received)| Holder {
        region: pod.region.clone(),
        cluster: pod.cluster.clone(),
        namespace: pod.namespace.clone(),
        service_account: pod.service_account.clone(),
        pod: pod.name.clone(),
        session: pod.session.clone(),
        received_at: received.at,
        expires_at: received.until,
        because: known.why(pod, *received),
    });
    let mut holders: Vec<_> = holders.collect();
    holders.sort_by(|one, other| one.place().cmp(&other.place()));
    holders
}

/// A pod that starts again receives what its association has, so only those are restarted whose
/// associations have left the role.
fn restarts(holding: &[(&Pod, Received)], known: &Known) -> Vec<String> {
    let left = holding.iter().filter(|(pod, received)| {
        matches!(
            known.why(pod, *received),
            Because::ReceivedBefore | Because::ReceivedAfter
        )
    });
    restart::commands(left.map(|(pod, _)| *pod))
}

impl Known {
    /// Why a pod has received credentials of the old role.
    fn why(&self, pod: &Pod, received: Received) -> Because {
        let workload = workload(pod);
        if workload.as_ref().is_some_and(|it| self.using.contains(it)) {
            return Because::Associated;
        }
        let moved_at = match &workload {
            Some(workload) => self.moved.get(workload),
            // It can be a pod of any workload that was moved.
            None => self.last_move.as_ref(),
        };
        match moved_at {
            Some(at) if received.at <= *at + MOVE_MARGIN => Because::ReceivedBefore,
            Some(_) if workload.is_some() => Because::ReceivedAfter,
            // A rotation long ago, an operator or an add-on has moved it, and the ledger has the
            // time only.
            _ if self.left_until.is_some_and(|it| received.until <= it) => Because::ReceivedBefore,
            _ => Because::Unexplained,
        }
    }
}

impl Holder {
    fn place(&self) -> [Option<&str>; 5] {
        [
            Some(&self.region),
            self.cluster.as_deref(),
            self.namespace.as_deref(),
            self.pod.as_deref(),
            self.session.as_deref(),
        ]
    }
}

fn last_expiry(uses: &[&CredentialUse], role: &str) -> Option<Timestamp> {
    let of_role = uses.iter().filter(|it| it.role_arn == role);
    let expiries = of_role.filter_map(|it| match it.result {
        CallResult::ValidUntil(until) => Some(until),
        CallResult::Refused(_) => None,
    });
    expiries.max()
}

#[cfg(test)]
pub mod tests;
