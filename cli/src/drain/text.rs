//! Whether a role is free, as text: the whole answer of `rerole drain`, and the sentences of it
//! that other answers and documents also have.

use std::collections::HashSet;

use rerole_core::timestamp::Timestamp;

use crate::drain::Drain;
use crate::drain::evidence::Evidence;
use crate::drain::proof::{EFFECT, Proof, WATCH};
use crate::drain::verdict::Verdict;
use crate::stack::flags::Form;
use crate::terminal::{Layout, printable};
use crate::words;

/// Names that a sentence has at most.
const NAMED_MAX: usize = 5;
/// Pods and commands that are shown.
const SHOWN_MAX: usize = 10;
/// Callers that are named, each in a line.
const CALLERS_MAX: usize = 10;

/// Where the text is shown.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub account: &'a str,
    pub now: Timestamp,
}

impl Context<'_> {
    /// The whole answer.
    pub fn drain(&self, drain: &Drain, layout: &Layout) -> String {
        let role = printable(&words::role(&drain.role_arn).in_account(self.account));
        let title = format!("Role {}", layout.heading(role));
        let mut parts = vec![self.head(drain, &title)];
        parts.extend(self.parts(drain, layout));
        let limits: Vec<_> = drain.limits.iter().map(|it| format!("  {it}")).collect();
        let limits = printable(&limits.join("\n"));
        parts.push(format!("rerole cannot know:\n{limits}"));
        parts.join("\n\n")
    }

    /// The answer as an addition to another one about the role.
    pub fn addition(&self, drain: &Drain, layout: &Layout) -> String {
        let mut parts = vec![self.head(drain, "With evidence")];
        parts.extend(self.parts(drain, layout));
        parts.join("\n\n")
    }

    /// The verdict and its grounds.
    fn head(&self, drain: &Drain, title: &str) -> String {
        let mut lines = vec![format!("{title}: {}", self.verdict(drain))];
        let mut line = |name: &str, text: &str| {
            lines.push(format!("  {name:<9} {}", printable(text)));
        };
        line("delete?", may_be_deleted(drain.verdict));
        for (number, ground) in drain.grounds.iter().enumerate() {
            line(if number == 0 { "because" } else { "" }, ground);
        }
        lines.join("\n")
    }

    fn parts(&self, drain: &Drain, layout: &Layout) -> Vec<String> {
        let evidence = &drain.evidence;
        let seen: Vec<_> = self
            .sentences(drain)
            .iter()
            .map(|it| format!("  {it}"))
            .collect();
        let seen = printable(&seen.join("\n"));
        let mut parts = vec![format!("{}\n{seen}", self.read(evidence))];
        if !evidence.holders.is_empty() {
            parts.push(self.holders(evidence, layout));
        }
        if !evidence.restarts.is_empty() {
            parts.push(restarts(&evidence.restarts, layout));
        }
        if let Some(proof) = &drain.proof {
            parts.push(proof_text(proof, drain.verdict));
        }
        parts
    }

    /// What was read, and where it was not.
    fn read(&self, evidence: &Evidence) -> String {
        let Some(from) = evidence.from else {
            return "From CloudTrail:".to_owned();
        };
        let events: u64 = evidence.regions.iter().map(|it| it.events).sum();
        let regions: Vec<_> = evidence
            .regions
            .iter()
            .map(|it| it.region.clone())
            .collect();
        format!(
            "From CloudTrail since {}, {} in {}:",
            words::time(from).seen_at(self.now),
            words::count(events, "record"),
            words::list(&regions, NAMED_MAX)
        )
    }

    /// The verdict in words.
    pub fn verdict(&self, drain: &Drain) -> String {
        match (drain.verdict, drain.free_after) {
            (Verdict::Free, _) => "free".to_owned(),
            (Verdict::FreeAfter, Some(at)) => {
                format!("free after {}", words::time(at).seen_at(self.now))
            }
            (Verdict::FreeAfter, None) => "not free yet".to_owned(),
            (Verdict::InUse, _) => "in use".to_owned(),
            (Verdict::Unknown, _) => "unknown".to_owned(),
        }
    }

    /// What was seen, in a sentence for each point.
    pub fn sentences(&self, drain: &Drain) -> Vec<String> {
        let evidence = &drain.evidence;
        let mut all = vec![self.pods(evidence)];
        all.extend(self.held(evidence));
        all.extend(workloads(evidence));
        for it in evidence.others.iter().take(CALLERS_MAX) {
            all.push(format!(
                "{} received credentials of it {} in {}, last {}",
                it.name,
                words::count(it.times, "time"),
                it.region,
                words::time(it.last_at).seen_at(self.now)
            ));
        }
        for it in evidence.refused.iter().take(CALLERS_MAX) {
            let role = words::role(&it.role_arn).in_account(self.account);
            all.push(format!(
                "{} was refused credentials of {role}, last {}: {}",
                it.caller,
                words::time(it.last_at).seen_at(self.now),
                it.error
            ));
        }
        let others = evidence.others.len().saturating_sub(CALLERS_MAX);
        let refused = evidence.refused.len().saturating_sub(CALLERS_MAX);
        if others + refused > 0 {
            let more = words::count((others + refused) as u64, "more caller");
            all.push(format!("{more}; --output json has all of them"));
        }
        for (region, reason) in evidence.gaps() {
            all.push(format!("{region} was not read to the end: {reason}"));
        }
        all.extend(self.iam(drain));
        all
    }

    /// The pods that hold the old role as a table.
    fn holders(&self, evidence: &Evidence, layout: &Layout) -> String {
        let (most, more) = shown(evidence.holders.len(), layout);
        let rows = evidence.holders.iter().take(most).map(|it| {
            let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
            let name = it.pod.as_ref().or(it.session.as_ref()).cloned();
            vec![
                words::age(it.expires_at.since(self.now)),
                text(&name),
                format!("{}/{}", text(&it.namespace), text(&it.service_account)),
                format!("{}/{}", it.region, text(&it.cluster)),
            ]
        });
        let table = layout.table_of_ids(&["left", "pod", "workload", "cluster"], rows);
        format!("{table}{more}")
    }

    fn pods(&self, evidence: &Evidence) -> String {
        let roles = evidence.new_role_arns.iter();
        let roles: Vec<_> = roles
            .map(|it| words::role(it).in_account(self.account))
            .collect();
        let onto = match roles.len() {
            0 => "a new role".to_owned(),
            _ => words::list(&roles, NAMED_MAX),
        };
        match evidence.pods_seen {
            0 => format!("no pod was seen, on the role or on {onto}"),
            seen => format!("{} of {} on {onto}", evidence.pods_on_new_role, are(seen)),
        }
    }

    fn held(&self, evidence: &Evidence) -> Option<String> {
        let until = evidence.holders.iter().map(|it| it.expires_at).max()?;
        let clusters = evidence.holders.iter().map(|it| (&it.region, &it.cluster));
        let clusters: HashSet<_> = clusters.collect();
        let pods = match evidence.holders.len() {
            1 => "1 pod holds".to_owned(),
            many => match clusters.len() {
                1 => format!("{many} pods in 1 cluster hold"),
                number => format!("{many} pods in {number} clusters hold"),
            },
        };
        let until = words::time(until).seen_at(self.now);
        let hint = if evidence.restarts.is_empty() {
            ""
        } else {
            "; a restart ends it now"
        };
        Some(format!("{pods} the old one until {until}{hint}"))
    }

    fn iam(&self, drain: &Drain) -> Vec<String> {
        let mut all = Vec::new();
        if drain.role.exists == Some(false) {
            all.push("IAM does not have the role any more".to_owned());
        }
        for target in &drain.role.trusted_by {
            let target = words::role(target).in_account(self.account);
            all.push(format!(
                "target role {target} names it in its trust policy: change that before you delete \
                 it"
            ));
        }
        all
    }
}

