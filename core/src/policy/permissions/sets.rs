//! Sets of actions and of resources, made from the patterns of two roles' policies, and the
//! questions about them that the comparison asks. Each answer "yes" is certain, in both readings of
//! the patterns and whatever value a policy variable has. "No" may also mean "cannot tell".

mod area;
mod wording;

pub(super) use area::{Area, Pair, Relation};

use std::collections::HashMap;

use super::glob::{Glob, Kind, Reading};
use super::search::{Outcome, Search};

/// The work of one comparison: 1 for a pair of patterns, and more for a search. Twenty managed
/// policies of the greatest length on each side need a quarter of it. When it is used up, what is
/// left cannot be told.
const WORK_MAX: usize = 100_000_000;
/// A set with more exclusions than this is not searched: the searches would use up the work.
const PATTERNS_MAX: usize = 200;

/// A pattern of [`Sets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GlobId(u32);

/// What a statement selects, as [`Sets`] knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SelId(usize);

/// What one of the patterns matches, or what none of them matches.
#[derive(Debug, Clone)]
enum Selected {
    Only(Vec<GlobId>),
    AllBut(Vec<GlobId>),
}

/// All patterns of a comparison, and what is known about them.
pub(super) struct Sets {
    globs: Vec<Glob>,
    ids: HashMap<(Kind, String), GlobId>,
    selected: Vec<Selected>,
    pairs: HashMap<Pair<GlobId>, Relation>,
    relations: HashMap<(GlobId, SelId), Relation>,
    work_left: usize,
}

impl Sets {
    pub(super) fn new() -> Self {
        Self {
            globs: Vec::new(),
            ids: HashMap::new(),
            selected: Vec::new(),
            pairs: HashMap::new(),
            relations: HashMap::new(),
            work_left: WORK_MAX,
        }
    }

    /// Adds a pattern. Two are one if they match the same in both roles: their texts are equal, and
    /// `differs` does not say of a policy variable that it has another value in the other role.
    pub(super) fn glob(
        &mut self,
        text: &str,
        kind: Kind,
        differs: impl Fn(&str) -> bool,
    ) -> GlobId {
        let has_variables = text.contains("${");
        let kind = match kind {
            Kind::PlainResource if !has_variables => Kind::Resource,
            kind => kind,
        };
        let folded = match kind {
            // Each action has a service.
            Kind::Action if text == "*:*" => "*".to_owned(),
            Kind::Action => text.to_ascii_lowercase(),
            _ => text.to_owned(),
        };
        if let Some(id) = self.ids.get(&(kind, folded.clone())) {
            return *id;
        }
        let id = GlobId(u32::try_from(self.globs.len()).unwrap_or(u32::MAX));
        let glob = Glob::new(if folded == "*" { "*" } else { text }, kind);
        if !glob.variables().iter().any(|name| differs(name)) {
            self.ids.insert((kind, folded), id);
        }
        self.globs.push(glob);
        id
    }

    /// Returns whether the comparison has taken so long that the remaining answers are all "cannot
    /// tell".
    pub(super) fn is_exhausted(&self) -> bool {
        self.work_left == 0
    }

    pub(super) fn only(&mut self, globs: Vec<GlobId>) -> SelId {
        self.selected.push(Selected::Only(globs));
        SelId(self.selected.len() - 1)
    }

    pub(super) fn all_but(&mut self, globs: Vec<GlobId>) -> SelId {
        self.selected.push(Selected::AllBut(globs));
        SelId(self.selected.len() - 1)
    }

    fn get(&self, id: GlobId) -> &Glob {
        &self.globs[id.0 as usize]
    }

    /// Returns the areas that together are what the statement selects.
    pub(super) fn areas(&self, selected: SelId, any: GlobId) -> Vec<Area> {
        match &self.selected[selected.0] {
            Selected::Only(globs) => globs.iter().map(|glob| Area::of(*glob)).collect(),
            Selected::AllBut(globs) => vec![Area {
                all: vec![any],
                none: globs.clone(),
            }],
        }
    }

