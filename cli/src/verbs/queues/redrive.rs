//! `rerole queues redrive`: sends what failed again, and deletes it where that succeeds. What it
//! cannot classify stays in its queue and is named.

use std::time::Duration;

use rerole_core::timestamp::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use crate::answer::{Answer, Next};
use crate::bus;
use crate::confirm::confirm;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::queue::Queue;
use crate::stack::Stack;
use crate::terminal::{Layout, note, printable};
use crate::verbs::queues::flags::{RedriveFlags, chosen};
use crate::verbs::queues::inbox::Inbox;
use crate::verbs::queues::message::{Action, Message, Rules};
use crate::verbs::queues::resend::{Plan, resend};
use crate::words;

/// Messages of a queue that one command sends again. The next command does the rest.
const MESSAGES_MAX: usize = 500;
/// While an operator reads what will be done, nobody else receives the messages.
const HIDDEN_SECS: i32 = 300;
/// How long an operator may read. What is sent after that could be sent by another one as well.
const CONFIRM_MAX: Duration = Duration::from_mins(4);
/// Messages that are listed before the question.
const SHOWN_MAX: usize = 20;

/// What came of the messages.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Redriven {
    /// Dead letters that SQS moves back to the indexer's queue. The number is approximate.
    pub dead_letters_moved: u64,
    /// Why dead letters could not be moved. Null if they are, or there are none.
    pub dead_letters_problem: Option<String>,
    pub messages: Vec<MessageResult>,
}

/// What came of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageResult {
    pub queue: Queue,
    pub message_id: String,
    pub event: String,
    /// What was done, or why it stays.
    pub result: String,
    /// Whether it was sent again and deleted from the queue.
    pub is_sent: bool,
}

/// A message that is to be sent again, or stays.
#[derive(Debug)]
struct Task {
    queue: Queue,
    message: Message,
    event: String,
    action: Action,
}

/// What there is to do.
#[derive(Debug, Clone, Copy)]
struct Work<'a> {
    tasks: &'a [Task],
    dead_letters: u64,
    /// When the first message was received.
    received_at: Instant,
}

/// Sends messages again.
///
/// # Errors
/// If the operator does not confirm, or a queue cannot be read.
pub async fn run(flags: &RedriveFlags) -> Result<Exit, Failure> {
    if flags.queue == Some(Queue::Indexer) {
        return Err(Failure::Refused(
            "there is nothing to send again in queue indexer: its messages wait for the indexer, \
             and those it cannot process go to indexer-dead-letter"
                .to_owned(),
        ));
    }
    let stack = Stack::find(&flags.stack).await?;
    let answer = Answer::start(&stack, &flags.output)?;
    let queues = chosen(flags.queue);
    let dead_letters = if queues.contains(&Queue::IndexerDeadLetter) {
        Queue::IndexerDeadLetter.count(&stack).await?.waiting
    } else {
        0
    };
    let received_at = Instant::now();
    let mut tasks = Vec::new();
    for queue in queues
        .into_iter()
        .filter(|it| *it != Queue::IndexerDeadLetter)
    {
        tasks.extend(receive(&stack, queue).await?);
    }
    // Whatever happens, messages that are not deleted can be received by others at once.
    let work = Work {
        tasks: &tasks,
        dead_letters,
        received_at,
    };
    let redriven = redrive(&stack, &answer, flags, work).await;
    release(&stack, tasks, redriven.as_ref().ok()).await?;
    let redriven = redriven?;
    let exit = redriven.exit();
    let next = [Next::new("rerole queues list").to("what is left")];
    answer.end(
        &redriven,
        &format!("\n{}", redriven.text(&answer.layout)),
        &next,
    )?;
    Ok(exit)
}

async fn receive(stack: &Stack, queue: Queue) -> Result<Vec<Task>, Failure> {
    let own_account = stack.own_account();
    let rules = Rules {
        own_account: own_account.as_ref(),
        account: &stack.origin.account,
        source: bus::source(stack),
    };
    let messages = Inbox::new(stack, queue)?
        .receive(MESSAGES_MAX, HIDDEN_SECS)
        .await?;
    let task = |message: Message| {
        let classified = message.classify(rules);
        Task {
            queue,
            event: classified.event,
            action: classified.action,
            message,
        }
    };
    Ok(messages.into_iter().map(task).collect())
}

/// Shows what will be done, asks, and does it.
async fn redrive(
    stack: &Stack,
    answer: &Answer<'_>,
    flags: &RedriveFlags,
    work: Work<'_>,
) -> Result<Redriven, Failure> {
    let Work {
        tasks,
        dead_letters,
        received_at,
    } = work;
    if tasks.is_empty() && dead_letters == 0 {
        return Ok(Redriven::default());
    }
    if tasks.len() >= MESSAGES_MAX {
        note(&"these are the first messages; run the command again for the rest");
    }
    let text = preview(tasks, dead_letters, stack.aws.now(), &answer.layout);
    let is_sent = |task: &&Task| !matches!(task.action, Action::Stays(_));
    let count = tasks.iter().filter(is_sent).count() as u64 + dead_letters;
    if flags.yes || count == 0 {
        answer.say(&text)?;
    } else {
        answer.show_before_asking(&text)?;
        if !confirm(&format!("Send {} again?", words::count(count, "message")))? {
            return Err(Failure::Refused("nothing was sent".to_owned()));
        }
    }
    if !tasks.is_empty() && received_at.elapsed() > CONFIRM_MAX {
        return Err(Failure::Refused(
            "nothing was sent: the messages were received more than 4 minutes ago and are visible \
             to others again; run the command again"
                .to_owned(),
        ));
    }
    let mut redriven = Redriven::default();
    let plan = Plan::read(stack, tasks.iter().map(|task| &task.action)).await;
    let sent = resend(stack, &plan).await;
    for task in tasks {
        redriven
            .messages
            .push(settle(stack, task, sent.of(&task.action)).await);
    }
    if dead_letters > 0 {
        let moved = move_dead_letters(stack, dead_letters, &mut redriven.dead_letters_moved).await;
        redriven.dead_letters_problem = moved.err().map(|error| error.to_string());
    }
    Ok(redriven)
}

