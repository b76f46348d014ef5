//! The preflight as a whole, against the simulated AWS.

use std::collections::BTreeMap;

use rerole_sim::{
    Call, Fault, Function, LastUse, Options, Role, Service, ServiceUse, SimulatedAws,
};

use super::*;
use crate::preflight::testing::{POD_TRUST, item, role, roles};
use crate::preflight::view::Verdict;

const S3: &str = r#"{"Version": "2012-10-17", "Statement":
    {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}}"#;

/// A stack with two roles: the old one may use S3, and has used it.
fn deploy() -> (SimulatedAws, Stack) {
    let aws = SimulatedAws::new(Options::default());
    for (name, policies) in [("app-2025", vec![("s3", S3)]), ("app-2026", vec![])] {
        let policies = policies.into_iter();
        let policies = policies.map(|(name, document)| (name.to_owned(), document.to_owned()));
        aws.put_role(Role {
            trust_policy: POD_TRUST.to_owned(),
            inline_policies: policies.collect::<BTreeMap<_, _>>(),
            services: vec![ServiceUse {
                namespace: "s3".to_owned(),
                name: "Amazon S3".to_owned(),
                last_used: Some(LastUse {
                    at: aws.now(),
                    region: "us-east-1".to_owned(),
                }),
            }],
            ..Role::new(role(name).as_str())
        });
    }
    let function = aws.create_function(Function {
        name: "rotate".to_owned(),
        ..Function::default()
    });
    let outputs = [
        (Name::RolePath, "/platform/".to_owned()),
        (Name::RotateFunctionArn, function),
    ];
    let stack = Stack::simulated(&aws, &outputs);
    (aws, stack)
}

async fn preflight(stack: &Stack) -> Preflight {
    let subject = Subject {
        roles: &roles(["app-2025", "app-2026"]),
        items: &[item(("prod-1", "pay/api"), "app-2025")],
    };
    Box::pin(read(stack, subject, Asked::default())).await
}

fn texts(preflight: &Preflight) -> Vec<&str> {
    preflight
        .findings
        .iter()
        .map(|it| it.text.as_str())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_the_new_role_lacks_is_denied_and_can_be_accepted() {
    let (_aws, stack) = deploy();
    let found = preflight(&stack).await;
    assert_eq!(found.verdict, Verdict::Denied, "{found:?}");
    let denied: Vec<_> = found.denied().map(|it| it.id.clone()).collect();
    assert_eq!(denied.len(), 1, "{found:?}");
    let subject = Subject {
        roles: &roles(["app-2025", "app-2026"]),
        items: &[item(("prod-1", "pay/api"), "app-2025")],
    };
    let asked = Asked {
        accept: &denied,
        access_analyzer: None,
    };
    let accepted = Box::pin(read(&stack, subject, asked)).await;
    assert!(!accepted.is_denied(), "{accepted:?}");
    assert_eq!(accepted.accepted_without_finding, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_role_with_the_same_permissions_is_fine() {
    let (aws, stack) = deploy();
    aws.edit_role(role("app-2026").as_str(), |role| {
        role.inline_policies.insert("s3".to_owned(), S3.to_owned());
    });
    let found = preflight(&stack).await;
    assert!(!found.is_denied(), "{:?}", texts(&found));
    let fine = found.fine.join("\n");
    assert!(
        fine.contains("lets the pods of 1 association assume it"),
        "{fine}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_operator_who_may_not_read_iam_gets_unknowns_and_no_failure() {
    let (aws, stack) = deploy();
    aws.on_call(|call: &Call| match call.service {
        Service::Iam => Fault::Error {
            status: 403,
            code: "AccessDenied".to_owned(),
            message: format!("not authorized to perform: iam:{}", call.operation),
        },
        _ => Fault::None,
    });
    let found = preflight(&stack).await;
    assert_eq!(found.verdict, Verdict::Unknown);
    let texts = texts(&found).join("\n");
    assert!(texts.contains("not readable: iam:GetRole"), "{texts}");
}

#[tokio::test(start_paused = true)]
async fn a_new_role_that_does_not_exist_is_denied() {
    let (aws, stack) = deploy();
    aws.delete_role(role("app-2026").as_str());
    let found = preflight(&stack).await;
    assert!(found.is_role_gone);
    assert!(found.is_denied());
    assert!(
        texts(&found)
            .iter()
            .any(|it| it.ends_with("does not exist"))
    );
}
