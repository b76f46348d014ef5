//! Why something is denied or unknown, in words that are the same for all associations of a
//! cluster: what a request has is left out, since it names the workload.

use rerole_core::policy::{Denial, KeyFact, Mismatch, Reason};
use rerole_core::resource::Cluster;

use crate::words;

/// Values of a policy that a reason names.
const VALUES_SHOWN: usize = 5;

/// Why it is denied.
pub fn denial(denial: &Denial) -> String {
    match denial {
        Denial::NoAllow(Some(miss)) => {
            let mismatches: Vec<_> = miss.mismatches.iter().map(mismatch).collect();
            mismatches.join("; ")
        }
        other => other.to_string(),
    }
}

/// What it depends on.
pub fn unknown(reasons: &[Reason]) -> String {
    let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    format!("it depends on {}", reasons.join(", "))
}

fn mismatch(mismatch: &Mismatch) -> String {
    let Mismatch::Condition {
        operator,
        key,
        values,
        found,
    } = mismatch
    else {
        return mismatch.to_string();
    };
    let shown = values.iter().take(VALUES_SHOWN).map(|value| short(value));
    let mut shown: Vec<_> = shown.collect();
    match values.len().saturating_sub(VALUES_SHOWN) {
        0 => {}
        more => shown.push(format!("{more} more")),
    }
    let mismatch = Mismatch::Condition {
        operator: *operator,
        key: key.clone(),
        values: shown,
        found: match found {
            KeyFact::Present(_) => KeyFact::Exists,
            other => other.clone(),
        },
    };
    mismatch.to_string()
}

/// A cluster by its name and region, as findings name it.
fn short(value: &str) -> String {
    match Cluster::parse(value) {
        Ok(cluster) => format!("{} in {}", cluster.cluster_name, cluster.region),
        Err(_) => value.to_owned(),
    }
}

/// The names of what could not be read, and why.
pub fn list(names: &[String]) -> String {
    words::list(names, VALUES_SHOWN)
}