/// Deletes a message that was sent again.
async fn settle(stack: &Stack, task: &Task, sent: Result<String, String>) -> MessageResult {
    let deleted = match sent {
        Err(problem) => Err(problem),
        Ok(done) => match Inbox::new(stack, task.queue) {
            Err(error) => Err(error.to_string()),
            Ok(inbox) => match inbox.delete(&task.message).await {
                Ok(()) => Ok(done),
                Err(error) => Err(format!("{done}, and it is still in the queue: {error}")),
            },
        },
    };
    let is_sent = deleted.is_ok();
    let (Ok(result) | Err(result)) = deleted;
    MessageResult {
        queue: task.queue,
        message_id: task.message.id.clone(),
        event: task.event.clone(),
        result,
        is_sent,
    }
}

/// Lets SQS move the dead letters back, and counts them. A service that cannot do that gets them
/// one by one.
async fn move_dead_letters(stack: &Stack, count: u64, moved: &mut u64) -> Result<(), Failure> {
    let dead = Inbox::new(stack, Queue::IndexerDeadLetter)?;
    if dead.move_to(Queue::Indexer).await? {
        *moved = count;
        return Ok(());
    }
    let indexer = Inbox::new(stack, Queue::Indexer)?;
    for message in dead.receive(MESSAGES_MAX, HIDDEN_SECS).await? {
        indexer.send(&message.body).await?;
        dead.delete(&message).await?;
        *moved += 1;
    }
    Ok(())
}

/// Lets others receive what is still in the queues.
async fn release(
    stack: &Stack,
    tasks: Vec<Task>,
    redriven: Option<&Redriven>,
) -> Result<(), Failure> {
    let is_left = |task: &Task| {
        let mut results = redriven.iter().flat_map(|it| &it.messages);
        !results.any(|it| it.message_id == task.message.id && it.is_sent)
    };
    for queue in Queue::OF_FAILURES {
        let left: Vec<Message> = tasks
            .iter()
            .filter(|task| task.queue == queue && is_left(task))
            .map(|task| task.message.clone())
            .collect();
        if !left.is_empty() {
            Inbox::new(stack, queue)?.release(&left).await;
        }
    }
    Ok(())
}

/// What will be done, in a table.
fn preview(tasks: &[Task], dead_letters: u64, now: Timestamp, layout: &Layout) -> String {
    let mut parts = Vec::new();
    if dead_letters > 0 {
        parts.push(format!(
            "{} of indexer-dead-letter: SQS moves them back to the indexer's queue",
            words::count(dead_letters, "message")
        ));
    }
    let rows = tasks.iter().take(SHOWN_MAX).map(|task| {
        vec![
            task.queue.name().to_owned(),
            task.event.clone(),
            task.action.text(now),
        ]
    });
    if !tasks.is_empty() {
        let table = layout.table(&["queue", "event", "what is done"], rows);
        let more = match tasks.len().saturating_sub(SHOWN_MAX) {
            0 => String::new(),
            more => format!("\nand {more} more"),
        };
        parts.push(format!("{table}{more}"));
    }
    format!("\n{}\n", parts.join("\n\n"))
}

impl Redriven {
    fn exit(&self) -> Exit {
        if self.dead_letters_problem.is_some() {
            Exit::Error
        } else if self.messages.iter().all(|it| it.is_sent) {
            Exit::Done
        } else {
            Exit::FinishedOtherwise
        }
    }

    fn text(&self, layout: &Layout) -> String {
        let no_dead_letters = self.dead_letters_moved == 0 && self.dead_letters_problem.is_none();
        if self.messages.is_empty() && no_dead_letters {
            return "The queues are empty: there is nothing to send again.".to_owned();
        }
        let (sent, left): (Vec<_>, Vec<_>) = self.messages.iter().partition(|it| it.is_sent);
        let mut lines = Vec::new();
        if self.dead_letters_moved > 0 {
            lines.push(format!(
                "SQS is moving about {} of indexer-dead-letter back to the indexer's queue. What \
                 the indexer cannot process comes back in about an hour.",
                words::count(self.dead_letters_moved, "message")
            ));
        }
        if let Some(problem) = &self.dead_letters_problem {
            lines.push(format!(
                "Messages of indexer-dead-letter could not be moved back: {problem}"
            ));
        }
        if !sent.is_empty() {
            let count = words::count(sent.len() as u64, "message");
            lines.push(format!("{count} sent again and deleted."));
        }
        if !left.is_empty() {
            let rows = left.iter().map(|it| {
                vec![
                    it.queue.name().to_owned(),
                    it.event.clone(),
                    it.result.clone(),
                ]
            });
            let table = layout.table(&["queue", "event", "why it stays"], rows);
            lines.push(format!("Still in the queues:\n{table}"));
        }
        printable(&lines.join("\n\n"))
    }
}
