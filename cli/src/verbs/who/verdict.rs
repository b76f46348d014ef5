//! May a role be deleted? What follows from what is known of it, as a plain function. It never
//! calls a role free, and gives no time, while the index shows an association that uses it, or is
//! not complete.

use rerole_core::rotation::InUse;
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::exit::Exit;
use crate::words;

/// What may be said about a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Verdict {
    /// An association uses it, or a rotation is about to move some onto or from it.
    InUse,
    /// No association is known to use it, and pods may have its credentials for some time.
    MayBeUsedUntil,
    /// The ledger knows it, and no use of it is known.
    NoKnownUse,
    /// Neither ledger nor index has ever heard of it.
    Unknown,
    /// What is known is not enough.
    CannotBeTold,
}

/// The verdict on a role, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub grounds: Vec<String>,
}

/// What is known of a role.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Whether the ledger has an item of it, or a rotation that names it.
    pub is_known: bool,
    /// Associations that use it, according to the index.
    pub users: u64,
    /// Those of them that an add-on owns.
    pub owned_by_addon: u64,
    /// Associations that use it in EKS, and that the index has not on the role.
    pub unknown_users: u64,
    /// Associations that use it according to the index, and not in EKS.
    pub gone_users: u64,
    /// What its own item says of its use.
    pub in_use: Option<InUse>,
    pub left_until: Option<Timestamp>,
    /// Rotations that hold it or wait for it, each as a sentence.
    pub open_rotations: Vec<String>,
    /// Items of the index that name it and cannot be.
    pub invalid_items: u64,
    /// Regions whose index was never complete.
    pub incomplete_regions: Vec<String>,
    /// Regions whose index is older than the stack allows.
    pub stale_regions: Vec<String>,
    /// Places that EKS did not show, if it was asked.
    pub unread: Vec<String>,
}

impl Verdict {
    /// Only a role that is known and has no known use is nothing to report.
    pub fn exit(self) -> Exit {
        match self {
            Self::NoKnownUse => Exit::Done,
            Self::InUse | Self::MayBeUsedUntil | Self::Unknown | Self::CannotBeTold => {
                Exit::StillInUse
            }
        }
    }
}

impl Facts {
    /// Returns the verdict at `now`, with its grounds.
    pub fn judge(&self, now: Timestamp) -> Judgement {
        let in_use = self.uses(now);
        if !in_use.is_empty() {
            return Judgement::new(Verdict::InUse, in_use);
        }
        let unknown = self.gaps();
        if !unknown.is_empty() {
            return Judgement::new(Verdict::CannotBeTold, unknown);
        }
        if !self.is_known {
            return Judgement::new(
                Verdict::Unknown,
                vec![
                    "nothing is known of this role: check its spelling and account; rerole only \
                     knows roles that a rotation has named or an association has"
                        .to_owned(),
                ],
            );
        }
        match self.left_until {
            Some(until) if until > now => Judgement::new(
                Verdict::MayBeUsedUntil,
                vec![format!(
                    "no association uses it any more, and pods may have its credentials until {}",
                    words::time(until).seen_at(now)
                )],
            ),
            Some(until) => Judgement::new(
                Verdict::NoKnownUse,
                vec![format!(
                    "no association uses it, and the last pod is expected to have dropped its \
                     credentials by {}",
                    words::time(until).seen_at(now)
                )],
            ),
            None => Judgement::new(
                Verdict::NoKnownUse,
                vec![
                    "no association uses it, and no rotation has moved any from it; pods of one \
                     that was deleted or changed by hand may have its credentials for 6 hours more"
                        .to_owned(),
                ],
            ),
        }
    }

    /// Why it is in use.
    fn uses(&self, now: Timestamp) -> Vec<String> {
        let mut grounds = Vec::new();
        if self.users > 0 {
            let count = words::count(self.users, "association");
            let addons = match self.owned_by_addon {
                0 => String::new(),
                number => format!(", {number} of them owned by add-ons, which no rotation moves"),
            };
            let verb = if self.users == 1 { "uses" } else { "use" };
            grounds.push(format!("{count} {verb} it, according to the index{addons}"));
        }
        if self.gone_users > 0 {
            grounds.push(format!(
                "EKS does not show {} of them on it any more: rerole index build",
                self.gone_users
            ));
        }
        if self.unknown_users > 0 {
            grounds.push(format!(
                "EKS shows {} on it as the index does not have {}: rerole index build",
                words::count(self.unknown_users, "association"),
                if self.unknown_users == 1 {
                    "it"
                } else {
                    "them"
                },
            ));
        }
        // What the index shows is said above.
        if let Some(in_use) = self.in_use.as_ref() {
            grounds.push(format!(
                "the ledger has it in use since {}, by {}: {}",
                words::time(in_use.since).seen_at(now),
                in_use.by,
                in_use.why
            ));
        }
        grounds.extend(self.open_rotations.iter().cloned());
        grounds
    }

    /// Why nothing can be told of its use.
    fn gaps(&self) -> Vec<String> {
        let mut grounds = Vec::new();
        if !self.incomplete_regions.is_empty() {
            let regions = words::list(&self.incomplete_regions, 5);
            grounds.push(format!(
                "the index of {regions} was never complete, so associations may be missing"
            ));
        }
        if !self.stale_regions.is_empty() {
            let regions = words::list(&self.stale_regions, 5);
            grounds.push(format!("the index of {regions} is stale"));
        }
        if self.invalid_items > 0 {
            grounds.push(format!(
                "the index has {} on it, which a full run of the stack removes",
                words::count(self.invalid_items, "invalid item")
            ));
        }
        if !self.unread.is_empty() {
            let places = words::list(&self.unread, 3);
            grounds.push(format!("EKS did not show {places}"));
        }
        grounds
    }
}

impl Judgement {
    fn new(verdict: Verdict, grounds: Vec<String>) -> Self {
        Self { verdict, grounds }
    }
}

#[cfg(test)]
mod tests;
