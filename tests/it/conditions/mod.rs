//! Every condition that the product sends to DynamoDB, held against the embedded engine. Each write
//! has a table of cases: a change of the item just before the write, and whether the condition then
//! holds. The writes are the product's own calls, so a changed condition changes the result.
//!
//! A condition is complete if each of its comparisons and functions (its *atoms*) finds everything
//! that it can find, and decides at least one case that holds and one that fails. Then no atom can
//! be dropped, negated or widened without a case that shows it.
//!
//! `writes.txt` lists the writes that have cases. The harness holds the calls of every test against
//! it, so a new condition without a case fails the first test that comes across it.

/// Runs the cases of one write.
mod cases;
/// A model of condition expressions, which says what cases reach.
mod expression;
/// The items that are written.
mod items;
/// The writes in a call, and the list of those with cases.
pub mod writes;

mod closing;
/// Commands, turns and executions.
mod commands;
mod filters;
mod index_items;
mod index_runs;
mod invalid_items;
mod lease;
mod reversions;
mod roles;
mod rotations;
mod rows;
mod timelines;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use expect_test::expect_file;

use crate::conditions::cases::{Expected, Outcome};
use crate::conditions::expression::{Atom, Branch};

/// Atoms that never decide, by the write, and the atom that implies them.
const IMPLIED: &[(&str, &str, &str)] = &[(
    "count an arrival",
    "attribute_exists(rotationId)",
    "oldRoleArn = :role",
)];

/// The cases of all writes. The tests of one process run them once.
static ALL: LazyLock<Vec<Outcome>> = LazyLock::new(|| {
    let tables = [
        closing::TABLES,
        commands::TABLES,
        filters::TABLES,
        index_items::TABLES,
        index_runs::TABLES,
        invalid_items::TABLES,
        lease::TABLES,
        reversions::TABLES,
        roles::TABLES,
        rotations::TABLES,
        rows::TABLES,
        timelines::TABLES,
    ];
    tables
        .concat()
        .into_iter()
        .flat_map(|cases| cases())
        .collect()
});

#[test]
fn each_condition_holds_and_fails_as_its_cases_say() {
    let mut problems = Vec::new();
    for outcome in ALL.iter() {
        let Outcome { write, edit, .. } = outcome;
        let (found, text) = (outcome.found, &outcome.condition.text);
        if found != outcome.expected {
            problems.push(format!("{write}, {edit}: {found:?} ({text})"));
        }
        let holds = outcome.condition.holds(&outcome.branches);
        assert_eq!(holds, found == Expected::Holds, "the model of {text}");
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn every_branch_of_every_condition_has_a_case_and_decides_one() {
    let mut found: BTreeMap<(&str, String), Reached> = BTreeMap::new();
    for outcome in ALL.iter() {
        let condition = &outcome.condition;
        for (position, atom) in condition.atoms.iter().enumerate() {
            let branch = outcome.branches[position];
            let reached = found.entry((outcome.write, atom.text.clone()));
            let reached = reached.or_insert_with(|| Reached::none(atom));
            reached.branches.insert(branch);
            if condition.depends_on(position, &outcome.branches) {
                reached.deciding.insert(atom.holds(branch));
            }
        }
    }
    let problems: Vec<String> = found
        .into_iter()
        .flat_map(|((write, text), reached)| reached.problems(write, &text))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// What the cases of a write reach of one atom.
struct Reached {
    all_branches: &'static [Branch],
    branches: BTreeSet<Branch>,
    /// The results of the atom with which it decided a case.
    deciding: BTreeSet<bool>,
}

impl Reached {
    fn none(atom: &Atom) -> Self {
        Self {
            all_branches: atom.all_branches(),
            branches: BTreeSet::new(),
            deciding: BTreeSet::new(),
        }
    }

    fn problems(&self, write: &str, atom: &str) -> Vec<String> {
        let mut problems = Vec::new();
        for branch in self.all_branches {
            if !self.branches.contains(branch) {
                problems.push(format!("{write}: no case in which {atom} finds {branch:?}"));
            }
        }
        let is_implied = IMPLIED
            .iter()
            .any(|(of, text, _)| (*of, *text) == (write, atom));
        for result in [true, false] {
            if !is_implied && !self.deciding.contains(&result) {
                problems.push(format!("{write}: {atom} decides no case by being {result}"));
            }
        }
        problems
    }
}

#[test]
fn the_list_of_writes_has_those_with_cases() {
    let lines: BTreeSet<String> = ALL.iter().map(|outcome| outcome.line.clone()).collect();
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    expect_file!["writes.txt"].assert_eq(&text);
}
