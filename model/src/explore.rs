//! Runs the checker on a model, and says what it found.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

/// A continuous-integration machine has two cores.
const THREADS: usize = 2;

/// Visits all states of a model, and returns how many there are.
///
/// # Panics
/// If an `always` property does not hold in a state, or a `sometimes` property in none, or if not
/// all states were visited.
pub fn exhaust<M>(name: &str, model: M) -> usize
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Clone + PartialEq + Hash + Send + Sync,
    M::Action: Debug + Clone + PartialEq,
{
    let start = Instant::now();
    let checker = model.checker().threads(THREADS).spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.is_done(), "{name}: not all states were visited");
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    let secs = start.elapsed().as_secs_f32();
    println!("{name}: {states} states, at most {depth} steps deep, {secs:.1} s");
    states
}

/// Finds a counterexample of one of the model's `always` properties, and returns its steps.
///
/// # Panics
/// If there is none.
pub fn counterexample<M>(model: M, property: &'static str) -> Vec<String>
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Clone + PartialEq + Hash + Send + Sync,
    M::Action: Debug + Clone + PartialEq,
{
    let found = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = model.checker().finish_when(found).threads(THREADS);
    // Depth first: most counterexamples are near the end of a history.
    let checker = checker.spawn_dfs().join();
    let states = checker.unique_state_count();
    let path = checker.discovery(property);
    let path = path.unwrap_or_else(|| panic!("{property}: it holds in all {states} states"));
    println!("{property}: broken after {states} states");
    let actions = path.into_actions();
    actions.iter().map(|action| format!("{action:?}")).collect()
}
