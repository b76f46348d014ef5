//! Whether a role that associations have left is free, with evidence: what `rerole drain` finds
//! out, and `who` and `report` show of it. This file reads; what follows is decided in `evidence`
//! and
//! `verdict`, which read nothing, and written in `text`.

#[cfg_attr(
    not(feature = "evidence"),
    expect(dead_code, reason = "only what `lookup` finds is read")
)]
pub mod event;
pub mod evidence;
pub mod facts;
#[cfg(feature = "evidence")]
mod iam;
#[cfg(feature = "evidence")]
mod lookup;
mod moves;
#[cfg(not(feature = "evidence"))]
mod no_iam;
#[cfg(not(feature = "evidence"))]
mod no_lookup;
pub mod proof;
pub mod restart;
pub mod section;
pub mod text;
pub mod verdict;

use std::collections::BTreeSet;
use std::time::Duration;

use rerole_core::resource::RoleArn;
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

#[cfg(not(feature = "evidence"))]
use self::{no_iam as iam, no_lookup as lookup};
use crate::drain::evidence::{Evidence, Window};
use crate::drain::facts::RoleFacts;
use crate::drain::moves::Moves;
use crate::drain::proof::Proof;
use crate::drain::verdict::{Facts, LATENESS, Verdict};
use crate::failure::Failure;
use crate::rotation::report_rows::Workload;
use crate::stack::Stack;
use crate::users::User;
use crate::verbs::who::verdict::Verdict as Known;
use crate::verbs::who::view::Who;

/// Credentials of pods are valid for six hours, whatever the role allows.
const POD_SESSION: Duration = Duration::from_hours(6);
/// The longest session that IAM lets a role allow.
const SESSION_MAX: Duration = Duration::from_hours(12);

/// Whether a role is free, and what shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Drain {
    pub role_arn: String,
    pub verdict: Verdict,
    /// When the role is expected to be free. Null unless the verdict is about that.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub free_after: Option<Timestamp>,
    /// Why the verdict is this one.
    pub grounds: Vec<String>,
    /// What cannot be known.
    pub limits: Vec<String>,
    /// What CloudTrail shows.
    pub evidence: Evidence,
    /// What IAM shows.
    pub role: RoleFacts,
    /// How to prove that nothing uses the role. Null if the role is in use, or in
    /// another account.
    pub proof: Option<Proof>,
}

impl Drain {
    /// Reads what CloudTrail and IAM show of a role, beside what index and ledger know.
    ///
    /// # Errors
    /// If the ledger cannot be read, or it is interrupted.
    pub async fn read(stack: &Stack, role: &RoleArn, who: &Who) -> Result<Self, Failure> {
        let now = stack.aws.now();
        let mut moves = Moves::read(stack, role, now - SESSION_MAX - LATENESS).await?;
        moves.known.left_until = who.until;
        moves.known.using = who.users.iter().map(workload).collect();
        let regions = regions(stack, &moves, who);
        let mut roles = vec![role.to_string()];
        roles.extend(moves.known.new_role_arns.iter().cloned());
        let users = who.users.iter();
        let mut targets = moves.target_roles;
        targets.extend(users.filter_map(|it| it.target_role_arn.clone()));
        let targets: Vec<_> = targets.into_iter().filter(|it| *it != roles[0]).collect();
        let reads = async {
            let facts = iam::read(stack, role, &targets).await;
            let window = Window {
                from: now - longest_session(&facts) - LATENESS,
                to: now,
            };
            let sightings = lookup::look_up(stack, (&roles, &regions), window).await;
            (sightings, facts, window)
        };
        // Once a command has listened for Ctrl-C, it no longer ends the process by itself.
        let (sightings, facts, window) = tokio::select! {
            read = reads => read,
            _ = tokio::signal::ctrl_c() => return Err(Failure::Interrupted),
        };
        let evidence = Evidence::of(&sightings, &moves.known, window);
        let mut drain = Self::judged(who, (evidence, facts), now);
        // The policy would break what is in use. A role that nothing has named may be misspelt, and
        // then another one has its name.
        let is_known = who.verdict != Known::Unknown && drain.role.exists == Some(true);
        if drain.verdict != Verdict::InUse && is_known {
            drain.proof = Proof::of(stack, role);
        }
        Ok(drain)
    }

    fn judged(who: &Who, (evidence, role): (Evidence, RoleFacts), now: Timestamp) -> Self {
        let facts = Facts {
            known: who.verdict,
            known_grounds: &who.grounds,
            left_until: who.until,
            evidence: &evidence,
            role: &role,
        };
        let judgement = facts.judge(now);
        Self {
            role_arn: who.role_arn.clone(),
            verdict: judgement.verdict,
            free_after: judgement.free_after,
            grounds: judgement.grounds,
            limits: facts
                .limits()
                .into_iter()
                .chain(who.limits_of_index())
                .collect(),
            evidence,
            role,
            proof: None,
        }
    }
}

/// How long credentials of the role can be valid: what was received before has expired.
fn longest_session(role: &RoleFacts) -> Duration {
    let allowed = role.session_max_secs.map(Duration::from_secs);
    allowed.unwrap_or_default().clamp(POD_SESSION, SESSION_MAX)
}

/// The regions of the index, and those in which associations have used the role.
fn regions(stack: &Stack, moves: &Moves, who: &Who) -> Vec<String> {
    let mut regions: BTreeSet<_> = stack.index_regions().into_iter().collect();
    regions.extend(moves.regions.iter().cloned());
    regions.extend(who.users.iter().map(|it| it.region.clone()));
    regions.into_iter().collect()
}

fn workload(user: &User) -> Workload {
    Workload {
        region: user.region.clone(),
        cluster: user.cluster.clone(),
        namespace: user.namespace.clone(),
        service_account: user.service_account.clone(),
    }
}
