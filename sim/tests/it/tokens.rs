//! Idempotency: what EKS does with a `clientRequestToken` that it has seen before.

use rerole_sim::{Options, RoleState};

use crate::harness::{NEW, OLD, OneAssociation, code_of, in_virtual_time, update};

#[test]
fn a_token_replays_its_first_success_and_accepts_no_other_parameters() {
    in_virtual_time(async {
        let one = OneAssociation::new(Options::default());
        let first = one.update_with_token(NEW).await;
        let first = first.expect("a valid update").association;
        one.set_role(OLD);
        let again = one.update_with_token(NEW).await;
        let again = again.expect("a replay").association;
        assert_eq!(first, again, "although it is on another role now");
        assert_eq!(one.count_on(OLD), 1, "the replay has no effect");
        assert!(one.aws.calls().last().expect("a call").replayed);
        let code = code_of(one.update_with_token(OLD).await);
        assert_eq!(code, "InvalidParameterException");
    });
}

#[test]
fn tokens_of_33_to_126_characters_are_accepted() {
    in_virtual_time(async {
        let one = OneAssociation::new(Options::default());
        for (len, is_accepted) in [(32, false), (33, true), (126, true), (127, false)] {
            let update = update(&one.client, &one.subject).role_arn(NEW);
            let update = update.client_request_token("x".repeat(len));
            let code = code_of(update.send().await);
            assert_eq!(code.is_empty(), is_accepted, "a token of {len} characters");
        }
    });
}

#[test]
fn an_error_is_replayed_only_with_the_option() {
    for replay_refusals in [false, true] {
        in_virtual_time(async {
            let one = OneAssociation::new(Options {
                replay_refusals,
                ..Options::default()
            });
            one.aws
                .eks(|eks| eks.set_role_state(NEW, RoleState::Missing));
            assert!(one.update_with_token(NEW).await.is_err());
            one.aws.eks(|eks| eks.set_role_state(NEW, RoleState::Ready));
            let is_replayed = one.update_with_token(NEW).await.is_err();
            assert_eq!(is_replayed, replay_refusals);
        });
    }
}
