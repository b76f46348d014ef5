//! Why the stack could not be found, and what to do.

use rerole::settings::SettingsError;

/// Why the stack could not be found.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("set up the HTTP client: {0}")]
    HttpClient(String),
    #[error("no region: name one in --aws-region, or set AWS_REGION or the region of the profile")]
    NoRegion,
    #[error("read the AWS configuration: {0}; correct the file")]
    ProfileFiles(String),
    #[error("there is no profile \"{name}\" in the AWS configuration; known: {}", list(.known))]
    NoProfile { name: String, known: Vec<String> },
    #[error(
        "no AWS credentials in the environment, the profile, or the machine's metadata; log in \
         (aws sso login), or name a profile in --profile"
    )]
    NoCredentials,
    #[error(
        "load AWS credentials: {problem}; log in again ({login}), or name another profile in --profile"
    )]
    Credentials { problem: String, login: String },
    #[error(
        "there is no stack \"{name}\" in account {account}, region {region}; name another in \
         --stack, --aws-region or --profile, or deploy one (docs/deploying.md)"
    )]
    NoStack {
        name: String,
        account: String,
        region: String,
    },
    #[error(
        "stack \"{stack}\" has no output {output}: it is not rerole, or of an earlier version; \
         update it, or set {variable}"
    )]
    NoOutput {
        stack: String,
        output: String,
        variable: &'static str,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