/// Whether the role may be deleted.
fn may_be_deleted(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Free => {
            "nothing that rerole can see uses it; see below what it cannot know, and how to prove it"
        }
        Verdict::FreeAfter => "not yet",
        Verdict::InUse => "no",
        Verdict::Unknown => "not as long as its use cannot be told",
    }
}

fn are(pods: u64) -> String {
    let verb = if pods == 1 { "is" } else { "are" };
    format!("{} {verb}", words::count(pods, "pod"))
}

/// The positive control: what was moved must be seen on the new role.
fn workloads(evidence: &Evidence) -> Option<String> {
    let not_seen = &evidence.workloads_not_seen;
    if evidence.workloads_moved == 0 {
        return None;
    }
    let moved = words::count(evidence.workloads_moved, "moved workload");
    let seen = evidence
        .workloads_moved
        .saturating_sub(not_seen.len() as u64);
    let names: Vec<_> = not_seen
        .iter()
        .map(|it| format!("{} in {}", it.pods(), it.place()))
        .collect();
    let verb = if evidence.workloads_moved == 1 {
        "was"
    } else {
        "were"
    };
    Some(match names.len() {
        0 => format!("{seen} of {moved} {verb} seen on the new role"),
        _ => format!(
            "{seen} of {moved} {verb} seen on the new role; not yet: {}",
            words::list(&names, NAMED_MAX)
        ),
    })
}

/// How many of so many lines are shown. The wide form is for all of them.
fn shown(all: usize, layout: &Layout) -> (usize, String) {
    if layout.form == Form::Wide || all <= SHOWN_MAX {
        return (all, String::new());
    }
    let more = all - SHOWN_MAX;
    (
        SHOWN_MAX,
        format!("\nand {more} more; --output wide shows all"),
    )
}

/// The commands that restart pods.
fn restarts(commands: &[String], layout: &Layout) -> String {
    let (most, more) = shown(commands.len(), layout);
    let lines: Vec<_> = commands
        .iter()
        .take(most)
        .map(|it| format!("  {it}"))
        .collect();
    format!(
        "To end that now, restart them. These commands follow from the names of the pods, so check \
         them:\n{}{more}",
        printable(&lines.join("\n"))
    )
}

fn proof_text(proof: &Proof, verdict: Verdict) -> String {
    let warning = match verdict {
        Verdict::Free => "",
        _ => "\nNot yet: it breaks every pod that still has its credentials.",
    };
    format!(
        "To prove that nothing uses it, deny it everything for some time. rerole does not do \
         that:\n  {}{warning}\n{EFFECT}\n{WATCH}\nTo undo it:\n  {}",
        printable(&proof.deny),
        printable(&proof.undo)
    )
}

#[cfg(test)]
mod tests;
