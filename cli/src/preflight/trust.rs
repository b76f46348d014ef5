//! Whether the pods of each association could assume its role after the rotation: what the trust
//! policies of the new role and of target roles say.

use std::collections::BTreeMap;
use std::fmt::Display;

use rerole_core::policy::{
    Chain, ChainVerdict, Document, IdentityPart, PodSession, Reason, Request, TrustVerdict,
    pod_can_assume, role_can_chain,
};
use rerole_core::resource::{Cluster, RoleArn};

use crate::iam::{ReadRole, RoleWithPolicies};
use crate::preflight::by_cluster::{self, Verdict};
use crate::preflight::details::Detail;
use crate::preflight::finding::{Check, Checked, Key};
use crate::preflight::moves::{Move, associations};
use crate::preflight::own_policies::{OwnPolicies, Part};
use crate::preflight::reasons;
use crate::preflight::role::short;
use crate::request::Roles;

/// The condition key for the external ID of an association.
const EXTERNAL_ID: &str = "sts:ExternalId";

/// What is known of the roles, with their policies parsed once.
#[derive(Debug)]
pub struct TrustFacts<'a> {
    roles: &'a Roles,
    /// The new role, and those that are chained with it, by ARN.
    known: BTreeMap<&'a str, Known<'a>>,
}

/// A role as it can be judged.
#[derive(Debug)]
struct Known<'a> {
    role: &'a ReadRole,
    /// The trust policy, or why it cannot be judged.
    trust: Result<Document, Verdict>,
    /// Its own policies, if it could be read.
    own: Option<OwnPolicies>,
}

/// What follows for an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Whether pods can assume the new role. `None` if they do not, or if that role cannot be
    /// judged, which is a finding of its own.
    pub pod: Option<Verdict>,
    /// Whether its role can assume its target role. `None` if there is none.
    pub chain: Option<Verdict>,
    /// Whether a verdict depends on what EKS alone knows of the association.
    pub needs_detail: bool,
}

impl<'a> TrustFacts<'a> {
    pub fn new(
        roles: &'a Roles,
        new: &'a ReadRole,
        others: &'a BTreeMap<String, ReadRole>,
    ) -> Self {
        let others = others.iter().map(|(arn, role)| (arn.as_str(), role));
        let all = others.chain([(roles.new.as_str(), new)]);
        let known = all.map(|(arn, role)| {
            let own = role.as_ref().ok().and_then(Option::as_ref);
            let known = Known {
                role,
                trust: trust(arn, role),
                own: own.map(|it| OwnPolicies::of(&it.policies)),
            };
            (arn, known)
        });
        Self {
            roles,
            known: known.collect(),
        }
    }

    /// Judges an association.
    pub fn judge(&self, moved: &Move<'_>, detail: &Detail) -> Judged {
        let mut needs_detail = false;
        let Ok(cluster) = Cluster::parse(&moved.item.cluster_arn) else {
            let why = "the index has an invalid cluster of it".to_owned();
            return Judged {
                pod: Some(Verdict::Unknown(why)),
                chain: None,
                needs_detail,
            };
        };
        let session = PodSession {
            cluster,
            namespace: moved.item.namespace.clone(),
            service_account: moved.item.service_account.clone(),
            session_tags: detail.session_tags,
        };
        let pod = moved.is_role_new.then(|| {
            let trust = self.known.get(moved.role)?.trust.as_ref().ok()?;
            Some(verdict(pod_can_assume(trust, &session), &mut needs_detail))
        });
        let chain = moved
            .target
            .map(|target| self.chain((moved.role, target), (session, detail), &mut needs_detail));
        Judged {
            pod: pod.flatten(),
            chain,
            needs_detail,
        }
    }

    fn chain(
        &self,
        (source, target): (&str, &str),
        (session, detail): (PodSession, &Detail),
        needs_detail: &mut bool,
    ) -> Verdict {
        let (Ok(source_arn), Ok(target_arn)) = (source.parse(), target.parse()) else {
            return Verdict::Unknown("a role of the chain has no valid ARN".to_owned());
        };
        let trust = match self.known.get(target).map(|it| &it.trust) {
            Some(Ok(trust)) => trust,
            Some(Err(verdict)) => return verdict.clone(),
            None => return Verdict::Unknown(format!("target role {target} was not read")),
        };
        let names = (short(&source_arn), short(&target_arn));
        let chain = Chain {
            source: source_arn,
            target: target_arn,
            external_id: detail.external_id.clone(),
            session,
        };
        let both = role_can_chain(trust, &chain);
        let of_trust = match verdict(both.trust.clone(), needs_detail) {
            Verdict::Denied(why) => {
                let (source, target) = names;
                let why = format!("target role {target} does not let {source} assume it: {why}");
                return Verdict::Denied(why);
            }
            other => other,
        };
        let of_identity = match self.identity(source, &both, needs_detail) {
            Verdict::Denied(why) => {
                let (source, target) = names;
                Verdict::Denied(format!(
                    "{source} may not assume target role {target}: {why}"
                ))
            }
            other => other,
        };
        worst([of_trust, of_identity].into_iter())
    }

