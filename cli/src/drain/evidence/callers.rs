//! Who besides pods has received credentials of a role, and who was refused some.

use std::collections::BTreeMap;

use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::drain::event::{CallResult, Caller, CredentialUse, OtherCaller, OtherKind};

/// A caller besides pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OtherUse {
    pub kind: OtherKind,
    pub name: String,
    pub region: String,
    pub times: u64,
    #[cfg_attr(test, schemars(with = "String"))]
    pub last_at: Timestamp,
    #[cfg_attr(test, schemars(with = "String"))]
    pub expires_at: Timestamp,
}

/// A caller that was refused credentials, and has received none since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Refused {
    pub role_arn: String,
    pub caller: String,
    pub region: String,
    #[cfg_attr(test, schemars(with = "String"))]
    pub last_at: Timestamp,
    pub error: String,
}

/// The callers besides pods that have received credentials of the role.
pub fn others(uses: &[&CredentialUse], role: &str) -> Vec<OtherUse> {
    let mut others: BTreeMap<(OtherKind, &str), OtherUse> = BTreeMap::new();
    for it in uses.iter().filter(|it| it.role_arn == role) {
        let (Caller::Other(OtherCaller { kind, name }), CallResult::ValidUntil(until)) =
            (&it.caller, &it.result)
        else {
            continue;
        };
        let other = others.entry((*kind, name)).or_insert_with(|| OtherUse {
            kind: *kind,
            name: name.clone(),
            region: it.region.clone(),
            times: 0,
            last_at: it.at,
            expires_at: *until,
        });
        other.times += 1;
        other.expires_at = other.expires_at.max(*until);
        if it.at > other.last_at {
            other.last_at = it.at;
            other.region.clone_from(&it.region);
        }
    }
    others.into_values().collect()
}

/// The callers whose last call for a role was refused.
pub fn refused(uses: &[&CredentialUse]) -> Vec<Refused> {
    let mut last: BTreeMap<(&str, String), &CredentialUse> = BTreeMap::new();
    for it in uses {
        let latest = last
            .entry((&it.role_arn, it.caller.to_string()))
            .or_insert(it);
        // Of two at the same second, the one that was granted counts.
        let is_granted = matches!(it.result, CallResult::ValidUntil(_));
        if (it.at, is_granted) > (latest.at, false) {
            *latest = it;
        }
    }
    let refused = last.into_iter().filter_map(|((role, caller), it)| {
        let CallResult::Refused(error) = &it.result else {
            return None;
        };
        Some(Refused {
            role_arn: role.to_owned(),
            caller,
            region: it.region.clone(),
            last_at: it.at,
            error: error.clone(),
        })
    });
    refused.collect()
}
