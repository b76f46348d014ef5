//! A followed rotation where it cannot be drawn in place, for example in the log of a pipeline: a
//! line for each entry of its timeline, for each new cause of failures, and now and then for how
//! far it is.

use std::time::Duration;

use rerole_core::rotation::Counts;
use rerole_core::timestamp::Timestamp;

use crate::answer::Answer;
use crate::live::Snapshot;
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
    /// When how far it is was written last, or could have been, and how far it was.
    progress: Option<(Timestamp, Counts)>,
    /// It was written that nothing newer can be read.
    has_outage: bool,
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
    pub fn show(&mut self, answer: &Answer<'_>, snapshot: &Snapshot) -> Result<(), OutputError> {
        for line in self.lines(snapshot) {
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
    fn lines(&mut self, snapshot: &Snapshot) -> Vec<String> {
        let mut lines = Vec::new();
        let time = words::plain_time(snapshot.at);
        match &snapshot.outage {
            Some(why) if !self.has_outage => {
                lines.push(format!(
                    "not read since {time}, trying again: {}",
                    printable(why)
                ));
            }
            None if self.has_outage => lines.push(format!("{time}  read again")),
            Some(_) | None => {}
        }
        self.has_outage = snapshot.outage.is_some();
        let timeline = &snapshot.history.timeline;
        for entry in timeline.iter().filter(|entry| entry.seq > self.seq) {
            lines.push(entry.line(0, words::caller(entry.author())));
        }
        let newest = timeline.last().map(|entry| entry.seq);
        self.seq = self.seq.max(newest.unwrap_or_default());
        for cause in &snapshot.causes {
            let key = (cause.error_code.clone(), cause.advice.clone());
            if !self.causes.contains(&key) {
                self.causes.push(key);
                let text = format!("{time}  failed: {}; {}", cause.error(), cause.advice);
                lines.push(printable(&text));
            }
        }
        let counts = snapshot.rotation.counts;
        let (since, written) = self.progress.get_or_insert((snapshot.at, counts));
        let is_open = snapshot.rotation.finished_at.is_none();
        if is_open && *written != counts && snapshot.at.since(*since) >= PROGRESS_PAUSE {
            (*since, *written) = (snapshot.at, counts);
            lines.push(format!(
                "{time}  {}",
                progress(&snapshot.rotation, snapshot.at)
            ));
        }
        // What a service says must not be taken for a line of its own.
        lines.iter().map(|line| line.replace('\n', " ")).collect()
    }
}

#[cfg(test)]
mod tests;
