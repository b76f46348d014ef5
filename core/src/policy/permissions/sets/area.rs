//! One set of texts, by the patterns that make it, and how two sets relate. The patterns themselves
//! are in `Sets`.

use super::GlobId;

/// What all patterns of `all` match, and none of `none`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in super::super) struct Area {
    pub(super) all: Vec<GlobId>,
    pub(super) none: Vec<GlobId>,
}

/// Two sets, of which the first may be within the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Pair<T> {
    pub inner: T,
    pub outer: T,
}

/// How a set relates to what a statement selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Relation {
    Within,
    Apart,
    /// They overlap, or it cannot be told.
    Overlapping,
}

impl Area {
    pub(in super::super) fn of(glob: GlobId) -> Self {
        Self {
            all: vec![glob],
            none: Vec::new(),
        }
    }

    /// Returns the part that the pattern matches.
    pub(super) fn and(mut self, glob: GlobId) -> Self {
        self.all.push(glob);
        self
    }

    /// Returns the part that the pattern does not match.
    pub(super) fn without(mut self, glob: GlobId) -> Self {
        self.none.push(glob);
        self
    }
}
