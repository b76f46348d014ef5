//! Is the role free? What follows from index and ledger, CloudTrail and IAM together, as a plain
//! function. A role is free if the time has passed *and* no use was seen. While the index shows an
//! association on it, it is never called free, and gets no time.

use std::time::Duration;

use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::drain::evidence::{Because, Evidence, Holder};
use crate::drain::facts::RoleFacts;
use crate::exit::Exit;
use crate::verbs::who::verdict::Verdict as Known;
use crate::words;

/// CloudTrail shows an event some minutes after it, five on average, and does not promise a time.
/// Nothing can be said of what is younger than this.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/how-cloudtrail-works.html>
pub const LATENESS: Duration = Duration::from_mins(15);
/// How late IAM can show that a role was used.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_manage_delete.html>
const LAST_USED_LAG: Duration = Duration::from_hours(4);
/// Names that a ground has at most.
const NAMED_MAX: usize = 3;

/// Whether the credentials of a use can still be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasts {
    Yes,
    No,
}

/// Whether a role is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Verdict {
    /// The time has passed in which pods can have its credentials, and no use was seen.
    Free,
    /// Pods have its credentials, or may have some, until a time that is known.
    FreeAfter,
    /// Something uses it that does not end by itself.
    InUse,
    /// What is known is not enough.
    Unknown,
}

/// The verdict on a role, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    /// When the role is free, if the verdict is about that.
    pub free_after: Option<Timestamp>,
    pub grounds: Vec<String>,
}

/// All that the verdict follows from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What index and ledger say.
    pub known: Known,
    pub known_grounds: &'a [String],
    /// Until when pods may have credentials of it, according to the ledger.
    pub left_until: Option<Timestamp>,
    pub evidence: &'a Evidence,
    pub role: &'a RoleFacts,
}

impl Verdict {
    /// Only a free role is nothing to report.
    pub fn exit(self) -> Exit {
        match self {
            Self::Free => Exit::Done,
            Self::FreeAfter | Self::InUse | Self::Unknown => Exit::StillInUse,
        }
    }
}

