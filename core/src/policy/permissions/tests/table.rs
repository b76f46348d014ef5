//! The table of pairs, `table.txt`: each case has the statements of both roles, and what differs.

use std::fmt::Write as _;

use expect_test::expect_file;

use super::compare;

/// The cases; the fewest that the table may have.
const CASES_MIN: usize = 40;

#[test]
fn each_pair_of_roles_has_the_difference_of_the_table() {
    let table = include_str!("table.txt");
    let cases: Vec<_> = table.split("\n\n").collect();
    assert!(cases.len() >= CASES_MIN, "{} cases", cases.len());
    let cases: Vec<_> = cases.into_iter().map(played).collect();
    expect_file!["table.txt"].assert_eq(&format!("{}\n", cases.join("\n\n")));
}

/// Returns the case with what differs.
fn played(case: &str) -> String {
    let given = case.lines().filter(|line| {
        ["#", "old: ", "new: "]
            .iter()
            .any(|start| line.starts_with(start))
    });
    let given: Vec<_> = given.collect();
    let role = |name| {
        let lines = given.iter().filter_map(|line| line.strip_prefix(name));
        lines.collect::<Vec<_>>().join("\n")
    };
    let difference = compare(&role("old: "), &role("new: "));
    let mut text = given.join("\n");
    for entry in &difference.entries {
        let (actions, resources) = (entry.actions.join(", "), entry.resources.join(", "));
        let (label, change) = (entry.change.label(), &entry.change);
        write!(text, "\n= {label}: {actions} on {resources}: {change}").unwrap();
    }
    write!(text, "\n= kept: {}", difference.kept).unwrap();
    text
}
