//! Pods, and when they fetch credentials.
//!
//! The agent on a node renews the credentials of a pod after about half of their 6 hours, of
//! whatever role the association has then. What trust policies say does not matter here, and
//! target roles leave no events of their own.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::arn::Scope;
use crate::clock::since_epoch;
use crate::eks::{Association, EksState};
use crate::event_history::credentials::{CredentialCaller, CredentialEvent};
use crate::rng::{draw, stream_of, uuid};

/// How long the credentials of pods are valid.
const LIFETIME: Duration = Duration::from_hours(6);
/// A pod has new ones so often.
const RENEWAL: RangeInclusive<Duration> = Duration::from_mins(175)..=Duration::from_mins(185);
/// A pod asks for its first ones so long after it was created.
const STARTUP: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30);
/// EKS abbreviates the names of cluster and pod in the name of a session.
const NAME_LEN: usize = 10;

/// The pods of all associations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFleet {
    /// How many pods each association has.
    pub per_association: usize,
    /// The pods of the associations that there are already have started within this time, one
    /// after another, whenever the associations were created.
    pub running_for: Duration,
}

impl Default for PodFleet {
    /// Each association has one pod, which has started in the last day.
    fn default() -> Self {
        Self {
            per_association: 1,
            running_for: Duration::from_hours(24),
        }
    }
}

/// The pods that run, and when some were replaced.
pub(super) struct Pods {
    seed: u64,
    /// The fleet, and since when it is known.
    fleet: Option<(SystemTime, PodFleet)>,
    /// By association and number.
    restarts: BTreeMap<(String, usize), Vec<SystemTime>>,
}

/// A pod fetches credentials.
#[derive(Clone)]
pub(super) struct Fetch {
    pub(super) at: SystemTime,
    /// As it is at that time.
    pub(super) association: Association,
    /// The pod's name among the streams.
    pod: String,
    /// How many the pod has fetched before.
    number: u32,
}

/// A pod, from its first fetch to its end.
struct Life {
    name: String,
    from: SystemTime,
    until: Option<SystemTime>,
    renewal: Duration,
}

impl Pods {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            fleet: None,
            restarts: BTreeMap::new(),
        }
    }

    pub(super) fn run(&mut self, now: SystemTime, fleet: PodFleet) {
        self.fleet = Some((now, fleet));
    }

    pub(super) fn per_association(&self) -> usize {
        let fleet = self.fleet.as_ref();
        fleet.map_or(0, |(_, fleet)| fleet.per_association)
    }

    pub(super) fn restart(&mut self, now: SystemTime, association_arn: &str, pod: usize) {
        let key = (association_arn.to_owned(), pod);
        let restarts = self.restarts.entry(key).or_default();
        restarts.push(whole_secs(now));
    }

    /// What the pods of an account and region fetch within this time.
    pub(super) fn fetches(
        &self,
        eks: &EksState,
        scope: Scope<'_>,
        time: RangeInclusive<SystemTime>,
    ) -> Vec<Fetch> {
        let prefix = scope.arn("eks", "podidentityassociation/");
        let mut fetches = Vec::new();
        // Without pods, the past is not looked through.
        let Some((since, fleet)) = &self.fleet else {
            return fetches;
        };
        for arn in eks.arns_ever(&prefix) {
            let Some(created_at) = eks.created_at(arn) else {
                continue;
            };
            for pod in 0..fleet.per_association {
                let name = format!("{arn}#{pod}");
                let mut stream = stream_of(self.seed, &name);
                let age = draw(&mut stream, &(Duration::ZERO..=fleet.running_for));
                let first = if created_at > *since {
                    created_at + draw(&mut stream, &STARTUP)
                } else {
                    *since - age
                };
                let restarts = self.restarts.get(&(arn.clone(), pod));
                let restarts = restarts.map_or(&[][..], Vec::as_slice);
                for life in self.lives(&name, whole_secs(first), restarts) {
                    life.fetch(eks, arn, &time, &mut fetches);
                }
            }
        }
        fetches
    }

    /// The pods that take each other's place.
    fn lives(&self, name: &str, first: SystemTime, restarts: &[SystemTime]) -> Vec<Life> {
        let ends = restarts.iter().copied().map(Some).chain([None]);
        let mut from = first;
        let mut lives = Vec::new();
        for (number, until) in ends.enumerate() {
            let name = format!("{name}#{number}");
            let mut stream = stream_of(self.seed, &name);
            lives.push(Life {
                name,
                from,
                until,
                renewal: draw(&mut stream, &RENEWAL),
            });
            if let Some(until) = until {
                from = whole_secs(until + draw(&mut stream, &STARTUP));
            }
        }
        lives
    }
}

