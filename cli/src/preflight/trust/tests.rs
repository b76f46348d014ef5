use rerole_core::policy::{ExternalId, SessionTags};

use super::*;
use crate::iam::Unreadable;
use crate::preflight::finding::Level;
use crate::preflight::testing::{POD_TRUST, item, read, role, roles, with_policies, with_trust};

/// A trust policy with this principal and these conditions.
fn trust_with(principal: &str, conditions: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow",
        "Principal": {principal}, "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {conditions}}}}}"#
    )
}

fn pods_if(conditions: &str) -> String {
    trust_with(r#"{"Service": "pods.eks.amazonaws.com"}"#, conditions)
}

/// A trust policy that names a role.
fn role_if(name: &str, conditions: &str) -> String {
    trust_with(&format!(r#"{{"AWS": "{}"}}"#, role(name)), conditions)
}

const SENT: Detail = Detail {
    session_tags: SessionTags::Sent,
    external_id: ExternalId::Absent,
};

/// What is found of associations, given as cluster, workload and target role, on a new role with
/// this trust policy.
fn found(
    new: &ReadRole,
    others: &BTreeMap<String, ReadRole>,
    associations: &[(&str, &str, Option<&str>)],
    detail: &Detail,
) -> (Checked, usize) {
    let roles = roles(["app-2025", "app-2026"]);
    let items: Vec<_> = associations
        .iter()
        .map(|(cluster, workload, target)| {
            let mut item = item((cluster, workload), "app-2025");
            item.target_role_arn = target.map(|name| role(name).to_string());
            item
        })
        .collect();
    let moves: Vec<_> = items.iter().filter_map(|it| Move::of(it, &roles)).collect();
    let facts = TrustFacts::new(&roles, new, others);
    let judged: Vec<_> = moves.iter().map(|it| facts.judge(it, detail)).collect();
    let open = judged.iter().filter(|it| it.needs_detail).count();
    (check(&facts, &moves, &judged), open)
}

/// What is found of one workload in each of two clusters.
fn of_pods(trust: &str, detail: &Detail) -> (Vec<(Level, String)>, usize) {
    let new = Ok(Some(read(with_trust(("app-2026", trust)))));
    let associations = [("prod-1", "pay/api", None), ("prod-3", "pay/api", None)];
    let (checked, open) = found(&new, &BTreeMap::new(), &associations, detail);
    let findings = checked.findings.into_iter();
    (findings.map(|it| (it.level, it.text)).collect(), open)
}

#[test]
fn the_usual_trust_policy_is_fine_without_asking_eks() {
    let (findings, open) = of_pods(POD_TRUST, &Detail::UNKNOWN);
    assert_eq!((findings, open), (vec![], 0));
}

#[test]
fn a_cluster_that_the_trust_policy_leaves_out_is_refused() {
    let arn = "arn:aws:eks:us-east-1:111122223333:cluster/prod-1";
    let trust = pods_if(&format!(r#"{{"ArnEquals": {{"aws:SourceArn": "{arn}"}}}}"#));
    let (findings, open) = of_pods(&trust, &Detail::UNKNOWN);
    let expected = "prod-3 in us-east-1: 1 association would be refused: aws:SourceArn is limited \
                    to prod-1 in us-east-1";
    assert_eq!(findings, [(Level::Denied, expected.to_owned())]);
    assert_eq!(open, 0);
}

#[test]
fn a_condition_on_session_tags_depends_on_the_association() {
    let trust = pods_if(r#"{"StringEquals": {"aws:RequestTag/kubernetes-namespace": "pay"}}"#);
    let (findings, open) = of_pods(&trust, &Detail::UNKNOWN);
    assert_eq!((findings.len(), open), (2, 2), "{findings:?}");
    assert_eq!(findings[0].0, Level::Unknown);
    assert!(findings[0].1.contains("disableSessionTags"), "{findings:?}");
    let (findings, open) = of_pods(&trust, &SENT);
    assert_eq!((findings, open), (vec![], 0));
    let disabled = Detail {
        session_tags: SessionTags::Disabled,
        ..SENT
    };
    let (findings, _) = of_pods(&trust, &disabled);
    assert_eq!(findings[0].0, Level::Denied, "{findings:?}");
}

#[test]
fn a_reason_does_not_name_the_workload() {
    let trust = pods_if(r#"{"StringEquals": {"aws:RequestTag/kubernetes-namespace": "shop"}}"#);
    let new = Ok(Some(read(with_trust(("app-2026", &trust)))));
    let associations = [("prod-1", "pay/api", None), ("prod-1", "web/api", None)];
    let (checked, _) = found(&new, &BTreeMap::new(), &associations, &SENT);
    assert_eq!(checked.findings.len(), 1, "{checked:?}");
    assert!(
        checked.findings[0]
            .text
            .contains("2 associations would be refused")
    );
}

#[test]
fn what_nothing_tells_is_unknown_with_its_key() {
    let trust = pods_if(r#"{"StringEquals": {"aws:SourceOrgID": "o-1"}}"#);
    let (findings, open) = of_pods(&trust, &SENT);
    assert_eq!((findings[0].0, open), (Level::Unknown, 0));
    assert!(
        findings[0].1.ends_with("it depends on aws:SourceOrgID"),
        "{findings:?}"
    );
}

#[test]
fn a_trust_policy_without_tagging_is_refused_unless_there_are_no_tags() {
    let trust = POD_TRUST.replace(r#", "sts:TagSession""#, "");
    let (findings, _) = of_pods(&trust, &SENT);
    assert_eq!(findings[0].0, Level::Denied);
    assert!(
        findings[0].1.contains("sts:TagSession is not allowed"),
        "{findings:?}"
    );
    let (findings, open) = of_pods(&trust, &Detail::UNKNOWN);
    assert_eq!((findings[0].0, open), (Level::Unknown, 2));
}

#[test]
fn a_trust_policy_that_is_not_understood_is_one_unknown() {
    let (findings, _) = of_pods("{}", &SENT);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].0, Level::Unknown);
}

#[test]
fn a_role_that_cannot_be_read_is_no_finding_of_this_check() {
    let new = Err(Unreadable::new("not readable: iam:GetRole"));
    let associations = [("prod-1", "pay/api", None)];
    let (checked, _) = found(&new, &BTreeMap::new(), &associations, &SENT);
    assert_eq!(checked, Checked::default());
}

/// The level of what is found of an association with the target role `data`.
fn of_target(data: ReadRole, source_policies: &[&str], detail: &Detail) -> Option<(Level, String)> {
    let new = Ok(Some(with_policies(
        with_trust(("app-2026", POD_TRUST)),
        source_policies,
    )));
    let others = BTreeMap::from([(role("data").to_string(), data)]);
    let associations = [("prod-1", "pay/api", Some("data"))];
    let (checked, _) = found(&new, &others, &associations, detail);
    let finding = checked.findings.into_iter().next();
    finding.map(|it| (it.level, it.text))
}

const MAY_ASSUME: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
    "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"}}"#;
const MAY_NOT_ASSUME: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Deny",
    "Action": "sts:AssumeRole", "Resource": "*"}}"#;

#[test]
fn a_target_role_must_trust_the_new_role() {
    let data = |name: &str| Ok(Some(read(with_trust(("data", &role_if(name, "{}"))))));
    assert_eq!(of_target(data("app-2026"), &[], &SENT), None);
    let (level, text) = of_target(data("app-2025"), &[], &SENT).unwrap();
    assert_eq!(level, Level::Denied);
    let expected = "target role platform/data does not let platform/app-2026 assume it: Principal \
                    is limited to arn:aws:iam::111122223333:role/platform/app-2025";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn the_policies_of_the_new_role_have_a_part_in_the_chain() {
    let named = || Ok(Some(read(with_trust(("data", &role_if("app-2026", "{}"))))));
    let root = r#"{"AWS": "arn:aws:iam::111122223333:root"}"#;
    let delegated = || Ok(Some(read(with_trust(("data", &trust_with(root, "{}"))))));
    for (data, policies, expected) in [
        (named(), vec![MAY_NOT_ASSUME], Some(Level::Denied)),
        (delegated(), vec![MAY_ASSUME], None),
        (delegated(), vec![], Some(Level::Denied)),
        (delegated(), vec!["no JSON"], Some(Level::Unknown)),
    ] {
        let found = of_target(data, &policies, &SENT);
        assert_eq!(
            found.as_ref().map(|it| it.0),
            expected,
            "{policies:?}: {found:?}"
        );
    }
}

/// Without session tags, `sts:TagSession` is not needed.
#[test]
fn what_the_new_role_may_do_depends_on_the_session_tags_of_the_association() {
    let root = r#"{"AWS": "arn:aws:iam::111122223333:root"}"#;
    let data = || Ok(Some(read(with_trust(("data", &trust_with(root, "{}"))))));
    let no_tags = MAY_ASSUME.replace(r#", "sts:TagSession""#, "");
    let by_tag = MAY_ASSUME.replace(
        r#""Resource": "*""#,
        r#""Resource": "*", "Condition": {"StringEquals": {"sts:ExternalId": "x"}}"#,
    );
    let disabled = Detail {
        session_tags: SessionTags::Disabled,
        ..SENT
    };
    for (policy, detail, level, is_open) in [
        (&no_tags, &SENT, Some(Level::Denied), false),
        (&no_tags, &disabled, None, false),
        (&no_tags, &Detail::UNKNOWN, Some(Level::Unknown), true),
        (&by_tag, &Detail::UNKNOWN, Some(Level::Unknown), true),
    ] {
        let new = Ok(Some(with_policies(
            with_trust(("app-2026", POD_TRUST)),
            &[policy],
        )));
        let others = BTreeMap::from([(role("data").to_string(), data())]);
        let associations = [("prod-1", "pay/api", Some("data"))];
        let (checked, open) = found(&new, &others, &associations, detail);
        let found = checked.findings.first().map(|it| it.level);
        assert_eq!(
            (found, open == 1),
            (level, is_open),
            "{policy}: {checked:?}"
        );
    }
}

#[test]
fn the_external_id_is_that_of_the_association() {
    let conditions = r#"{"StringEquals": {"sts:ExternalId": "us-east-1/x"}}"#;
    let data = || {
        Ok(Some(read(with_trust((
            "data",
            &role_if("app-2026", conditions),
        )))))
    };
    let sent = |id: &str| Detail {
        external_id: ExternalId::Sent(id.to_owned()),
        ..SENT
    };
    assert_eq!(of_target(data(), &[], &sent("us-east-1/x")), None);
    let other = of_target(data(), &[], &sent("us-east-1/y")).unwrap();
    assert_eq!(other.0, Level::Denied);
    let unknown = of_target(data(), &[], &Detail::UNKNOWN).unwrap();
    assert_eq!(unknown.0, Level::Unknown);
    assert!(unknown.1.contains("sts:ExternalId"), "{unknown:?}");
}

#[test]
fn a_target_role_that_cannot_be_read_is_unknown_and_a_missing_one_is_denied() {
    let unreadable = Err(Unreadable::new("not readable from account 111122223333"));
    let (level, text) = of_target(unreadable, &[], &SENT).unwrap();
    assert_eq!(level, Level::Unknown);
    assert!(
        text.ends_with("not readable from account 111122223333"),
        "{text}"
    );
    assert_eq!(of_target(Ok(None), &[], &SENT).unwrap().0, Level::Denied);
}

#[test]
fn each_of_thousands_of_associations_is_judged() {
    let arn = "arn:aws:eks:us-east-1:111122223333:cluster/c-1*";
    let trust = pods_if(&format!(
        r#"{{"ArnLike": {{"aws:SourceArn": "{arn}"}},
        "StringLike": {{"aws:RequestTag/kubernetes-namespace": ["pay", "shop-*"]}}}}"#
    ));
    let names: Vec<_> = (0..5_000)
        .map(|number| (format!("c-{}", number % 100), format!("pay/s{number}")))
        .collect();
    let associations: Vec<_> = names
        .iter()
        .map(|(cluster, workload)| (cluster.as_str(), workload.as_str(), None))
        .collect();
    let new = Ok(Some(read(with_trust(("app-2026", &trust)))));
    let (checked, open) = found(&new, &BTreeMap::new(), &associations, &Detail::UNKNOWN);
    // Clusters 1 and 10 to 19 are allowed if tags are sent, and all others are refused either way.
    assert_eq!(open, 11 * 50);
    assert_eq!(checked.findings.len(), 100);
}
