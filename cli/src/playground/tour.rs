//! The first tour: commands that show what an operator does, in the order in which they work.

/// A command of the tour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What it shows.
    pub about: &'static str,
    pub command: &'static str,
    /// The exit codes that it may have.
    pub exits: &'static [u8],
}

/// The role that the tour replaces, and the role that it moves to.
pub const OLD_ROLE: &str = "platform/app-2025";
pub const NEW_ROLE: &str = "platform/app-2026";

/// The tour. EKS refuses some updates of the first attempt.
pub const TOUR: [Step; 10] = [
    Step {
        about: "What would move, and what would stay?",
        command: "rerole plan --from platform/app-2025 --to platform/app-2026",
        exits: &[0, 3],
    },
    Step {
        about: "Move it although the new role may not send to queues, one association at a time, so \
                there is time for the next two commands",
        command: "rerole rotate --from platform/app-2025 --to platform/app-2026 --id app-2026 \
                  --max-errors 100% --max-concurrency 1 --accept permissions-b95f5cd9 --yes",
        exits: &[0],
    },
    Step {
        about: "Stop for a moment",
        command: "rerole pause app-2026 --reason INC-7 --yes",
        exits: &[0, 5],
    },
    Step {
        about: "How far is it?",
        command: "rerole status app-2026",
        exits: &[0, 5],
    },
    Step {
        about: "Go on to the end: EKS refuses two updates",
        command: "rerole resume app-2026 --yes --wait",
        exits: &[3],
    },
    Step {
        about: "Try again what failed",
        command: "rerole retry app-2026 --yes --wait",
        exits: &[0, 4],
    },
    Step {
        about: "Who still uses the old role?",
        command: "rerole who platform/app-2025",
        exits: &[0, 4],
    },
    Step {
        about: "Take everything back",
        command: "rerole rollback app-2026 --yes --wait",
        exits: &[0],
    },
    Step {
        about: "What has happened here?",
        command: "rerole list --all",
        exits: &[0],
    },
    Step {
        about: "Is the deployment healthy?",
        command: "rerole doctor",
        exits: &[0, 3],
    },
];

/// The environment variables that point a shell at the playground.
pub fn environment(url: &str) -> [(&'static str, String); 4] {
    [
        ("AWS_ENDPOINT_URL", url.to_owned()),
        ("AWS_ACCESS_KEY_ID", "playground".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "playground".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]
}

/// The command that points a shell at the playground.
pub fn shell(url: &str) -> String {
    let variables = environment(url).map(|(name, value)| format!("{name}={value}"));
    format!("export {}", variables.join(" "))
}

/// How to point a shell at the playground, and the tour, as it is printed.
pub fn text(url: &str) -> String {
    let steps = TOUR.map(|step| format!("# {}\n{}", step.about, step.command));
    format!(
        "\nPoint a shell at it:\n\n{}\n\nA first tour:\n\n{}\n\nThe AWS CLI works as well. \
         Ctrl-C ends the playground, and everything in it is gone.",
        shell(url),
        steps.join("\n")
    )
}