    /// What the policies of the source of a chain say.
    fn identity(&self, source: &str, chain: &ChainVerdict, needs_detail: &mut bool) -> Verdict {
        let own = match self.known.get(source) {
            Some(Known { own: Some(own), .. }) => own,
            Some(Known { role: Err(why), .. }) => {
                return Verdict::Unknown(format!("policies of {source}: {why}"));
            }
            Some(_) => return Verdict::Denied(format!("{source} does not exist")),
            None => return Verdict::Unknown(format!("{source} was not read")),
        };
        let mut all = |part| {
            let mut verdict_of = |requests: &Vec<Request>| {
                worst(requests.iter().map(|request| {
                    let judged = own.judge(request, part);
                    *needs_detail |= judged.reasons.iter().any(is_of_association);
                    judged.verdict
                }))
            };
            let verdicts: Vec<_> = chain.cases.iter().map(&mut verdict_of).collect();
            if !verdicts
                .windows(2)
                .all(|pair| rank(&pair[0]) == rank(&pair[1]))
            {
                *needs_detail = true;
                return Verdict::Unknown(reasons::unknown(&[Reason::SessionTags]));
            }
            worst(verdicts.into_iter())
        };
        match chain.identity {
            IdentityPart::MustAllow => all(Part::MustAllow),
            IdentityPart::MustNotDeny => all(Part::MustNotDeny),
            IdentityPart::Unknown => match (all(Part::MustAllow), all(Part::MustNotDeny)) {
                (Verdict::Allowed, _) => Verdict::Allowed,
                (_, denied @ Verdict::Denied(_)) => denied,
                (Verdict::Denied(why) | Verdict::Unknown(why), _) => Verdict::Unknown(format!(
                    "unless the trust policy names {source}, its own policies must allow it: {why}"
                )),
            },
        }
    }
}

/// Makes findings of what follows for the associations.
pub fn check(facts: &TrustFacts<'_>, moves: &[Move<'_>], judged: &[Judged]) -> Checked {
    let roles = facts.roles;
    let check = Check {
        name: "trust",
        roles,
    };
    let mut checked = Checked::default();
    if let Some(Known {
        trust: Err(Verdict::Unknown(why)),
        role: Ok(_),
        ..
    }) = facts.known.get(roles.new.as_str())
    {
        checked
            .findings
            .push(check.unknown(Key("new role"), why.clone()));
    }
    if moves.is_empty() {
        let text = "the index has no association in this scope that would be moved, so trust \
                    policies were judged for none";
        checked
            .findings
            .push(check.note(Key("no association"), text));
    }
    let of = |verdict: fn(&Judged) -> Option<Verdict>| {
        let pairs = moves.iter().zip(judged);
        pairs.filter_map(move |(moved, judged)| Some((moved, verdict(judged)?)))
    };
    let new = short(&roles.new);
    checked.extend(by_cluster::findings(
        check,
        of(|it| it.pod.clone()),
        |count| {
            format!(
                "the trust policy of {new} lets the pods of {} assume it",
                associations(count)
            )
        },
    ));
    let check = Check {
        name: "target",
        roles,
    };
    checked.extend(by_cluster::findings(
        check,
        of(|it| it.chain.clone()),
        |count| {
            format!(
                "the roles of {} can assume their target roles",
                associations(count)
            )
        },
    ));
    checked
}

fn trust(arn: &str, role: &ReadRole) -> Result<Document, Verdict> {
    let name = arn.parse::<RoleArn>();
    let name = name.map_or_else(|_| arn.to_owned(), |arn| short(&arn));
    let unknown =
        |why: &dyn Display| Verdict::Unknown(format!("the trust policy of {name}: {why}"));
    match role {
        Ok(Some(RoleWithPolicies { role, .. })) => {
            let text = role.trust.as_ref().map_err(|why| unknown(why))?;
            Document::parse(text).map_err(|why| unknown(&why))
        }
        Ok(None) => Err(Verdict::Denied(format!("role {name} does not exist"))),
        Err(why) => Err(unknown(why)),
    }
}

fn verdict(verdict: TrustVerdict, needs_detail: &mut bool) -> Verdict {
    match verdict {
        TrustVerdict::Allowed => Verdict::Allowed,
        TrustVerdict::Denied { action, denial } => {
            let why = reasons::denial(&denial);
            Verdict::Denied(match action {
                "sts:AssumeRole" => why,
                action => format!("{action} is not allowed: {why}"),
            })
        }
        TrustVerdict::Unknown(unknown) => {
            *needs_detail |= unknown.iter().any(is_of_association);
            Verdict::Unknown(reasons::unknown(&unknown))
        }
    }
}

/// Whether EKS can tell it.
fn is_of_association(reason: &Reason) -> bool {
    match reason {
        Reason::SessionTags => true,
        Reason::Key(key) => key.eq_ignore_ascii_case(EXTERNAL_ID),
        Reason::Principal(_) | Reason::Resource | Reason::Undocumented(_) => false,
    }
}

/// How bad a verdict is.
fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Allowed => 0,
        Verdict::Unknown(_) => 1,
        Verdict::Denied(_) => 2,
    }
}

/// All must be allowed. Of two with the same verdict, the first one counts.
fn worst(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let worse = |first: Verdict, next: Verdict| {
        if rank(&next) > rank(&first) {
            next
        } else {
            first
        }
    };
    verdicts.reduce(worse).unwrap_or(Verdict::Allowed)
}

#[cfg(test)]
mod tests;
