//! Who the caller is, and what an operation that is not simulated responds.

use crate::harness::{at_home, error_of, in_virtual_time, sts};

#[test]
fn a_caller_learns_its_account_and_its_arn() {
    in_virtual_time(async {
        let client = sts(&at_home());
        let identity = client.get_caller_identity().send().await.unwrap();
        assert_eq!(identity.account(), Some("111122223333"));
        let arn = "arn:aws:sts::111122223333:assumed-role/AKIDEXAMPLE/session";
        assert_eq!(identity.arn(), Some(arn));
        assert_eq!(identity.user_id(), Some("AKIDEXAMPLE:session"));
    });
}

#[test]
fn an_operation_that_is_not_simulated_says_so() {
    in_virtual_time(async {
        let client = sts(&at_home());
        let (code, message) = error_of(client.get_session_token().send().await);
        assert_eq!(code, "UnknownOperationException");
        assert_eq!(message, "GetSessionToken is not simulated");
    });
}
