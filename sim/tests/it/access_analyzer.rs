//! What Access Analyzer finds is what a test says.

use aws_sdk_accessanalyzer::types::{AccessCheckPolicyType, CheckNoNewAccessResult};
use rerole_sim::{AccessCheck, AccessCheckReason, Service, SimulatedAws};

use crate::harness::{access_analyzer, at_home, code_of, in_virtual_time};

const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": []}"#;

async fn result(aws: &SimulatedAws, existing: &str, new: &str) -> CheckNoNewAccessResult {
    let check = access_analyzer(aws)
        .check_no_new_access()
        .existing_policy_document(existing)
        .new_policy_document(new)
        .policy_type(AccessCheckPolicyType::IdentityPolicy);
    let checked = check.send().await.expect("both are policies");
    checked.result().expect("there is one").clone()
}

#[test]
fn equal_policies_pass() {
    in_virtual_time(async {
        let aws = at_home();
        let other = r#"{"Statement":[],"Version":"2012-10-17"}"#;
        assert_eq!(
            result(&aws, POLICY, other).await,
            CheckNoNewAccessResult::Pass
        );
        let different = r#"{"Version": "2012-10-17"}"#;
        let found = result(&aws, POLICY, different).await;
        assert_eq!(found, CheckNoNewAccessResult::Fail);
    });
}

#[test]
fn a_test_decides_what_a_check_finds() {
    in_virtual_time(async {
        let aws = at_home();
        aws.on_access_check(|existing, _| {
            assert!(existing["Statement"].is_array());
            AccessCheck::Fail(vec![AccessCheckReason {
                description: "New access in the statement with sid: Write.".to_owned(),
                statement_index: Some(1),
                statement_id: Some("Write".to_owned()),
            }])
        });
        let check = access_analyzer(&aws)
            .check_no_new_access()
            .existing_policy_document(POLICY)
            .new_policy_document(POLICY)
            .policy_type(AccessCheckPolicyType::IdentityPolicy);
        let checked = check.send().await.unwrap();
        assert_eq!(checked.result(), Some(&CheckNoNewAccessResult::Fail));
        let reason = &checked.reasons()[0];
        assert_eq!(reason.statement_index(), Some(1));
        assert_eq!(reason.statement_id(), Some("Write"));
        let call = &aws.calls()[0].call;
        assert_eq!(
            (call.service, call.operation.as_str()),
            (Service::AccessAnalyzer, "CheckNoNewAccess")
        );
    });
}

#[test]
fn a_text_that_is_no_policy_is_invalid() {
    in_virtual_time(async {
        let check = access_analyzer(&at_home())
            .check_no_new_access()
            .existing_policy_document(POLICY)
            .new_policy_document("[")
            .policy_type(AccessCheckPolicyType::IdentityPolicy);
        assert_eq!(code_of(check.send().await), "InvalidParameterException");
    });
}
