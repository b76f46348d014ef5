//! The latest credentials that each pod has received, of the old role and of any new one.

use std::collections::HashMap;

use rerole_core::timestamp::Timestamp;

use crate::drain::event::{CallResult, Caller, CredentialUse, Pod};

/// Credentials that a pod has received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    pub at: Timestamp,
    pub until: Timestamp,
}

/// What tells pods apart.
#[derive(Debug, PartialEq, Eq, Hash)]
enum PodKey<'a> {
    /// Region, cluster, namespace and name.
    Named([&'a str; 4]),
    /// Of a pod that the record does not name, each call makes a new session.
    Session(&'a str, Option<&'a str>, Timestamp),
}

/// The pods that were seen.
#[derive(Debug, Default)]
pub struct Pods<'a> {
    by_key: HashMap<PodKey<'a>, Latest<'a>>,
}

/// The latest credentials of a pod.
#[derive(Debug)]
struct Latest<'a> {
    /// As its latest record names it.
    pod: &'a Pod,
    old: Option<Received>,
    new: Option<Received>,
}

impl<'a> Pods<'a> {
    /// Takes up what pods have received. What is not of the old role is of a new one.
    pub fn of(uses: &[&'a CredentialUse], old_role: &str) -> Self {
        let mut pods = Self::default();
        for it in uses {
            let (Caller::Pod(pod), CallResult::ValidUntil(until)) = (&it.caller, &it.result) else {
                continue;
            };
            let received = Received {
                at: it.at,
                until: *until,
            };
            let latest = pods.by_key.entry(key(pod, it)).or_insert(Latest {
                pod,
                old: None,
                new: None,
            });
            if latest.last_at().is_none_or(|at| received.at >= at) {
                latest.pod = pod;
            }
            let place = if it.role_arn == old_role {
                &mut latest.old
            } else {
                &mut latest.new
            };
            // Credentials that were received earlier can be valid for longer.
            *place = Some(place.map_or(received, |before| Received {
                at: before.at.max(received.at),
                until: before.until.max(received.until),
            }));
        }
        pods
    }

    /// The pods whose latest credentials are of the old role and valid at `now`.
    pub fn holding(&self, now: Timestamp) -> impl Iterator<Item = (&'a Pod, Received)> {
        let latest = self.by_key.values();
        latest.filter_map(move |it| {
            let old = it
                .old
                .filter(|old| old.until > now && !it.has_moved(*old))?;
            Some((it.pod, old))
        })
    }

    /// The pods whose latest credentials are of a new role.
    pub fn on_new_role(&self) -> impl Iterator<Item = &'a Pod> {
        let latest = self.by_key.values();
        latest.filter_map(|it| {
            it.new?;
            it.old.is_none_or(|old| it.has_moved(old)).then_some(it.pod)
        })
    }
}

impl Latest<'_> {
    fn last_at(&self) -> Option<Timestamp> {
        let at = |received: Option<Received>| received.map(|it| it.at);
        at(self.old).max(at(self.new))
    }

    fn has_moved(&self, old: Received) -> bool {
        self.new.is_some_and(|new| new.at > old.at)
    }
}

fn key<'a>(pod: &'a Pod, it: &CredentialUse) -> PodKey<'a> {
    match (&pod.cluster, &pod.namespace, &pod.name) {
        (Some(cluster), Some(namespace), Some(name)) => {
            PodKey::Named([&pod.region, cluster, namespace, name])
        }
        _ => PodKey::Session(&pod.region, pod.session.as_deref(), it.at),
    }
}
