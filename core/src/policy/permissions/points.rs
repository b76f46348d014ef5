//! One request that is certainly in a grant and in none of some rules: the proof that something
//! changes.
//!
//! Such a request avoids each rule by its action or by its resource. Trying all ways would take
//! exponential time. Two are tried: as many rules as possible are avoided by the action, and as
//! many as possible by the resource. If both fail, the answer is "cannot tell".

use super::grants::Grant;
use super::rules::Rule;
use super::sets::{Area, GlobId, Relation, SelId, Sets};

/// The forms of what a request names.
#[derive(Debug, Clone)]
pub(super) struct Shapes {
    /// `service:Action`.
    pub actions: Vec<GlobId>,
    /// An ARN; and `*`, which is what an action without a resource is checked for.
    pub resources: Vec<GlobId>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    /// In lower case.
    pub action: String,
    pub resource: String,
}

/// Returns a request that is certainly in the grant's sets and that none of the rules selects.
pub(super) fn point<'a>(
    grant: &Grant,
    avoided: impl Iterator<Item = &'a Rule>,
    shapes: &Shapes,
    sets: &mut Sets,
) -> Option<Point> {
    let mut near: Vec<(SelId, SelId)> = Vec::new();
    for rule in avoided {
        let selected = (rule.actions, rule.resources);
        match grant.relation_to(rule, sets) {
            Relation::Within => return None,
            Relation::Overlapping => near.push(selected),
            Relation::Apart => {}
        }
    }
    let by_action = |(actions, _): &(SelId, SelId), sets: &mut Sets| {
        sets.relation_to(&grant.actions, *actions) != Relation::Within
    };
    let by_resource = |(_, resources): &(SelId, SelId), sets: &mut Sets| {
        sets.relation_to(&grant.resources, *resources) != Relation::Within
    };
    let (actions, resources) = near.iter().copied().partition(|rule| by_action(rule, sets));
    let way = Way { actions, resources };
    if let Some(found) = way.point(grant, shapes, sets) {
        return Some(found);
    }
    let (resources, actions) = near
        .iter()
        .copied()
        .partition(|rule| by_resource(rule, sets));
    Way { actions, resources }.point(grant, shapes, sets)
}

/// How rules are avoided.
struct Way {
    /// These by the action,
    actions: Vec<(SelId, SelId)>,
    /// and these by the resource.
    resources: Vec<(SelId, SelId)>,
}

impl Way {
    fn point(&self, grant: &Grant, shapes: &Shapes, sets: &mut Sets) -> Option<Point> {
        let actions = self.actions.iter().map(|(actions, _)| *actions);
        let actions = outside(&grant.actions, actions, sets)?;
        let resources = self.resources.iter().map(|(_, resources)| *resources);
        let resources = outside(&grant.resources, resources, sets)?;
        Some(Point {
            action: sets.point(&actions, &shapes.actions)?,
            resource: sets.point(&resources, &shapes.resources)?,
        })
    }
}

/// Returns a part of the area that none of the statements selects.
fn outside(area: &Area, avoided: impl Iterator<Item = SelId>, sets: &mut Sets) -> Option<Area> {
    let mut rest = area.clone();
    for selected in avoided {
        rest = sets.minus(&rest, selected).into_iter().next()?;
    }
    Some(rest)
}