impl Life {
    /// Adds what the pod fetches within this time, if its association exists then.
    fn fetch(
        &self,
        eks: &EksState,
        arn: &str,
        time: &RangeInclusive<SystemTime>,
        fetches: &mut Vec<Fetch>,
    ) {
        let skipped = time.start().duration_since(self.from).unwrap_or_default();
        let skipped = skipped.as_secs().div_ceil(self.renewal.as_secs().max(1));
        let mut number = u32::try_from(skipped).unwrap_or(u32::MAX);
        loop {
            let at = whole_secs(self.from + self.renewal.saturating_mul(number));
            if at > *time.end() || self.until.is_some_and(|until| at >= until) {
                return;
            }
            if let Some(association) = eks.association_at(arn, at).filter(|_| at >= *time.start()) {
                fetches.push(Fetch {
                    at,
                    association: association.clone(),
                    pod: self.name.clone(),
                    number,
                });
            }
            number += 1;
        }
    }
}

impl Fetch {
    /// The stream that the record is drawn from.
    fn stream(&self, seed: u64) -> fastrand::Rng {
        stream_of(seed, &format!("{}#{}", self.pod, self.number))
    }

    /// The ID of the event.
    pub(super) fn id(&self, seed: u64) -> String {
        CredentialEvent::id(&mut self.stream(seed))
    }

    /// The event's record.
    pub(super) fn record(&self, scope: Scope<'_>, seed: u64) -> Value {
        let association = &self.association;
        let mut of_pod = stream_of(seed, &format!("{}#pod", self.pod));
        let hash = kubernetes_suffix(&mut of_pod, 9);
        let suffix = kubernetes_suffix(&mut of_pod, 5);
        let pod = format!("{}-{hash}-{suffix}", association.service_account);
        let tags = [
            ("eks-cluster-arn", association.cluster_arn()),
            ("eks-cluster-name", association.cluster_name.clone()),
            ("kubernetes-namespace", association.namespace.clone()),
            (
                "kubernetes-service-account",
                association.service_account.clone(),
            ),
            ("kubernetes-pod-name", pod.clone()),
            ("kubernetes-pod-uid", uuid(&mut of_pod)),
        ];
        let tags = tags.map(|(key, value)| (key.to_owned(), value));
        let cluster: String = association.cluster_name.chars().take(NAME_LEN).collect();
        let short: String = pod.chars().take(NAME_LEN).collect();
        let mut of_session = stream_of(seed, &format!("{}#{}#session", self.pod, self.number));
        let event = CredentialEvent {
            at: self.at,
            role_arn: association.role_arn.clone(),
            session_name: format!("eks-{cluster}-{short}-{}", uuid(&mut of_session)),
            duration: LIFETIME,
            tags: if association.disable_session_tags {
                Vec::new()
            } else {
                tags.to_vec()
            },
            ..CredentialEvent::by(CredentialCaller::Service(
                "pods.eks.amazonaws.com".to_owned(),
            ))
        };
        event.record(scope, &mut self.stream(seed))
    }
}

/// Records have whole seconds.
fn whole_secs(time: SystemTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch(time).as_secs())
}

/// This many of the characters that Kubernetes makes suffixes of: no vowels, and no 0, 1 and 3.
fn kubernetes_suffix(stream: &mut fastrand::Rng, len: usize) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..len)
        .map(|_| char::from(ALPHABET[stream.usize(..ALPHABET.len())]))
        .collect()
}