impl Facts<'_> {
    /// Returns the verdict at `now`, with its grounds.
    pub fn judge(&self, now: Timestamp) -> Judgement {
        let uses = self.uses(now);
        if !uses.is_empty() {
            return Judgement::without_time(Verdict::InUse, uses);
        }
        let gaps = self.gaps(now);
        if !gaps.is_empty() {
            return Judgement::without_time(Verdict::Unknown, gaps);
        }
        let holders = self.evidence.holders.iter();
        let last = holders.map(|it| it.expires_at).chain(self.left_until).max();
        let free_after = last.filter(|it| *it > now);
        let mut grounds = vec![self.left(now)];
        let verdict = if free_after.is_some() {
            grounds.extend(self.held(now));
            Verdict::FreeAfter
        } else if let Some(failed) = self.failed_control() {
            grounds.push(failed);
            Verdict::Unknown
        } else {
            grounds.push("CloudTrail shows no use of it in the time that matters".to_owned());
            Verdict::Free
        };
        grounds.extend(self.last_use(now));
        Judgement {
            verdict,
            free_after,
            grounds,
        }
    }

    /// Why it is in use.
    fn uses(&self, now: Timestamp) -> Vec<String> {
        let mut grounds = Vec::new();
        if self.known == Known::InUse {
            grounds.extend(self.known_grounds.iter().cloned());
        }
        grounds.extend(self.pods(Because::ReceivedAfter, now));
        grounds.extend(self.pods(Because::Unexplained, now));
        for other in self.evidence.others.iter().take(NAMED_MAX) {
            grounds.push(format!(
                "{} has received credentials of it {}, last {}",
                other.name,
                words::count(other.times, "time"),
                words::time(other.last_at).seen_at(now)
            ));
        }
        let more = self.evidence.others.len().saturating_sub(NAMED_MAX) as u64;
        if more > 0 {
            grounds.push(format!("so have {}", words::count(more, "other caller")));
        }
        if self.unexplained_use() == Some(Lasts::Yes) {
            grounds.extend(self.unexplained(now));
        }
        if !grounds.is_empty() {
            grounds.extend(self.held(now));
        }
        grounds
    }

    /// The pods that have credentials for a reason that does not end by itself.
    fn pods(&self, because: Because, now: Timestamp) -> Option<String> {
        let of = |it: &&Holder| it.because == because;
        let holders: Vec<_> = self.evidence.holders.iter().filter(of).collect();
        let last = holders.iter().map(|it| it.received_at).max()?;
        let names: Vec<_> = holders.iter().map(|it| it.name()).collect();
        let why = match because {
            Because::ReceivedAfter => "after their association was moved from it",
            Because::Associated | Because::Unexplained | Because::ReceivedBefore => {
                "and the ledger knows of no association of theirs that has left it"
            }
        };
        Some(format!(
            "{} received credentials of it, last {}, {why}: {}",
            words::count(holders.len() as u64, "pod"),
            words::time(last).seen_at(now),
            words::list(&names, NAMED_MAX)
        ))
    }

    /// Whether IAM shows a use that nothing else explains: after the last known credentials
    /// expired. CloudTrail was asked about as long as a session can last, so what was used before
    /// that has expired.
    fn unexplained_use(&self) -> Option<Lasts> {
        let used_at = self.role.last_used_at?;
        let explained = self.left_until.max(self.evidence.last_expiry);
        let from = self.evidence.from?;
        // Without known credentials, a use in the time that CloudTrail was asked about would show.
        let since = explained.unwrap_or(from);
        (used_at > since).then_some(if used_at > from {
            Lasts::Yes
        } else {
            Lasts::No
        })
    }

    fn unexplained(&self, now: Timestamp) -> Option<String> {
        let used = self.used(now)?;
        Some(format!(
            "IAM shows that it was used {used}, which no credentials explain that rerole knows of"
        ))
    }

    /// Why nothing can be told of its use.
    fn gaps(&self, now: Timestamp) -> Vec<String> {
        let mut grounds = Vec::new();
        if matches!(self.known, Known::CannotBeTold | Known::Unknown) {
            grounds.extend(self.known_grounds.iter().cloned());
        }
        for (region, reason) in self.evidence.gaps() {
            grounds.push(format!(
                "CloudTrail in {region} was not read to the end: {reason}"
            ));
        }
        if self.evidence.from.is_none() {
            grounds.push("CloudTrail was not read".to_owned());
        }
        if self.evidence.unreadable > 0 {
            grounds.push(format!(
                "{} of CloudTrail cannot be read, and may be a use",
                words::count(self.evidence.unreadable, "record")
            ));
        }
        if self.unexplained_use() == Some(Lasts::No) {
            grounds.extend(self.unexplained(now));
            grounds.push("those credentials have expired, and may be received again".to_owned());
        }
        grounds
    }

    /// That CloudTrail shows no pod at all, although workloads have moved. A pod that runs receives
    /// credentials every few hours, so perhaps its events are not seen at all.
    fn failed_control(&self) -> Option<String> {
        let Evidence {
            workloads_moved,
            pods_seen,
            ..
        } = self.evidence;
        (*workloads_moved > 0 && *pods_seen == 0).then(|| {
            format!(
                "CloudTrail shows no pod of {} on either role, so it may not show pods at all, \
                 unless none of them runs",
                words::count(*workloads_moved, "moved workload")
            )
        })
    }

    /// What the ledger says of the time.
    fn left(&self, now: Timestamp) -> String {
        match self.left_until {
            None => "no association uses it, and no rotation has moved any from it".to_owned(),
            Some(until) if until > now => format!(
                "no association uses it any more, and pods may have its credentials until {}",
                words::time(until).seen_at(now)
            ),
            Some(until) => format!(
                "no association uses it, and the time in which pods may have its credentials was \
                 over {}",
                words::time(until).seen_at(now)
            ),
        }
    }

    /// How many pods have credentials of it, and until when.
    fn held(&self, now: Timestamp) -> Option<String> {
        let holders = &self.evidence.holders;
        let Some(last) = holders.iter().map(|it| it.expires_at).max() else {
            let seen = self.evidence.pods_seen;
            return (seen > 0)
                .then(|| format!("{} seen, and none has credentials of it", were(seen)));
        };
        Some(format!(
            "{} its credentials until {}",
            match holders.len() {
                1 => "1 pod holds".to_owned(),
                many => format!("{many} pods hold"),
            },
            words::time(last).seen_at(now)
        ))
    }

    fn last_use(&self, now: Timestamp) -> Option<String> {
        let used = self.used(now)?;
        Some(format!("IAM shows that it was last used {used}"))
    }

    fn used(&self, now: Timestamp) -> Option<String> {
        let at = self.role.last_used_at?;
        let region = self.role.last_used_region.as_ref();
        let region = region.map_or_else(String::new, |it| format!(" in {it}"));
        Some(format!("{}{region}", words::time(at).seen_at(now)))
    }

    /// What cannot be known of it.
    pub fn limits(&self) -> Vec<String> {
        let minutes = LATENESS.as_secs() / 60;
        let hours = LAST_USED_LAG.as_secs() / 3_600;
        let mut limits = vec![
            format!(
                "the last {minutes} minutes: CloudTrail shows events some minutes late, and \
                 promises no time"
            ),
            "whether a pod still runs: one that has ended is listed until its credentials expire"
                .to_owned(),
            "whether the agent hands out expired credentials: it may, if it cannot reach AWS"
                .to_owned(),
            format!(
                "who receives credentials in other regions; IAM shows the last use in all of them, \
                 up to {hours} hours late"
            ),
        ];
        if self.role.session_max_secs.is_none() {
            limits.push(
                "sessions of other callers that began before that time: IAM did not say how long \
                 one can last"
                    .to_owned(),
            );
        }
        if !self.role.trusts.is_empty() {
            limits.push(format!(
                "who uses it now and then: its trust policy also lets {} assume it",
                words::list(&self.role.trusts, NAMED_MAX)
            ));
        }
        if self.evidence.holders.iter().any(|it| it.pod.is_none()) {
            limits.push(
                "which pods have credentials whose records do not name them: their associations \
                 leave out the session tags, or CloudTrail hides them"
                    .to_owned(),
            );
        }
        limits.extend(self.role.unread.iter().cloned());
        limits
    }
}

impl Holder {
    /// The pod as a sentence names it.
    pub fn name(&self) -> String {
        let region = &self.region;
        match (&self.cluster, &self.namespace, &self.pod) {
            (Some(cluster), Some(namespace), Some(pod)) => {
                format!("{namespace}/{pod} in {region}/{cluster}")
            }
            _ => format!(
                "a pod of session {} in {region}",
                self.session.as_deref().unwrap_or("unknown")
            ),
        }
    }
}

impl Judgement {
    fn without_time(verdict: Verdict, grounds: Vec<String>) -> Self {
        Self {
            verdict,
            free_after: None,
            grounds,
        }
    }
}

fn were(number: u64) -> String {
    let verb = if number == 1 { "was" } else { "were" };
    format!("{} {verb}", words::count(number, "pod"))
}

#[cfg(test)]
mod tests;
