//! What is drawn of a rotation in place: its state and what it waits for, a bar with rate and
//! remaining time for each region, why associations failed and what to do, and the end of its
//! timeline. Where the terminal is small, the less important lines are left out.

use console::truncate_str;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use rerole_core::timestamp::Timestamp;

use crate::exit::Exit;
use crate::live::Snapshot;
use crate::rotation::RegionView;
use crate::rotation::causes::Cause;
use crate::rotation::text::{cause_and_attempt, kind, outcomes};
use crate::terminal::printable;
use crate::words;

/// The height that everything fits into, in lines. A smaller terminal is used as a whole.
pub const HEIGHT_MAX: u16 = 22;
/// A cause needs its error and at most two lines about what to do.
const CAUSE_LINES: usize = 3;
const CAUSES_MAX: usize = 3;
const ENTRIES_MAX: usize = 4;
/// The longest name of a region has 14 characters.
const NAME_WIDTH: usize = 14;
/// What a bar leaves for its name and its numbers.
const NUMBERS_WIDTH: u16 = 66;
const HINT: &str = "q or Ctrl-C ends this view; the rotation continues";

/// How it is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Drawing<'a> {
    /// The account of the stack. Its roles are shown without it.
    pub account: &'a str,
    pub has_color: bool,
}

impl Drawing<'_> {
    /// Draws the rotation into the whole frame.
    pub fn draw(self, frame: &mut Frame<'_>, snapshot: &Snapshot) {
        let area = frame.area();
        let lines = self.lines(snapshot, area);
        frame.render_widget(Paragraph::new(lines), area);
    }

    fn lines(self, snapshot: &Snapshot, Rect { width, height, .. }: Rect) -> Vec<Line<'static>> {
        let mut lines = self.head(snapshot, width);
        // The whole, the outcomes and the hint.
        let mut left = usize::from(height).saturating_sub(lines.len() + 3);
        let regions = self.regions(snapshot, width, left / 2);
        left = left.saturating_sub(regions.len());
        // At least the last entry of the timeline is shown.
        let most = (left.saturating_sub(2) / CAUSE_LINES).min(CAUSES_MAX);
        let causes = self.causes(&snapshot.causes, width, most);
        left = left.saturating_sub(causes.len());
        // A heading comes before the entries.
        let timeline = self.timeline(snapshot, width, left.saturating_sub(1).min(ENTRIES_MAX));
        lines.push(self.part(snapshot.at, width, &whole(snapshot)));
        lines.extend(regions);
        lines.push(plain(&outcomes_text(snapshot), width));
        lines.extend(causes);
        lines.extend(timeline);
        lines.push(Line::styled(
            shortened(HINT, width),
            self.style(Modifier::DIM),
        ));
        lines
    }

    /// What it is, its state, its roles, and what it waits for.
    fn head(self, snapshot: &Snapshot, width: u16) -> Vec<Line<'static>> {
        let view = &snapshot.rotation;
        let status = match Exit::of(view.status) {
            Exit::Done => Color::Green,
            Exit::StillInUse | Exit::WaitsForPerson => Color::Yellow,
            _ => Color::Red,
        };
        let status = self.color(status);
        let mut lines = vec![
            Line::from(vec![
                Span::raw(format!("{} ", kind(view))),
                Span::styled(printable(&view.id), self.style(Modifier::BOLD)),
                Span::raw(": "),
                Span::styled(format!("{:?}", view.status), status),
                Span::raw(cause_and_attempt(view)),
            ]),
            plain(
                &format!(
                    "  {} to {}",
                    words::role(&view.old_role_arn).in_account(self.account),
                    words::role(&view.new_role_arn).in_account(self.account)
                ),
                width,
            ),
        ];
        if let Some(waits_for) = &view.waits_for {
            lines.push(plain(&format!("  waits for {waits_for}"), width));
        }
        if view.is_stalled {
            let text = "  stalled: no invocation has worked on it for ten minutes (rerole doctor)";
            lines.push(Line::styled(shortened(text, width), self.color(Color::Red)));
        }
        if let Some(why) = &snapshot.outage {
            let since = words::plain_time(snapshot.at);
            let text = format!("  not read since {since}, trying again: {}", printable(why));
            lines.push(Line::styled(
                shortened(&text, width),
                self.color(Color::Red),
            ));
        }
        lines
    }

    /// The regions, if there are several: the slowest first, and how many are left out.
    fn regions(self, snapshot: &Snapshot, width: u16, most: usize) -> Vec<Line<'static>> {
        let view = &snapshot.rotation;
        if view.regions.len() < 2 || most == 0 {
            return Vec::new();
        }
        let mut regions: Vec<_> = view.regions.iter().collect();
        let has_room = regions.len() <= most;
        if !has_room {
            // What has no end in sight comes first, and what is settled last.
            regions.sort_by_key(|it| {
                let end = it.estimated_end_at.filter(|_| it.pending > 0);
                (it.pending == 0, end.is_some(), std::cmp::Reverse(end))
            });
        }
        let shown = if has_room { regions.len() } else { most - 1 };
        let shown_regions = regions.iter().take(shown);
        let mut lines: Vec<_> = shown_regions
            .map(|region| self.part(snapshot.at, width, region))
            .collect();
        if !has_room {
            let rest = regions.len() - shown;
            lines.push(plain(&format!("  and {rest} more regions"), width));
        }
        lines
    }

    /// A name, a bar, and what stands beside it.
    fn part(self, now: Timestamp, width: u16, part: &RegionView) -> Line<'static> {
        let settled = part.total - part.pending.min(part.total);
        let bar_width = u64::from(width.saturating_sub(NUMBERS_WIDTH).clamp(10, 40));
        let filled = (settled * bar_width)
            .checked_div(part.total)
            .unwrap_or_default();
        let times = |symbol: &str, count: u64| symbol.repeat(usize::try_from(count).unwrap_or(0));
        let percent = (settled * 100).checked_div(part.total);
        let percent = percent.map_or_else(String::new, |percent| format!("{percent} %"));
        let rate = part.settled_per_sec.filter(|_| part.pending > 0);
        let rate = rate.map_or_else(String::new, |rate| format!("{rate:.1}/s"));
        let left = match part.estimated_end_at {
            _ if part.pending == 0 && part.total > 0 => "settled".to_owned(),
            Some(end) => format!("about {} left", words::duration(end.since(now))),
            None => String::new(),
        };
        let numbers = format!(
            " {:>13} {percent:>5} {rate:>7}  {left}",
            format!("{settled} of {}", part.total)
        );
        Line::from(vec![
            Span::raw(format!("  {:<NAME_WIDTH$} ", part.region)),
            Span::styled(times("█", filled), self.color(Color::Green)),
            Span::styled(times("░", bar_width - filled), self.style(Modifier::DIM)),
            Span::raw(numbers),
        ])
    }

    /// Why associations failed, and what to do.
    fn causes(self, causes: &[Cause], width: u16, most: usize) -> Vec<Line<'static>> {
        let cause = |cause: &Cause| {
            let error = printable(&format!("{} failed: {}", cause.count, cause.error()));
            let error = error.replace('\n', " ");
            let mut lines = vec![Line::styled(
                shortened(&error, width),
                self.color(Color::Red),
            )];
            let options = textwrap::Options::new(usize::from(width))
                .initial_indent("  ")
                .subsequent_indent("  ");
            let advice = textwrap::wrap(&cause.advice, options);
            let advice = advice.into_iter().take(CAUSE_LINES - 1);
            lines.extend(advice.map(|line| Line::raw(line.into_owned())));
            lines
        };
        let mut lines: Vec<_> = causes.iter().take(most).flat_map(cause).collect();
        if causes.len() > most && most > 0 {
            let rest = words::count((causes.len() - most) as u64, "other cause");
            lines.push(plain(&format!("and {rest}"), width));
        }
        lines
    }

    fn timeline(self, snapshot: &Snapshot, width: u16, most: usize) -> Vec<Line<'static>> {
        let entries = &snapshot.history.timeline;
        if most == 0 || entries.is_empty() {
            return Vec::new();
        }
        let shown = &entries[entries.len().saturating_sub(most)..];
        let lines = shown.iter().map(|entry| {
            let line = entry.line(0, words::caller(entry.author()));
            plain(&format!("  {}", line.replace('\n', " ")), width)
        });
        let heading = Line::styled("Timeline:", self.style(Modifier::BOLD));
        std::iter::once(heading).chain(lines).collect()
    }

    fn color(self, color: Color) -> Style {
        if self.has_color {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    }

    fn style(self, modifier: Modifier) -> Style {
        if self.has_color {
            Style::new().add_modifier(modifier)
        } else {
            Style::new()
        }
    }
}

/// All regions together, as if they were one.
fn whole(snapshot: &Snapshot) -> RegionView {
    let view = &snapshot.rotation;
    let name = match view.regions.len() {
        0 | 1 => "progress",
        _ => "all regions",
    };
    RegionView {
        region: name.to_owned(),
        total: view.counts.total,
        pending: view.counts.pending,
        settled_per_sec: view.settled_per_sec,
        estimated_end_at: view.estimated_end_at,
    }
}

fn outcomes_text(snapshot: &Snapshot) -> String {
    let counts = &snapshot.rotation.counts;
    let parts = outcomes(counts).into_iter();
    let mut parts: Vec<_> = parts
        .map(|(number, name)| format!("{number} {name}"))
        .collect();
    if counts.pending > 0 {
        parts.push(format!("{} pending", counts.pending));
    }
    if parts.is_empty() {
        return "  nothing is planned yet".to_owned();
    }
    format!("  {}", parts.join(", "))
}

fn plain(text: &str, width: u16) -> Line<'static> {
    Line::raw(shortened(&printable(text), width))
}

fn shortened(text: &str, width: u16) -> String {
    truncate_str(text, usize::from(width), "…").into_owned()
}

#[cfg(test)]
mod tests;
