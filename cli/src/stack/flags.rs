//! The flags that every command has that talks to a stack.

use clap::{Args, ValueEnum};

/// Which stack, and with whose credentials.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Stack and credentials")]
pub struct StackFlags {
    /// Name of the CloudFormation stack
    #[arg(
        long,
        value_name = "NAME",
        env = "REROLE_STACK",
        default_value = "rerole"
    )]
    pub stack: String,
    /// Profile of the AWS configuration whose credentials and region are used
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Region of the stack [default: that of the profile or the environment]
    #[arg(long, value_name = "REGION")]
    pub aws_region: Option<String>,
}

impl StackFlags {
    /// Returns the flags that choose credentials and region, with their values.
    pub fn chosen(&self) -> Vec<(&'static str, String)> {
        let flags = [
            ("--profile", &self.profile),
            ("--aws-region", &self.aws_region),
        ];
        let given = flags
            .into_iter()
            .filter_map(|(flag, value)| Some((flag, value.clone()?)));
        given.collect()
    }
}

/// How the answer is written.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputFlags {
    /// Form of the answer: `wide` never shortens a value, `json` is for programs
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Form,
    /// Whether to use color; `auto` does so on a terminal, unless `NO_COLOR` is set
    #[arg(long, value_enum, default_value_t)]
    pub color: ColorChoice,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    #[default]
    Table,
    Wide,
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}
