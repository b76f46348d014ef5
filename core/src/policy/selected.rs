//! Whether a statement's actions and resources include those of a request.
//!
//! IAM User Guide, "IAM JSON policy elements: Action", "… `NotAction`", "… Resource" and
//! "… `NotResource`".

use std::collections::BTreeSet;

use crate::policy::pattern::{Case, Piece, matches};
use crate::policy::truth::Judgement;
use crate::policy::variables::{Expansion, Wildcards, expand, has_variable};
use crate::policy::{Context, Pattern, Reason, Selection, Version};

/// Returns whether the action is selected. Actions have no upper and lower case.
pub(super) fn judge_action(actions: &Selection<Pattern>, action: &str) -> Judgement {
    selected(actions, |pattern| {
        if has_variable(pattern.as_str(), Version::V2012) {
            Judgement::undocumented(format!("the variable in the action \"{pattern}\""))
        } else {
            pattern.matches(action, Case::Ignored).into()
        }
    })
}

/// Returns whether the resource is selected. In a trust policy, there are no resources: it is about
/// its role.
pub(super) fn judge_resource(
    resources: Option<&Selection<Pattern>>,
    resource: Option<&str>,
    version: Version,
    context: &Context,
) -> Judgement {
    let Some(resources) = resources else {
        return Judgement::Yes;
    };
    let mut doubts = BTreeSet::new();
    let judgement = selected(resources, |pattern| {
        if pattern.is_any() {
            return Judgement::Yes;
        }
        let Some(resource) = resource else {
            return Judgement::unknown(Reason::Resource);
        };
        match expand(pattern.as_str(), Wildcards::Read, version, context) {
            Expansion::Known(pieces) => is_resource(pattern, &pieces, resource),
            Expansion::Unresolved(reason) => {
                doubts.insert(reason);
                Judgement::No
            }
            Expansion::Unknown { reason, doubt } => {
                doubts.extend(doubt.then(|| reason.clone()));
                Judgement::unknown(reason)
            }
        }
    });
    judgement.doubted(doubts)
}

fn selected(
    selection: &Selection<Pattern>,
    mut judge: impl FnMut(&Pattern) -> Judgement,
) -> Judgement {
    // Each entry is judged, also after one that matches, because of its doubts.
    let entries: Vec<_> = selection.entries().iter().map(&mut judge).collect();
    match selection {
        Selection::Only(_) => Judgement::any(entries),
        Selection::AllBut(_) => Judgement::any(entries).not(),
    }
}

/// Returns whether the pattern of an ARN matches a resource. Wildcards match within the parts
/// between colons. A `*` at the end of a part "can expand to match beyond the colon boundaries":
/// at the end of the whole pattern it does, and elsewhere that is not certain.
fn is_resource(pattern: &Pattern, pieces: &[Piece], resource: &str) -> Judgement {
    if !matches(pieces, resource, Case::Matters) {
        return Judgement::No;
    }
    let patterns: Vec<_> = pieces
        .splitn(6, |piece| *piece == Piece::One(':'))
        .collect();
    let parts: Vec<_> = resource.splitn(patterns.len(), ':').collect();
    let ends_in_star = pieces.last() == Some(&Piece::AnyMany);
    let mut pairs = patterns.iter().zip(&parts);
    let is_by_part = patterns.len() == parts.len()
        && (patterns.len() == 6 || ends_in_star || pattern.is_literal())
        && pairs.all(|(pattern, part)| matches(pattern, part, Case::Matters));
    if is_by_part {
        Judgement::Yes
    } else {
        Judgement::undocumented(format!("how far the wildcards of \"{pattern}\" reach"))
    }
}
