//! `rerole queues list`: how many messages are in each queue, and what they mean.

use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;

use crate::answer::{Answer, Next};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::queue::{Numbers, Queue};
use crate::stack::Stack;
use crate::terminal::{Layout, printable};
use crate::verbs::queues::flags::ListFlags;
use crate::words;

/// The queues of the stack.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Queues {
    queues: Vec<QueueView>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct QueueView {
    pub name: Queue,
    pub meaning: &'static str,
    /// Messages that can be received. Null if it could not be looked at.
    pub messages: Option<u64>,
    /// Messages that somebody has received and not deleted yet.
    pub in_flight: Option<u64>,
    /// How old the oldest message is. Null if that cannot be told.
    pub oldest_age_seconds: Option<u64>,
    /// Why it could not be looked at.
    pub problem: Option<String>,
}

/// Counts the messages of each queue.
///
/// # Errors
/// If the stack cannot be found.
pub async fn run(flags: &ListFlags) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    let answer = Answer::start(&stack, &flags.output)?;
    let looks = Queue::ALL.map(async |queue| {
        let (counted, age) = tokio::join!(queue.count(&stack), queue.oldest_age(&stack));
        QueueView::new(queue, counted, age)
    });
    let queues = Queues {
        queues: join_all(looks).await,
    };
    let text = format!("\n{}", queues.text(&answer.layout));
    answer.end(&queues, &text, &queues.next())?;
    Ok(queues.exit())
}

impl Queues {
    /// What cannot be looked at is no good news.
    fn exit(&self) -> Exit {
        if self.queues.iter().any(|queue| queue.problem.is_some()) {
            Exit::Error
        } else {
            Exit::Done
        }
    }
}

impl QueueView {
    fn new(queue: Queue, counted: Result<Numbers, Failure>, age: Option<Duration>) -> Self {
        let numbers = counted.as_ref().ok();
        let messages = numbers.map(|it| it.waiting);
        Self {
            name: queue,
            meaning: queue.meaning(),
            messages,
            in_flight: numbers.map(|it| it.in_flight),
            // The metric is late: it still has the age of a message that was deleted.
            oldest_age_seconds: age.map(|age| age.as_secs()).filter(|_| messages != Some(0)),
            problem: counted.err().map(|error| error.to_string()),
        }
    }
}

impl Queues {
    fn text(&self, layout: &Layout) -> String {
        let number =
            |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |it| it.to_string());
        let rows = self.queues.iter().map(|it| {
            let age = it.oldest_age_seconds.map(Duration::from_secs);
            vec![
                it.name.name().to_owned(),
                number(it.messages),
                number(it.in_flight),
                age.map_or_else(|| "-".to_owned(), words::duration),
                it.meaning.to_owned(),
            ]
        });
        let header = ["queue", "messages", "in flight", "oldest", "what they are"];
        let mut text = layout.table(&header, rows);
        for problem in self.queues.iter().filter_map(|it| it.problem.as_deref()) {
            text.push('\n');
            text.push_str(&printable(problem));
        }
        text
    }

    fn next(&self) -> Vec<Next> {
        let failures = self.queues.iter().filter(|it| it.name != Queue::Indexer);
        let first = failures
            .into_iter()
            .find(|it| it.messages.is_some_and(|it| it > 0));
        let Some(QueueView { name, .. }) = first else {
            return Vec::new();
        };
        let name = name.name();
        vec![
            Next::new(format!("rerole queues show {name}")).to("what failed, and why"),
            Next::new(format!("rerole queues redrive {name}")).to("send it again"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn each_queue_has_its_number_and_what_it_means() {
        let numbers = |waiting| {
            Ok(Numbers {
                waiting,
                in_flight: 0,
            })
        };
        let age = Some(Duration::from_hours(3));
        let denied = Failure::Refused("you may not look".to_owned());
        let queues = Queues {
            queues: vec![
                QueueView::new(Queue::OnFailure, numbers(2), age),
                QueueView::new(Queue::Undelivered, numbers(0), age),
                QueueView::new(Queue::IndexerDeadLetter, Err(denied), None),
            ],
        };
        expect![[r"
            QUEUE                MESSAGES  IN FLIGHT  OLDEST  WHAT THEY ARE
            on-failure           2         0          3 h     events that a function failed three times
            undelivered          0         0          -       events that EventBridge could not deliver
            indexer-dead-letter  ?         ?          -       changes in EKS that the indexer could not process
            you may not look"]].assert_eq(&queues.text(&Layout::of_width(100)));
        assert_eq!(queues.next()[0].command, "rerole queues show on-failure");
    }
}