    /// Returns how two patterns relate: the first within the second, or apart from it.
    fn pair(&mut self, Pair { inner, outer }: Pair<GlobId>) -> Relation {
        self.work_left = self.work_left.saturating_sub(1);
        if self.work_left == 0 {
            return Relation::Overlapping;
        }
        let pair = Pair { inner, outer };
        let [a, b] = [inner, outer].map(|id| &self.globs[id.0 as usize]);
        if inner == outer || b.is_any() {
            return Relation::Within;
        }
        if !a.prefix().starts_with(b.prefix()) && !b.prefix().starts_with(a.prefix()) {
            return Relation::Apart;
        }
        if let Some(relation) = self.pairs.get(&pair) {
            return *relation;
        }
        let relation = if let Some(text) = a.literal() {
            self.work_left = self.work_left.saturating_sub(text.len());
            let is_in = |reading| b.matches(text, reading);
            match (is_in(Reading::Across), is_in(Reading::Segment)) {
                (true, true) if b.variables().is_empty() => Relation::Within,
                (false, _) => Relation::Apart,
                _ => Relation::Overlapping,
            }
        } else if self.is_nothing(&Area::of(inner).without(outer)) {
            Relation::Within
        } else if self.is_nothing(&Area::of(inner).and(outer)) {
            Relation::Apart
        } else {
            Relation::Overlapping
        };
        self.pairs.insert(pair, relation);
        relation
    }

    /// Returns whether certainly no text is in the area. Policy variables count as `*` in `all`,
    /// which makes these sets too large, so "yes" stays right. Patterns with variables do not count
    /// in `none`.
    fn is_nothing(&mut self, Area { all, none }: &Area) -> bool {
        if self.work_left == 0 || all.len() + none.len() > PATTERNS_MAX {
            return false;
        }
        let plain = |id: &GlobId| self.globs[id.0 as usize].is_plain();
        // What is apart where wildcards reach farther is also apart where they do not.
        let readings: &[_] = if none.is_empty() || all.iter().chain(none).all(plain) {
            &[Reading::Across]
        } else {
            &[Reading::Across, Reading::Segment]
        };
        readings.iter().all(|reading| {
            let globs = &self.globs;
            let get = |id: &GlobId| (&globs[id.0 as usize], *reading);
            let fixed = |(glob, _): &(&Glob, Reading)| glob.variables().is_empty();
            let search = Search {
                all: all.iter().map(get).collect(),
                none: none.iter().map(get).filter(fixed).collect(),
            };
            search.run(&mut self.work_left) == Outcome::Nothing
        })
    }

    /// Returns how the area relates to a pattern.
    fn relation(&mut self, area: &Area, glob: GlobId) -> Relation {
        for at in 0..area.all.len() {
            let relation = self.pair(Pair {
                inner: area.all[at],
                outer: glob,
            });
            if relation != Relation::Overlapping {
                return relation;
            }
        }
        if area.none.contains(&glob) {
            return Relation::Apart;
        }
        if area.all.len() == 1 && area.none.is_empty() {
            return Relation::Overlapping;
        }
        if self.is_nothing(&area.clone().without(glob)) {
            Relation::Within
        } else if self.is_nothing(&area.clone().and(glob)) {
            Relation::Apart
        } else {
            Relation::Overlapping
        }
    }

    /// Returns how the area relates to what a statement selects.
    pub(super) fn relation_to(&mut self, area: &Area, selected: SelId) -> Relation {
        let single = (area.none.is_empty() && area.all.len() == 1).then(|| area.all[0]);
        if let Some(known) = single.and_then(|glob| self.relations.get(&(glob, selected))) {
            return *known;
        }
        let (globs, inverted) = match self.selected[selected.0].clone() {
            Selected::Only(globs) => (globs, false),
            Selected::AllBut(globs) => (globs, true),
        };
        let mut relation = Relation::Apart;
        for glob in globs {
            match self.relation(area, glob) {
                Relation::Apart => {}
                Relation::Overlapping => relation = Relation::Overlapping,
                Relation::Within => {
                    relation = Relation::Within;
                    break;
                }
            }
        }
        if inverted {
            relation = match relation {
                Relation::Within => Relation::Apart,
                Relation::Apart => Relation::Within,
                Relation::Overlapping => Relation::Overlapping,
            };
        }
        if let Some(glob) = single {
            self.relations.insert((glob, selected), relation);
        }
        relation
    }

