//! The operation that publishes entries of a timeline again.

use serde::Deserialize;
use serde_json::Value;

use crate::keys::LedgerKey;
use crate::request::Rejection;

/// More entries than any timeline has.
const ENTRIES_MAX: u64 = 1_000;

/// `{"republish": {"rotationId": …, "fromSeq": …, "toSeq": …}}`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Republish {
    /// That of a rotation, or of the stack.
    pub key: LedgerKey,
    /// The first entry.
    pub from_seq: u64,
    /// The last entry. A timeline may end before it.
    pub to_seq: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Members {
    rotation_id: String,
    #[serde(default = "first")]
    from_seq: u64,
    to_seq: Option<u64>,
}

fn first() -> u64 {
    1
}

impl Republish {
    /// The member of a payload that asks for it.
    pub const MEMBER: &'static str = "republish";

    /// Parses the value of the member.
    ///
    /// # Errors
    /// If a member is missing, unknown or invalid.
    pub fn parse(members: &Value) -> Result<Self, Rejection> {
        let field = |name: &str| format!("{}.{name}", Self::MEMBER);
        let Members {
            rotation_id,
            from_seq,
            to_seq,
        } = Members::deserialize(members).map_err(|error| {
            let allowed = format!("rotationId, and optionally fromSeq and toSeq: {error}");
            Rejection::new(Self::MEMBER, members, allowed)
        })?;
        let key = LedgerKey::of_timeline(&rotation_id).ok_or_else(|| {
            let allowed = "the ID of a rotation, with its prefix dry-run/ or rollback/, or \
                           stack/state";
            Rejection::new(field("rotationId"), &Value::from(rotation_id), allowed)
        })?;
        if from_seq == 0 {
            let allowed = "a number from 1";
            return Err(Rejection::new(field("fromSeq"), &from_seq.into(), allowed));
        }
        let last = from_seq.saturating_add(ENTRIES_MAX - 1);
        let to_seq = to_seq.unwrap_or(last);
        if !(from_seq..=last).contains(&to_seq) {
            let allowed = format!("a number from fromSeq to {last}");
            return Err(Rejection::new(field("toSeq"), &to_seq.into(), allowed));
        }
        Ok(Self {
            key,
            from_seq,
            to_seq,
        })
    }
}
