//! Queues: visibility timeouts, receive counts, dead-letter queues, and moves back from these.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
};
use rerole_sim::{DeadLetter, Queue, SimulatedAws};
use tokio::time::sleep;

use crate::harness::{at_home, code_of, error_of, in_virtual_time, sqs};

const DLQ_ARN: &str = "arn:aws:sqs:eu-west-1:111122223333:work-dlq";

/// The queue `work`, whose messages go to `work-dlq` after two receives.
fn with_queues() -> (SimulatedAws, Client, String) {
    let aws = at_home();
    aws.create_queue(Queue {
        name: "work-dlq".to_owned(),
        ..Queue::default()
    });
    let url = aws.create_queue(Queue {
        name: "work".to_owned(),
        visibility_timeout: Duration::from_mins(1),
        dead_letter: Some(DeadLetter {
            queue: "work-dlq".to_owned(),
            receives_max: 2,
        }),
        ..Queue::default()
    });
    let client = sqs(&aws);
    (aws, client, url)
}

async fn receive(client: &Client, url: &str) -> Vec<Message> {
    let call = client.receive_message().queue_url(url);
    let call = call
        .max_number_of_messages(10)
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .message_attribute_names("All");
    let received = call.send().await.expect("the queue exists");
    received.messages.unwrap_or_default()
}

async fn attribute(client: &Client, url: &str, name: QueueAttributeName) -> String {
    let call = client.get_queue_attributes().queue_url(url);
    let call = call.attribute_names(QueueAttributeName::All).send().await;
    let attributes = call.expect("the queue exists").attributes;
    attributes.expect("it has attributes")[&name].clone()
}

#[test]
fn a_received_message_is_hidden_until_its_timeout_or_its_deletion() {
    in_virtual_time(async {
        let (aws, client, url) = with_queues();
        aws.send_message("work", "hello");
        let first = receive(&client, &url).await;
        assert_eq!(first[0].body(), Some("hello"));
        let digest = "5d41402abc4b2a76b9719d911017c592";
        assert_eq!(first[0].md5_of_body(), Some(digest));
        assert_eq!(receive(&client, &url).await, []);
        let in_flight = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        assert_eq!(attribute(&client, &url, in_flight).await, "1");

        sleep(Duration::from_mins(1)).await;
        let second = receive(&client, &url).await;
        let count = MessageSystemAttributeName::ApproximateReceiveCount;
        assert_eq!(second[0].attributes.as_ref().unwrap()[&count], "2");
        assert_eq!(second[0].message_id, first[0].message_id);
        let delete = client.delete_message().queue_url(&url);
        let delete = delete.set_receipt_handle(second[0].receipt_handle.clone());
        delete.send().await.expect("the receipt is valid");
        assert_eq!(aws.messages("work"), []);
    });
}

#[test]
fn the_api_of_tests_receives_as_the_wire_does() {
    in_virtual_time(async {
        let (aws, client, url) = with_queues();
        let id = aws.send_message(&url, "hello");
        let received = aws.receive_messages("work", 10);
        assert_eq!(
            (received[0].id.as_str(), received[0].receive_count),
            (id.as_str(), 1)
        );
        assert_eq!(receive(&client, &url).await, []);
        aws.delete_message("work", received[0].receipt.as_deref().unwrap());
        assert_eq!(aws.messages("work"), []);
    });
}

#[test]
fn a_visibility_timeout_can_be_changed_while_the_message_is_in_flight() {
    in_virtual_time(async {
        let (aws, client, url) = with_queues();
        aws.send_message("work", "hello");
        let received = receive(&client, &url).await;
        let change = |secs| {
            let change = client.change_message_visibility().queue_url(&url);
            let change = change.set_receipt_handle(received[0].receipt_handle.clone());
            change.visibility_timeout(secs).send()
        };
        change(0).await.expect("it is in flight");
        assert_eq!(
            code_of(change(10).await),
            "AWS.SimpleQueueService.MessageNotInflight"
        );
        assert_eq!(receive(&client, &url).await.len(), 1);
    });
}

/// Receives the only message of `work` until it is in the dead-letter queue.
async fn bury(aws: &SimulatedAws) {
    for expected in [1, 1, 0] {
        assert_eq!(aws.receive_messages("work", 10).len(), expected);
        sleep(Duration::from_mins(1)).await;
    }
    assert_eq!(aws.messages("work"), []);
}