    /// Returns the parts of the area that the statement selects.
    pub(super) fn meet(&mut self, area: &Area, selected: SelId) -> Vec<Area> {
        match self.selected[selected.0].clone() {
            Selected::Only(globs) => globs
                .iter()
                .filter_map(|glob| self.meet_glob(area, *glob))
                .collect(),
            Selected::AllBut(globs) => self.minus_globs(area, &globs).into_iter().collect(),
        }
    }

    /// Returns the parts of the area that the statement does not select.
    pub(super) fn minus(&mut self, area: &Area, selected: SelId) -> Vec<Area> {
        match self.selected[selected.0].clone() {
            Selected::Only(globs) => self.minus_globs(area, &globs).into_iter().collect(),
            Selected::AllBut(globs) => globs
                .iter()
                .filter_map(|glob| self.meet_glob(area, *glob))
                .collect(),
        }
    }

    /// Returns the part of the area that the pattern matches, or `None` if there is certainly none.
    pub(super) fn meet_glob(&mut self, area: &Area, glob: GlobId) -> Option<Area> {
        match self.relation(area, glob) {
            Relation::Apart => None,
            Relation::Within => Some(area.clone()),
            Relation::Overlapping => {
                let mut all = area.all.clone();
                all.retain(|wider| {
                    self.pair(Pair {
                        inner: glob,
                        outer: *wider,
                    }) != Relation::Within
                });
                all.push(glob);
                let mut none = area.none.clone();
                none.retain(|other| {
                    self.pair(Pair {
                        inner: *other,
                        outer: glob,
                    }) != Relation::Apart
                });
                Some(Area { all, none })
            }
        }
    }

    fn minus_globs(&mut self, area: &Area, globs: &[GlobId]) -> Option<Area> {
        let mut rest = area.clone();
        for glob in globs {
            match self.relation(&rest, *glob) {
                Relation::Apart => {}
                Relation::Within => return None,
                Relation::Overlapping => {
                    // An exclusion within another one says nothing.
                    rest.none.retain(|other| {
                        self.pair(Pair {
                            inner: *other,
                            outer: *glob,
                        }) != Relation::Within
                    });
                    rest.none.push(*glob);
                }
            }
        }
        Some(rest)
    }

    /// Returns whether the inner area is certainly within the outer one.
    pub(super) fn is_within(&mut self, Pair { inner, outer }: Pair<&Area>) -> bool {
        outer
            .all
            .iter()
            .all(|glob| self.relation(inner, *glob) == Relation::Within)
            && outer
                .none
                .iter()
                .all(|glob| self.relation(inner, *glob) == Relation::Apart)
    }

    /// Returns a text that is certainly in the area, and one of `shapes`.
    pub(super) fn point(&mut self, area: &Area, shapes: &[GlobId]) -> Option<String> {
        if self.work_left == 0 || area.all.len() + area.none.len() > PATTERNS_MAX {
            return None;
        }
        if area
            .all
            .iter()
            .any(|glob| !self.get(*glob).variables().is_empty())
        {
            return None;
        }
        let globs = &self.globs;
        let get = |id: &GlobId, reading| (&globs[id.0 as usize], reading);
        let none = area.none.iter().map(|id| get(id, Reading::Across));
        let none: Vec<_> = none.collect();
        for shape in shapes {
            let all = area.all.iter().chain([shape]);
            let search = Search {
                all: all.map(|id| get(id, Reading::Segment)).collect(),
                none: none.clone(),
            };
            if let Outcome::Found(text) = search.run(&mut self.work_left) {
                return Some(text);
            }
        }
        None
    }
}
