//! The commands that restart pods, from the pods' names alone. CloudTrail does not say which
//! workload a pod belongs to, but Kubernetes makes the names of pods from those of workloads:
//!
//! ```text
//! api-7d4b9c6f5d-x2x9z   deployment/api      hash of the ReplicaSet, random suffix
//! db-0                   statefulset/db      ordinal
//! agent-x2x9z            pod agent-x2x9z     of a DaemonSet or a Job: both names look like this
//! ```
//!
//! Whoever makes a pod chooses its name, so a name that Kubernetes would refuse gets no command.

use std::collections::BTreeSet;

use crate::drain::event::Pod;

/// The characters of the suffixes that Kubernetes makes: no vowels, and no 0, 1 and 3.
/// <https://github.com/kubernetes/apimachinery/blob/master/pkg/util/rand/rand.go>
const SUFFIX_CHARS: &str = "bcdfghjklmnpqrstvwxz2456789";
/// The length of the random suffix.
const SUFFIX_LEN: usize = 5;
/// The length of the hash of a `ReplicaSet`: a 32-bit number in decimal digits, each as a
/// character.
const HASH_LEN: std::ops::RangeInclusive<usize> = 6..=10;
/// The longest name of a pod.
const NAME_LEN_MAX: usize = 253;

/// The commands that restart these pods, each once, sorted by cluster.
pub fn commands<'a>(pods: impl Iterator<Item = &'a Pod>) -> Vec<String> {
    let commands: BTreeSet<_> = pods.filter_map(command).collect();
    commands.into_iter().collect()
}

/// The command that restarts a pod, if its names are names of Kubernetes.
fn command(pod: &Pod) -> Option<String> {
    let name = pod.name.as_deref().filter(|it| is_name(it))?;
    let namespace = pod.namespace.as_deref().filter(|it| is_name(it))?;
    // The AWS CLI names contexts by the ARNs of clusters.
    let cluster = pod.cluster_arn.as_deref().filter(|it| is_cluster_arn(it))?;
    let action = match (deployment(name), stateful_set(name)) {
        (Some(of), _) => format!("rollout restart deployment/{of}"),
        (_, Some(of)) => format!("rollout restart statefulset/{of}"),
        _ => format!("delete pod {name}"),
    };
    Some(format!(
        "kubectl --context {cluster} -n {namespace} {action}"
    ))
}

fn deployment(pod: &str) -> Option<&str> {
    let is_made = |text: &str| text.chars().all(|c| SUFFIX_CHARS.contains(c));
    let (replica_set, suffix) = pod.rsplit_once('-')?;
    let (name, hash) = replica_set.rsplit_once('-')?;
    // The pod of a CronJob has the minute in place of the hash.
    let is_number = hash.chars().all(|c| c.is_ascii_digit());
    let is_hash = HASH_LEN.contains(&hash.len()) && is_made(hash) && !is_number;
    (is_hash && suffix.len() == SUFFIX_LEN && is_made(suffix)).then_some(name)
}

fn stateful_set(pod: &str) -> Option<&str> {
    let (name, ordinal) = pod.rsplit_once('-')?;
    let is_number = !ordinal.is_empty() && ordinal.chars().all(|c| c.is_ascii_digit());
    // A random suffix can be all digits. Taken for an ordinal, it would name another workload.
    (is_number && ordinal.len() < SUFFIX_LEN).then_some(name)
}

/// A DNS name, which is also plain text to a shell.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(is_inner)
    };
    text.len() <= NAME_LEN_MAX && text.split('.').all(is_label)
}

fn is_cluster_arn(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_:/".contains(c);
    text.starts_with("arn:aws") && text.contains(":cluster/") && text.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROD_1: &str = "arn:aws:eks:eu-west-1:111122223333:cluster/prod-1";

    fn pod(name: &str) -> Pod {
        Pod {
            cluster_arn: Some(PROD_1.to_owned()),
            namespace: Some("payments".to_owned()),
            name: Some(name.to_owned()),
            ..Pod::default()
        }
    }

    #[test]
    fn the_workload_follows_from_the_name_of_the_pod() {
        for (name, action) in [
            ("api-7d4b9c6f5d-x2x9z", "rollout restart deployment/api"),
            (
                "my-api-v1-56b9f94b4-dvd5c",
                "rollout restart deployment/my-api-v1",
            ),
            ("db-0", "rollout restart statefulset/db"),
            ("my-db-12", "rollout restart statefulset/my-db"),
            ("agent-x2x9z", "delete pod agent-x2x9z"),
            ("agent-22222", "delete pod agent-22222"),
            ("report-29482756-x2x9z", "delete pod report-29482756-x2x9z"),
            // These are no suffixes of Kubernetes: a person chose the name.
            ("api-production-build", "delete pod api-production-build"),
            ("app1", "delete pod app1"),
        ] {
            let expected = format!("kubectl --context {PROD_1} -n payments {action}");
            assert_eq!(command(&pod(name)), Some(expected));
        }
    }

    #[test]
    fn a_name_that_kubernetes_refuses_gets_no_command() {
        for name in [
            "",
            "a;reboot",
            "$(reboot)",
            "-n",
            "a b",
            "A",
            "a\nb",
            "a..b",
            "é",
        ] {
            assert_eq!(command(&pod(name)), None, "{name}");
            let namespace = Some(name.to_owned());
            assert_eq!(
                command(&Pod {
                    namespace,
                    ..pod("db-0")
                }),
                None,
                "{name}"
            );
            let cluster_arn = Some(format!("{PROD_1} {name}"));
            assert_eq!(
                command(&Pod {
                    cluster_arn,
                    ..pod("db-0")
                }),
                None,
                "{name}"
            );
        }
        assert_eq!(command(&Pod::default()), None);
    }

    #[test]
    fn pods_of_one_workload_are_restarted_by_one_command() {
        let pods = ["api-7d4b9c6f5d-x2x9z", "api-7d4b9c6f5d-b2b4b", "db-0"].map(pod);
        assert_eq!(commands(pods.iter()).len(), 2);
    }
}
