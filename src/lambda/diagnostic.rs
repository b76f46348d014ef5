//! How an error of a function is reported to Lambda.

use std::fmt::Display;

use lambda_runtime::Diagnostic;

/// Returns the report of an error. Its type is the name of the error's variant, which Step
/// Functions, alarms and operators match on.
pub fn diagnostic<'a, E>(error: &'a E) -> Diagnostic
where
    E: Display,
    &'a E: Into<&'static str>,
{
    let error_type: &'static str = error.into();
    Diagnostic {
        error_type: error_type.to_owned(),
        error_message: error.to_string(),
    }
}

/// Compares the report of an error with the expected text, for the tests of the functions.
#[cfg(test)]
pub(crate) fn check(report: Diagnostic, expected: &expect_test::Expect) {
    let Diagnostic {
        error_type,
        error_message,
    } = report;
    expected.assert_eq(&format!("{error_type}: {error_message}"));
}
