//! What operators see if something is wrong: with their credentials, the network, the stack, or
//! their permissions. Each message is one line that says what failed, where, and what to do.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use rerole_sim::{Call, Fault, Service};

use crate::harness::{Rerole, Stage};
use crate::screens::check;

/// Profiles: one has credentials, one assumes a role with them, and two need single sign-on.
const PROFILES: &str = "\
[profile prod]
region = eu-west-1
aws_access_key_id = of-profile
aws_secret_access_key = secret

[profile operator]
region = us-east-1
source_profile = prod
role_arn = arn:aws:iam::111122223333:role/teams/Operator
role_session_name = jane

[profile never]
region = us-east-1
sso_session = other
sso_account_id = 111122223333
sso_role_name = Operator

[profile sso]
region = us-east-1
sso_session = company
sso_account_id = 111122223333
sso_role_name = Operator

[sso-session company]
sso_region = us-east-1
sso_start_url = https://company.awsapps.com/start

[sso-session other]
sso_region = us-east-1
sso_start_url = https://other.awsapps.com/start
";
/// The file in which the AWS CLI keeps the token of session `company`: the SHA-1 of its name.
const TOKEN_FILE: &str = "71b21161ffa1e6516bcc072aaf5ef38cbe85b511.json";
/// A token that cannot be refreshed.
const EXPIRED_TOKEN: &str = r#"{
    "startUrl": "https://company.awsapps.com/start",
    "region": "us-east-1",
    "accessToken": "token",
    "expiresAt": "2026-11-01T00:00:00Z"
}"#;

/// A home directory with the profiles.
fn home() -> PathBuf {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("operator-home");
    let tokens = home.join(".aws/sso/cache");
    fs::create_dir_all(&tokens).unwrap();
    fs::write(home.join(".aws/config"), PROFILES).unwrap();
    fs::write(tokens.join(TOKEN_FILE), EXPIRED_TOKEN).unwrap();
    home
}

/// The command with the files of the home directory.
fn at_home(rerole: Rerole) -> Rerole {
    rerole
        .without("AWS_CONFIG_FILE")
        .without("AWS_SHARED_CREDENTIALS_FILE")
        .env("HOME", home().to_str().unwrap())
}

/// A URL at which nothing listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// What the screens of these commands are, below their names.
fn screens<'a>(cases: impl IntoIterator<Item = (&'a str, Rerole)>) -> String {
    let cases = cases.into_iter().map(|(name, rerole)| {
        let (_, screen) = rerole.screen();
        format!("# {name}\n{screen}")
    });
    cases.collect::<Vec<_>>().join("\n")
}

#[test]
fn without_credentials_network_or_stack_one_line_says_what_to_do() {
    let stage = Stage::start(0);
    let rerole = |arguments: &str| stage.rerole(arguments);
    let cases = [
        (
            "no credentials",
            rerole("list")
                .without("AWS_ACCESS_KEY_ID")
                .without("AWS_SECRET_ACCESS_KEY"),
        ),
        ("no region", rerole("list").without("AWS_REGION")),
        (
            "a profile that does not exist, beside credentials in the environment",
            at_home(rerole("list --profile production")),
        ),
        ("another stack", rerole("list --stack rerole-2")),
        (
            "a profile, whose region and credentials win over those of the environment",
            at_home(rerole("list --profile prod")),
        ),
        ("another region", rerole("list --aws-region eu-west-1")),
        (
            "single sign-on has expired",
            at_home(rerole("list --profile sso")),
        ),
        (
            "single sign-on without a login",
            at_home(rerole("list --profile never")),
        ),
        (
            "no network",
            rerole("list").env("AWS_ENDPOINT_URL", &nowhere()),
        ),
        (
            "a table is missing",
            rerole("list").env("ROTATION_LEDGER_TABLE", "gone"),
        ),
        (
            "the stack is older",
            rerole("index status").env("REROLE_VERSION", "0.0.9"),
        ),
        ("no such rotation", rerole("status app-2020")),
        ("an invalid flag", rerole("list --since yesterday")),
        ("a role that is none", rerole("who app:2025")),
        (
            "a profile that assumes a role",
            at_home(rerole("freeze --profile operator --yes")),
        ),
    ];
    check("failures", &screens(cases));
    let keys = stage
        .aws
        .calls_where(|it| it.call.access_key == "of-profile");
    assert!(!keys.is_empty(), "the credentials of the profile are used");
    let assumed = stage.aws.calls_where(|it| it.call.access_key == "Operator");
    assert!(!assumed.is_empty(), "those of the assumed role are used");
}

/// The message that AWS has for it.
fn denied(call: &Call, action: &str, resource: &str) -> Fault {
    let (account, region) = (&call.account, &call.region);
    let code = match call.service {
        Service::CloudFormation => "AccessDenied",
        _ => "AccessDeniedException",
    };
    Fault::Error {
        status: 403,
        code: code.to_owned(),
        message: format!(
            "User: arn:aws:sts::{account}:assumed-role/playground/session is not authorized to \
             perform: {action} on resource: {resource} because no identity-based policy allows the \
             {action} action"
        )
        .replace("REGION", region),
    }
}

#[test]
fn a_missing_permission_is_named_with_its_resource() {
    let stage = Stage::start(0);
    let mut text = String::new();
    for (operation, action, resource, arguments) in [
        (
            "Query",
            "dynamodb:Query",
            "arn:aws:dynamodb:REGION:111122223333:table/rerole-RotationLedgerTable/index/ByStatus",
            "list",
        ),
        (
            "PutEvents",
            "events:PutEvents",
            "arn:aws:events:REGION:111122223333:event-bus/rerole",
            "freeze --yes",
        ),
        (
            "GetQueueAttributes",
            "sqs:GetQueueAttributes",
            "arn:aws:sqs:REGION:111122223333:rerole-OnFailureQueue",
            "queues list",
        ),
        (
            "DescribeStacks",
            "cloudformation:DescribeStacks",
            "arn:aws:cloudformation:REGION:111122223333:stack/rerole/*",
            "version",
        ),
    ] {
        stage.aws.on_call(move |call: &Call| {
            if call.operation == operation && call.access_key == "playground" {
                denied(call, action, resource)
            } else {
                Fault::None
            }
        });
        let (code, screen) = stage.rerole(arguments).screen();
        assert_eq!(code, 1, "{screen}");
        assert!(screen.contains(action), "{screen}");
        assert!(screen.contains("docs/cli.md"), "{screen}");
        text.push_str(&screen);
    }
    check("denied", &text);
}
