//! Looks for a text that is in some sets and not in others. All questions about sets are such
//! searches: `a` is within `b` if no text is in `a` and not in `b`, and they are apart if no text
//! is in both.
//!
//! The search walks the product of the patterns' automata, breadth first, so it is exact. The
//! product can be exponentially large (`*a??????????????`), so the search has bounds, and beyond
//! them the answer is that it was given up.

use std::collections::HashSet;

use super::glob::{Glob, Positions, Reading};

/// The states of one search. Real policies need as many as their longest pattern has characters,
/// times a few.
const STATES_MAX: usize = 2_000;
/// What it costs to look at one position, in units of [`Search::run`].
const POSITION_COST: usize = 20;

/// The sets of a search.
pub(super) struct Search<'a> {
    /// The text is in all of these,
    pub all: Vec<(&'a Glob, Reading)>,
    /// and in none of these.
    pub none: Vec<(&'a Glob, Reading)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A shortest text.
    Found(String),
    Nothing,
    GivenUp,
}

/// Where a text has led in each pattern, those of `all` first.
type State = Vec<Positions>;

/// A state that was reached: from which one, and by which character.
struct Reached {
    state: State,
    by: Option<(usize, char)>,
}

impl Search<'_> {
    /// Runs the search. `work_left` bounds the work of all searches together; a unit is about that
    /// of comparing two short texts.
    pub(super) fn run(&self, work_left: &mut usize) -> Outcome {
        let start: State = self
            .globs()
            .map(|(glob, reading)| glob.start(reading))
            .collect();
        let mut reached = Vec::new();
        let mut known = HashSet::new();
        if self.is_open(&start) {
            known.insert(start.clone());
            reached.push(Reached {
                state: start,
                by: None,
            });
        }
        let mut next = 0;
        while next < reached.len() {
            if self.accepts(&reached[next].state) {
                return Outcome::Found(text(&reached, next));
            }
            for c in self.characters(&reached[next].state) {
                let state = self.step(&reached[next].state, c);
                let positions: usize = state.iter().map(|positions| positions.len() + 1).sum();
                let Some(left) = work_left.checked_sub(positions * POSITION_COST) else {
                    *work_left = 0;
                    return Outcome::GivenUp;
                };
                *work_left = left;
                if self.is_open(&state) && known.insert(state.clone()) {
                    reached.push(Reached {
                        state,
                        by: Some((next, c)),
                    });
                }
            }
            if reached.len() > STATES_MAX {
                return Outcome::GivenUp;
            }
            next += 1;
        }
        Outcome::Nothing
    }

    fn globs(&self) -> impl Iterator<Item = (&Glob, Reading)> {
        self.all.iter().chain(&self.none).copied()
    }

    fn step(&self, state: &State, c: char) -> State {
        let globs = self.globs().zip(state);
        globs
            .map(|((glob, reading), from)| glob.step(from, c, reading))
            .collect()
    }

    fn accepts(&self, state: &State) -> bool {
        let (all, none) = state.split_at(self.all.len());
        let accepts = |((glob, _), at): (&(&Glob, Reading), &Positions)| glob.accepts(at);
        self.all.iter().zip(all).all(accepts) && !self.none.iter().zip(none).any(accepts)
    }

    /// Returns whether a continuation can still be accepted, as far as each pattern alone shows.
    fn is_open(&self, state: &State) -> bool {
        let (all, none) = state.split_at(self.all.len());
        let closes =
            |((glob, reading), at): (&(&Glob, Reading), &Positions)| glob.accepts_all(at, *reading);
        !all.iter().any(Vec::is_empty) && !self.none.iter().zip(none).any(closes)
    }

    /// Returns the characters that lead to different states, and one that stands for all others.
    fn characters(&self, state: &State) -> Vec<char> {
        let mut characters = Vec::new();
        for ((glob, _), at) in self.globs().zip(state) {
            glob.add_characters(at, &mut characters);
        }
        characters.sort_unstable();
        characters.dedup();
        let mut others = ('a'..='z').chain('\u{e000}'..='\u{f8ff}');
        let other = others.find(|c| !characters.contains(c));
        characters.extend(other);
        characters
    }
}

fn text(reached: &[Reached], last: usize) -> String {
    let mut text = Vec::new();
    let mut at = last;
    while let Some((from, c)) = reached[at].by {
        text.push(c);
        at = from;
    }
    text.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::super::glob::Kind;
    use super::*;

    fn search(all: &[&str], none: &[&str], reading: Reading) -> Outcome {
        let globs = |texts: &[&str]| -> Vec<_> {
            texts
                .iter()
                .map(|text| Glob::new(text, Kind::Resource))
                .collect()
        };
        let (all, none) = (globs(all), globs(none));
        let search = Search {
            all: all.iter().map(|glob| (glob, reading)).collect(),
            none: none.iter().map(|glob| (glob, reading)).collect(),
        };
        search.run(&mut 10_000_000)
    }

    #[test]
    fn a_search_finds_a_shortest_text_or_nothing() {
        for (all, none, expected) in [
            (&["a*"][..], &[][..], Some("a")),
            (&["a*"], &["a"], Some("aa")),
            (&["a*"], &["a", "aa"], Some("ab")),
            (&["a*", "*b"], &[], Some("ab")),
            (&["a*", "b*"], &[], None),
            (&["a?*"], &["a*"], None),
            (&["a*"], &["a?*"], Some("a")),
            (&["*a*b*"], &["*a*"], None),
            (&["*"], &["?*"], Some("")),
            (&["*"], &["?*", ""], None),
            (&["é?"], &["éa", "éb"], Some("é:")),
            (&["a${*}"], &["a?"], None),
            (&["a?"], &["a${*}", "a:"], Some("aa")),
        ] {
            let found = search(all, none, Reading::Across);
            let expected = match expected {
                Some(text) => Outcome::Found(text.to_owned()),
                None => Outcome::Nothing,
            };
            assert_eq!(found, expected, "{all:?} without {none:?}");
        }
    }

    #[test]
    fn a_star_reaches_over_a_colon_if_it_ends_a_segment_or_is_read_so() {
        for (pattern, text, across, segment) in [
            ("a*", "a:b", true, true),
            ("a*:c", "a:b:c", true, true),
            ("a*c", "a:c", true, false),
            ("a*c", "abc", true, true),
            ("a?c", "a:c", true, false),
            ("a?", "a:", true, false),
        ] {
            for (reading, expected) in [(Reading::Across, across), (Reading::Segment, segment)] {
                let is_found = search(&[pattern, text], &[], reading) != Outcome::Nothing;
                assert_eq!(is_found, expected, "{pattern} on {text}, {reading:?}");
            }
        }
    }

    #[test]
    fn a_search_with_too_many_states_is_given_up() {
        let all = format!("*a{}", "?".repeat(40));
        let none = format!("*b{}", "?".repeat(41));
        assert_eq!(
            search(&[&all], &[&none, "?*"], Reading::Across),
            Outcome::Nothing
        );
        assert_eq!(
            search(&[&all, "*c"], &[&none, "*c"], Reading::Across),
            Outcome::GivenUp
        );
    }
}
