//! `rerole version`: the versions of the CLI and of the deployed stack, and what is known of the
//! stack's functions.

use clap::Args;
use serde::Serialize;

use crate::answer::{Answer, Next};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::functions::{self, FunctionView, Looked};
use crate::stack::flags::{Form, OutputFlags, StackFlags};
use crate::stack::{CLI_VERSION, Stack};
use crate::terminal::{Layout, note, printable};

#[derive(Debug, Clone, Args)]
pub struct VersionFlags {
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

/// The versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Version {
    /// That of this CLI.
    pub cli: &'static str,
    /// That of the deployed stack. Null if the stack does not say.
    pub deployed: Option<String>,
    /// What to do, if they differ.
    pub advice: Option<String>,
    pub functions: Vec<FunctionView>,
    /// Why a function could not be looked at.
    pub problems: Vec<String>,
}

/// Shows the versions.
///
/// # Errors
/// If the stack cannot be found. The CLI's own version is shown before.
pub async fn run(flags: &VersionFlags) -> Result<Exit, Failure> {
    let stack = match Stack::find(&flags.stack).await {
        Ok(stack) => stack,
        Err(failure) => {
            if flags.output.output != Form::Json {
                note(&format!(
                    "rerole {CLI_VERSION}, and the version of the stack is unknown"
                ));
            }
            return Err(failure);
        }
    };
    let answer = Answer::start(&stack, &flags.output)?;
    let version = Version::new(stack.origin.version.clone(), functions::all(&stack).await);
    let text = format!("\n{}", version.text(&answer.layout));
    let next = [Next::new("rerole doctor").to("is this deployment healthy?")];
    answer.end(&version, &text, &next)?;
    Ok(Exit::Done)
}

/// What to do if CLI and stack are of different versions.
pub fn advice(deployed: Option<&str>) -> Option<String> {
    let numbers = |text: &str| -> Vec<u64> {
        text.split(['.', '-'])
            .map_while(|part| part.parse().ok())
            .collect()
    };
    match deployed {
        None => Some(
            "the stack does not say its version, so it is older than this CLI: update the stack \
             (docs/deploying.md)"
                .to_owned(),
        ),
        Some(version) if version == CLI_VERSION => None,
        Some(version) if numbers(version) < numbers(CLI_VERSION) => Some(format!(
            "the stack is older: update it to {CLI_VERSION} (docs/deploying.md), or use rerole \
             {version}"
        )),
        Some(version) => Some(format!("this CLI is older: use rerole {version}")),
    }
}

impl Version {
    fn new(deployed: Option<String>, looked: Vec<(&'static str, Looked)>) -> Self {
        let mut functions = Vec::new();
        let mut problems = Vec::new();
        for (_, function) in looked {
            match function {
                Ok(function) => functions.push(function),
                Err(error) => problems.push(error.to_string()),
            }
        }
        Self {
            cli: CLI_VERSION,
            advice: advice(deployed.as_deref()),
            deployed,
            functions,
            problems,
        }
    }

    fn text(&self, layout: &Layout) -> String {
        let deployed = self.deployed.as_deref().unwrap_or("unknown");
        let mut lines = vec![
            format!("  CLI       {}", self.cli),
            format!("  stack     {}", printable(deployed)),
        ];
        if let Some(advice) = &self.advice {
            lines.push(format!("  differ    {}", printable(advice)));
        }
        lines.push(String::new());
        let rows = self.functions.iter().map(|it| {
            let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            let seconds = it.last_modified.as_deref().map(seconds);
            vec![
                it.name.to_owned(),
                text(&it.state),
                text(&seconds),
                text(&it.runtime),
                text(&it.architecture),
            ]
        });
        let header = [
            "function",
            "state",
            "last changed",
            "runtime",
            "architecture",
        ];
        lines.push(layout.table(&header, rows));
        lines.extend(self.problems.iter().map(|it| printable(&format!("  {it}"))));
        lines.join("\n")
    }
}

/// A time of Lambda's, `2026-11-23T21:17:00.123+0000`, to the second.
fn seconds(text: &str) -> String {
    let second = text.split('.').next().unwrap_or(text);
    second.replace('T', " ")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn each_function_is_shown_as_lambda_shows_it() {
        let function = FunctionView {
            name: "rotate",
            arn: Some("arn:aws:lambda:us-east-1:111122223333:function:rotate".to_owned()),
            state: Some("Active".to_owned()),
            last_update_status: Some("Successful".to_owned()),
            reason: None,
            last_modified: Some("2026-11-23T21:17:00.123+0000".to_owned()),
            runtime: Some("provided.al2023".to_owned()),
            architecture: Some("arm64".to_owned()),
            code_sha256: None,
        };
        let version = Version {
            cli: "0.2.0",
            ..Version::new(Some("0.0.9".to_owned()), vec![("rotate", Ok(function))])
        };
        let text = version.text(&Layout::of_width(80));
        expect![[r"
              CLI       0.2.0
              stack     0.0.9
              differ    the stack is older: update it to 0.2.0 (docs/deploying.md), or use rerole 0.0.9

            FUNCTION  STATE   LAST CHANGED         RUNTIME          ARCHITECTURE
            rotate    Active  2026-11-23 21:17:00  provided.al2023  arm64"]].assert_eq(&text.replace(CLI_VERSION, "0.2.0"));
    }

    #[test]
    fn the_older_one_is_to_be_updated() {
        assert_eq!(advice(Some(CLI_VERSION)), None);
        for (version, text) in [
            (None, "update the stack"),
            (Some("0.0.9"), "the stack is older"),
            (Some("10.0.0"), "this CLI is older: use rerole 10.0.0"),
        ] {
            assert!(advice(version).unwrap().contains(text), "{version:?}");
        }
    }
}