#[test]
fn a_message_that_fails_too_often_can_be_moved_back() {
    in_virtual_time(async {
        let (aws, client, url) = with_queues();
        aws.send_message("work", "hello");
        bury(&aws).await;
        let dead = aws.messages("work-dlq");
        assert_eq!(dead[0].dead_letter_source.as_deref(), Some("work"));

        let policy = attribute(&client, &url, QueueAttributeName::RedrivePolicy).await;
        let expected = format!(r#"{{"deadLetterTargetArn":"{DLQ_ARN}","maxReceiveCount":2}}"#);
        assert_eq!(policy, expected);
        let start = client.start_message_move_task().source_arn(DLQ_ARN);
        start.send().await.expect("it is a dead-letter queue");
        assert_eq!(aws.messages("work-dlq"), []);
        let back = aws.messages("work");
        assert_eq!((back[0].body.as_str(), back[0].receive_count), ("hello", 0));
        let tasks = client.list_message_move_tasks().source_arn(DLQ_ARN);
        let tasks = tasks.send().await.unwrap();
        assert_eq!(tasks.results()[0].status(), Some("COMPLETED"));
        assert_eq!(tasks.results()[0].approximate_number_of_messages_moved(), 1);
    });
}

/// SQS knows the source of a message only if it moved the message itself.
#[test]
fn a_message_without_a_source_needs_a_destination() {
    in_virtual_time(async {
        let (aws, client, _) = with_queues();
        aws.send_message("work-dlq", "hello");
        let start = client.start_message_move_task().source_arn(DLQ_ARN);
        start.clone().send().await.expect("the task starts");
        let tasks = client.list_message_move_tasks().source_arn(DLQ_ARN);
        let tasks = tasks.send().await.unwrap();
        let reason = tasks.results()[0].failure_reason();
        assert_eq!(reason, Some("CouldNotDetermineMessageSource"));
        assert_eq!(aws.messages("work-dlq").len(), 1);
        let work = "arn:aws:sqs:eu-west-1:111122223333:work";
        start.destination_arn(work).send().await.expect("it exists");
        assert_eq!(aws.messages("work").len(), 1);
        let start = client.start_message_move_task().source_arn(work);
        assert_eq!(code_of(start.send().await), "InvalidParameterValue");
    });
}

#[test]
fn a_message_has_attributes_and_may_be_delayed() {
    in_virtual_time(async {
        let (_, client, url) = with_queues();
        let value = MessageAttributeValue::builder()
            .data_type("String")
            .string_value("v")
            .build()
            .unwrap();
        let call = client.send_message().queue_url(&url).message_body("hello");
        let call = call.message_attributes("k", value.clone()).delay_seconds(5);
        let sent = call.send().await.expect("a valid message");
        assert!(sent.md5_of_message_attributes().is_some());
        assert_eq!(receive(&client, &url).await, []);
        let delayed = QueueAttributeName::ApproximateNumberOfMessagesDelayed;
        assert_eq!(attribute(&client, &url, delayed).await, "1");
        sleep(Duration::from_secs(5)).await;
        let received = receive(&client, &url).await;
        assert_eq!(received[0].message_attributes.as_ref().unwrap()["k"], value);
        assert_eq!(
            received[0].md5_of_message_attributes(),
            sent.md5_of_message_attributes()
        );
    });
}

#[test]
fn messages_expire() {
    in_virtual_time(async {
        let (aws, ..) = with_queues();
        aws.send_message("work", "hello");
        sleep(Duration::from_hours(4 * 24)).await;
        assert_eq!(aws.messages("work"), []);
    });
}

#[test]
fn queues_are_found_by_name_and_errors_have_the_codes_of_sqs() {
    in_virtual_time(async {
        let (_, client, url) = with_queues();
        let found = client.get_queue_url().queue_name("work").send().await;
        assert_eq!(found.unwrap().queue_url(), Some(url.as_str()));
        let listed = client.list_queues().queue_name_prefix("work-").send().await;
        assert_eq!(listed.unwrap().queue_urls().len(), 1);
        let absent = client.get_queue_url().queue_name("absent").send().await;
        let (code, message) = error_of(absent);
        assert_eq!(code, "AWS.SimpleQueueService.NonExistentQueue");
        assert_eq!(message, "The specified queue does not exist.");
        let absent = client.receive_message().queue_url("http://x/1/absent");
        let error = absent.send().await.expect_err("no such queue");
        assert!(error.into_service_error().is_queue_does_not_exist());
        let too_many = client.receive_message().queue_url(&url);
        let too_many = too_many.max_number_of_messages(11).send().await;
        assert_eq!(code_of(too_many), "InvalidParameterValue");
        let receipt = client.delete_message().queue_url(&url);
        let receipt = receipt.receipt_handle("unknown").send().await;
        assert_eq!(code_of(receipt), "ReceiptHandleIsInvalid");
        let unknown = QueueAttributeName::from("Color");
        let unknown = client.get_queue_attributes().attribute_names(unknown);
        let unknown = unknown.queue_url(&url).send().await;
        assert_eq!(code_of(unknown), "InvalidAttributeName");
    });
}
