//! Findings as text.

use crate::terminal::printable;
use crate::verbs::doctor::finding::{Finding, Level};
use crate::words;

/// The findings in the order of the checks, and how many of each kind there are.
pub fn findings(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for Finding {
        check,
        level,
        found,
        todo,
    } in findings
    {
        lines.push(format!("{:<8} {check:<10} {found}", word(*level)));
        if let Some(todo) = todo {
            lines.push(format!("{:<19} to do: {todo}", ""));
        }
    }
    let number = |level| findings.iter().filter(|it| it.level == level).count() as u64;
    let (problems, warnings) = (number(Level::Problem), number(Level::Warning));
    let unknown = match number(Level::Unknown) {
        0 => String::new(),
        number => format!(", {number} that you may not look at"),
    };
    lines.push(format!(
        "\n{}, {}{unknown}, of {}.",
        words::count(problems, "problem"),
        words::count(warnings, "warning"),
        words::count(findings.len() as u64, "finding"),
    ));
    printable(&lines.join("\n"))
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Unknown => "unknown",
        Level::Warning => "warning",
        Level::Problem => "PROBLEM",
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use rerole_core::call::{CallError, Operation};

    use super::*;
    use crate::verbs::doctor::finding::Check;

    #[test]
    fn each_finding_says_what_to_do() {
        let operation = Operation::on("look at", &"it");
        let error = CallError::contention(operation, "busy".to_owned());
        let all = [
            Check("queues").ok("empty"),
            Check("index").problem("eu-west-1 was never complete", "rerole index build"),
            Check("alarms").unknown("you may not look", "to check it, you need sns:…"),
            Check("rules").failed("events:ListRules", &error),
        ];
        expect![[r#"
            ok       queues     empty
            PROBLEM  index      eu-west-1 was never complete
                                to do: rerole index build
            unknown  alarms     you may not look
                                to do: to check it, you need sns:…
            warning  rules      could not be looked at: look at it: busy
                                to do: run rerole doctor again

            1 problem, 1 warning, 1 that you may not look at, of 4 findings."#]]
        .assert_eq(&findings(&all));
    }
}
