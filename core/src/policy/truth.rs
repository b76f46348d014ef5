//! Three-valued logic (Kleene): a judgement is yes, no, or unknown for reasons.

use std::collections::BTreeSet;

use crate::policy::Reason;

/// Whether something matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    No,
    /// Never without a reason.
    Unknown(BTreeSet<Reason>),
    Yes,
}

impl Judgement {
    pub(super) fn unknown(reason: Reason) -> Self {
        Self::Unknown(BTreeSet::from([reason]))
    }

    pub(super) fn undocumented(rule: impl Into<String>) -> Self {
        Self::unknown(Reason::Undocumented(rule.into()))
    }

    pub(super) fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Yes => Self::No,
            unknown @ Self::Unknown(_) => unknown,
        }
    }

    /// Returns no if one is no, and yes if all are yes.
    pub(super) fn all(judgements: impl IntoIterator<Item = Self>) -> Self {
        let mut reasons = BTreeSet::new();
        for judgement in judgements {
            match judgement {
                Self::No => return Self::No,
                Self::Unknown(more) => reasons.extend(more),
                Self::Yes => {}
            }
        }
        if reasons.is_empty() {
            Self::Yes
        } else {
            Self::Unknown(reasons)
        }
    }

    /// Returns yes if one is yes, and no if all are no.
    pub(super) fn any(judgements: impl IntoIterator<Item = Self>) -> Self {
        Self::all(judgements.into_iter().map(Self::not)).not()
    }

    /// Returns what holds in both of two cases, or that it is unknown which of them is given.
    pub(super) fn in_both(self, other: Self, which: Reason) -> Self {
        if self == other && !matches!(self, Self::Unknown(_)) {
            return self;
        }
        let mut reasons = BTreeSet::from([which]);
        for judgement in [self, other] {
            if let Self::Unknown(more) = judgement {
                reasons.extend(more);
            }
        }
        Self::Unknown(reasons)
    }

    /// Turns a yes into an unknown if there is a doubt.
    pub(super) fn doubted(self, doubts: BTreeSet<Reason>) -> Self {
        match self {
            Self::Yes if !doubts.is_empty() => Self::Unknown(doubts),
            other => other,
        }
    }
}

impl From<bool> for Judgement {
    fn from(matches: bool) -> Self {
        if matches { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definite_part_decides_whatever_is_unknown_beside_it() {
        let unknown = || Judgement::unknown(Reason::Resource);
        assert_eq!(Judgement::all([unknown(), Judgement::No]), Judgement::No);
        assert_eq!(Judgement::all([unknown(), Judgement::Yes]), unknown());
        assert_eq!(Judgement::all([]), Judgement::Yes);
        assert_eq!(Judgement::any([unknown(), Judgement::Yes]), Judgement::Yes);
        assert_eq!(Judgement::any([unknown(), Judgement::No]), unknown());
        assert_eq!(Judgement::any([]), Judgement::No);
        assert_eq!(unknown().not(), unknown());
    }
}
