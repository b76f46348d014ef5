//! `rerole queues show`: the messages of a queue, which stay in it.

use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::answer::{Answer, Next};
use crate::bus;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::queue::Queue;
use crate::stack::Stack;
use crate::terminal::{Layout, printable};
use crate::verbs::queues::flags::{ShowFlags, chosen};
use crate::verbs::queues::inbox::Inbox;
use crate::verbs::queues::message::{Message, Rules};
use crate::words;

/// Messages that are shown of a queue.
const SHOWN_MAX: usize = 50;
/// As long as a look takes, nobody else receives the messages, so none is shown twice.
const HIDDEN_SECS: i32 = 30;

/// The messages of queues.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shown {
    queues: Vec<ShownQueue>,
}

/// The messages of a queue.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ShownQueue {
    name: Queue,
    messages: Vec<MessageView>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageView {
    pub id: String,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub sent_at: Option<Timestamp>,
    /// How often it was received, with this look.
    pub receive_count: u64,
    /// What it is about.
    pub event: String,
    /// Why it is in the queue.
    pub error: Option<String>,
    /// What `rerole queues redrive` does with it.
    pub redrive: String,
    pub body: String,
}

/// Shows messages.
///
/// # Errors
/// If a queue cannot be read.
pub async fn run(flags: &ShowFlags) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    let answer = Answer::start(&stack, &flags.output)?;
    let own_account = stack.own_account();
    let rules = Rules {
        own_account: own_account.as_ref(),
        account: &stack.origin.account,
        source: bus::source(&stack),
    };
    let now = stack.aws.now();
    let mut queues = Vec::new();
    for queue in chosen(flags.queue) {
        let inbox = Inbox::new(&stack, queue)?;
        let messages = inbox.receive(SHOWN_MAX, HIDDEN_SECS).await?;
        inbox.release(&messages).await;
        let views = messages
            .iter()
            .map(|it| MessageView::new(it, queue, rules, now));
        queues.push(ShownQueue {
            name: queue,
            messages: views.collect(),
        });
    }
    let shown = Shown { queues };
    let text = format!("\n{}", shown.text(now, &answer.layout));
    let first = shown
        .queues
        .iter()
        .find(|it| !it.messages.is_empty() && it.name != Queue::Indexer);
    let next = first.map(|it| {
        let redrive = format!("rerole queues redrive {}", it.name.name());
        Next::new(redrive).to("send them again")
    });
    answer.end(&shown, &text, next.as_slice())?;
    Ok(Exit::Done)
}

impl MessageView {
    fn new(message: &Message, queue: Queue, rules: Rules<'_>, now: Timestamp) -> Self {
        let classified = message.classify(rules);
        let redrive = match queue {
            Queue::OnFailure | Queue::Undelivered => classified.action.text(now),
            Queue::IndexerDeadLetter => "the indexer gets it again".to_owned(),
            Queue::Indexer => "nothing: it waits for the indexer".to_owned(),
        };
        Self {
            id: message.id.clone(),
            sent_at: message.sent_at,
            receive_count: message.receive_count,
            event: classified.event,
            error: classified.error,
            redrive,
            body: message.body.clone(),
        }
    }
}

impl Shown {
    fn text(&self, now: Timestamp, layout: &Layout) -> String {
        let parts: Vec<_> = self.queues.iter().map(|it| it.text(now, layout)).collect();
        parts.join("\n\n")
    }
}

impl ShownQueue {
    fn text(&self, now: Timestamp, layout: &Layout) -> String {
        let name = layout.heading(self.name.name());
        let meaning = self.name.meaning();
        if self.messages.is_empty() {
            return format!("{name}: empty ({meaning})");
        }
        let mut lines = vec![format!("{name}: {meaning}")];
        for it in &self.messages {
            let sent = it
                .sent_at
                .map_or_else(String::new, |at| words::time(at).seen_at(now));
            lines.push(format!("\n  {sent}  {}", printable(&it.event)));
            if let Some(error) = &it.error {
                lines.push(format!("    error    {}", printable(error)));
            }
            lines.push(format!("    redrive  {}", printable(&it.redrive)));
            lines.push(format!(
                "    message  {}, received {}",
                it.id,
                times(it.receive_count)
            ));
        }
        if self.messages.len() >= SHOWN_MAX {
            lines.push(format!(
                "\n  The first {}. There may be more.",
                self.messages.len()
            ));
        }
        lines.push(
            "\n  The messages stay in the queue. A look counts as a receive; --output json has \
             their bodies."
                .to_owned(),
        );
        if self.name == Queue::Indexer {
            lines.push(
                "  What was received five times and not processed goes to indexer-dead-letter."
                    .to_owned(),
            );
        }
        lines.join("\n")
    }
}

fn times(count: u64) -> String {
    words::count(count, "time")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_message_says_when_what_why_and_what_redrive_does() {
        let now: Timestamp = "2026-11-23T21:17:00.000Z".parse().unwrap();
        let message = Message {
            id: "m-1".to_owned(),
            body: "no JSON".to_owned(),
            sent_at: Some("2026-11-23T21:12:00.000Z".parse().unwrap()),
            receive_count: 2,
            attributes: [("ERROR_CODE".to_owned(), "NO_PERMISSIONS".to_owned())].into(),
            ..Message::default()
        };
        let rules = Rules {
            own_account: None,
            account: "111122223333",
            source: "platform.iam",
        };
        let shown = Shown {
            queues: vec![
                ShownQueue {
                    name: Queue::Undelivered,
                    messages: vec![MessageView::new(&message, Queue::Undelivered, rules, now)],
                },
                ShownQueue {
                    name: Queue::OnFailure,
                    messages: Vec::new(),
                },
            ],
        };
        expect![[r"
            undelivered: events that EventBridge could not deliver

              2026-11-23 21:12:00 (5 min ago)  no JSON
                error    NO_PERMISSIONS
                redrive  stays: it is no JSON
                message  m-1, received 2 times

              The messages stay in the queue. A look counts as a receive; --output json has their bodies.

            on-failure: empty (events that a function failed three times)"]].assert_eq(&shown.text(now, &Layout::of_width(80)));
    }
}
