//! A followed rotation where it cannot be drawn in place, for example in the log of a pipeline: a
//! line for each entry of its timeline, for each new cause of failures, and now and then for how
//! far it is.

use std::time::Duration;

use rerole_core::timestamp::Timestamp;

use crate::answer::Answer;
use crate::live::Look;
use crate::rotation::text::progress;
use crate::terminal::{OutputError, printable};
use crate::words;

/// Between two lines about how far a rotation is.
const PROGRESS_PAUSE: Duration = Duration::from_secs(30);

/// What has been written of a rotation.
#[derive(Debug, Default)]
pub struct Changes {
    /// The last entry of the timeline that was written, or that is known.
    seq: u64,
    /// The causes of failures that were written, by code and advice: the message that stands for a
    /// cause may be another one later.
    causes: Vec<(Option<String>, String)>,
    progress_at: Option<Timestamp>,
}

impl Changes {
    /// Nothing has been written yet, and what is in the timeline up to this entry is known.
    pub fn after(known_seq: u64) -> Self {
        Self {
            seq: known_seq,
            ..Self::default()
        }
    }

    /// Writes what has changed. If the answer is JSON, it goes to standard error.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn show(&mut self, answer: &Answer<'_>, look: &Look) -> Result<(), OutputError> {
        for line in self.lines(look) {
            answer.show_before_asking(&line)?;
        }
        Ok(())
    }

    /// Ends the lines: what is written next is something else.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn end(&self, answer: &Answer<'_>) -> Result<(), OutputError> {
        answer.say("")
    }

    /// The lines about what has changed.
    fn lines(&mut self, look: &Look) -> Vec<String> {
        let mut lines = Vec::new();
        let timeline = &look.history.timeline;
        for entry in timeline.iter().filter(|entry| entry.seq > self.seq) {
            lines.push(entry.line(0, words::caller(entry.author())));
        }
        let newest = timeline.last().map(|entry| entry.seq);
        self.seq = self.seq.max(newest.unwrap_or_default());
        let time = words::plain_time(look.at);
        for cause in &look.causes {
            let key = (cause.error_code.clone(), cause.advice.clone());
            if !self.causes.contains(&key) {
                self.causes.push(key);
                let text = format!("{time}  failed: {}; {}", cause.error(), cause.advice);
                lines.push(printable(&text));
            }
        }
        let since = self.progress_at.get_or_insert(look.at);
        let is_open = look.rotation.finished_at.is_none();
        if is_open && look.at.since(*since) >= PROGRESS_PAUSE {
            *since = look.at;
            lines.push(format!("{time}  {}", progress(&look.rotation, look.at)));
        }
        lines
    }
}

#[cfg(test)]
mod tests;
