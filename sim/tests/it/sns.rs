//! Topics and their subscriptions.

use rerole_sim::Subscription;

use crate::harness::{at_home, code_of, in_virtual_time, sns};

#[test]
fn a_topic_has_confirmed_and_pending_subscriptions() {
    in_virtual_time(async {
        let aws = at_home();
        let topic = aws.create_topic("pages");
        for (endpoint, confirmed) in [("a@example.com", true), ("b@example.com", false)] {
            let subscription = Subscription {
                protocol: "email".to_owned(),
                endpoint: endpoint.to_owned(),
                confirmed,
            };
            aws.subscribe(&topic, subscription);
        }
        let client = sns(&aws);
        let listed = client.list_subscriptions_by_topic().topic_arn(&topic);
        let listed = listed.send().await.expect("it exists");
        let shown: Vec<_> = listed
            .subscriptions()
            .iter()
            .map(|it| (it.endpoint().unwrap(), it.subscription_arn().unwrap()))
            .collect();
        assert_eq!(shown[0].0, "a@example.com");
        assert!(shown[0].1.starts_with(&format!("{topic}:")), "{shown:?}");
        assert_eq!(shown[1], ("b@example.com", "PendingConfirmation"));
    });
}

#[test]
fn an_unknown_topic_is_not_found() {
    in_virtual_time(async {
        let client = sns(&at_home());
        let absent = "arn:aws:sns:eu-west-1:111122223333:absent";
        let listed = client.list_subscriptions_by_topic().topic_arn(absent);
        assert_eq!(code_of(listed.send().await), "NotFound");
    });
}
