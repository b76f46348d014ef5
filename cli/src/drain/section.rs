//! Whether a role is free, as a part of a document.

use rerole_core::timestamp::Timestamp;

use crate::drain::Drain;
use crate::drain::evidence::Evidence;
use crate::drain::text::Context;
use crate::section::{Item, List, Section};
use crate::words;

/// The part of a document.
pub fn section(drain: &Drain, account: &str) -> Section {
    let as_of = drain.evidence.to.unwrap_or(Timestamp::from_millis(0));
    let context = Context {
        account,
        now: as_of,
    };
    let mut seen = lines(context.sentences(drain));
    let pods = pods(&drain.evidence);
    seen.extend((!pods.is_empty()).then(|| Item {
        text: "the pods that hold its credentials".to_owned(),
        details: pods,
    }));
    let proof = drain.proof.iter().flat_map(|it| [&it.deny, &it.undo]);
    let lists = [
        ("Because", lines(drain.grounds.iter().cloned())),
        ("From CloudTrail and IAM", seen),
        (
            "Commands that restart these pods, derived from their names",
            lines(drain.evidence.restarts.iter().cloned()),
        ),
        (
            "To prove that nothing uses it, a policy that denies it everything, and the way back",
            lines(proof.cloned()),
        ),
        ("rerole cannot know", lines(drain.limits.iter().cloned())),
    ];
    let lists = lists.into_iter().filter(|(_, items)| !items.is_empty());
    let role = words::role(&drain.role_arn).in_account(account);
    Section {
        heading: format!("Use of the old role as of {}", words::plain_time(as_of)),
        verdict: format!("Role {role}: {}.", context.verdict(drain)),
        lists: lists.map(|(title, items)| List { title, items }).collect(),
    }
}

fn lines(texts: impl IntoIterator<Item = String>) -> Vec<Item> {
    let items = texts.into_iter().map(|text| Item {
        text,
        details: Vec::new(),
    });
    items.collect()
}

fn pods(evidence: &Evidence) -> Vec<String> {
    let pods = evidence.holders.iter().map(|it| {
        let until = words::plain_time(it.expires_at);
        format!("{}, until {until}", it.name())
    });
    pods.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::evidence::tests::{OLD, evidence, pod, received};
    use crate::drain::facts::RoleFacts;
    use crate::drain::verdict::Verdict;

    #[test]
    fn a_document_has_the_verdict_the_pods_and_no_empty_list() {
        let drain = Drain {
            role_arn: OLD.to_owned(),
            verdict: Verdict::InUse,
            free_after: None,
            grounds: vec!["the ground".to_owned()],
            limits: vec!["the limit".to_owned()],
            evidence: evidence(vec![received(OLD, pod("db", "db-0"), -30)], 10),
            role: RoleFacts::default(),
            proof: None,
        };
        let section = section(&drain, "111122223333");
        assert_eq!(section.verdict, "Role platform/app-2025: in use.");
        let titles: Vec<_> = section.lists.iter().map(|it| it.title).collect();
        assert_eq!(
            titles,
            [
                "Because",
                "From CloudTrail and IAM",
                "Commands that restart these pods, derived from their names",
                "rerole cannot know"
            ]
        );
        let pods = section.lists[1].items.last().unwrap();
        let expected = "payments/db-0 in eu-west-1/prod-1, until 2026-11-24 02:30:00";
        assert_eq!(pods.details, [expected]);
    }
}
