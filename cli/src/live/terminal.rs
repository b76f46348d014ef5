//! Draws in place on the terminal: the lines below what was printed last are drawn again and again,
//! and removed at the end. However a command ends, the terminal is as it was before.

use std::io::{self, IsTerminal, Stdout, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{MoveTo, Show};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::style::Print;
use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use ratatui::{Terminal, TerminalOptions, Viewport};

use crate::live::Snapshot;
use crate::live::screen::{Drawing, HEIGHT_MAX};

/// Whether something is drawn in place now.
static IS_OPEN: AtomicBool = AtomicBool::new(false);
/// The line below what is drawn, from the top of the terminal. A panic writes there.
static BELOW: AtomicU16 = AtomicU16::new(0);

/// The part of the terminal that is drawn in place. While it exists, keys are not echoed, and
/// Ctrl-C is a key instead of a signal.
#[derive(Debug)]
pub struct LiveTerminal {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    /// What is drawn, which is drawn again when the size changes.
    drawn: Option<Snapshot>,
}

impl LiveTerminal {
    /// Returns whether this may be a terminal that can be drawn on, and has keys.
    pub fn may_be_possible() -> bool {
        let is_capable = std::env::var("TERM").is_ok_and(|term| term != "dumb");
        io::stdout().is_terminal() && io::stdin().is_terminal() && is_capable
    }

    /// Makes room below the cursor.
    ///
    /// # Errors
    /// If the terminal cannot be drawn on, for example because it does not say where the cursor is.
    /// It is as it was before then.
    pub fn open() -> io::Result<Self> {
        restore_on_panic();
        enable_raw_mode()?;
        IS_OPEN.store(true, Ordering::Relaxed);
        let viewport = Viewport::Inline(HEIGHT_MAX);
        let backend = CrosstermBackend::new(io::stdout());
        let opened = Terminal::with_options(backend, TerminalOptions { viewport });
        let opened = opened.and_then(|mut terminal| {
            terminal.hide_cursor()?;
            Ok(terminal)
        });
        if opened.is_err() {
            restore();
        }
        let mut terminal = opened?;
        BELOW.store(terminal.get_frame().area().bottom(), Ordering::Relaxed);
        let drawn = None;
        Ok(Self { terminal, drawn })
    }

    /// Draws the rotation.
    ///
    /// # Errors
    /// If the terminal cannot be written to.
    pub fn draw(&mut self, drawing: Drawing<'_>, snapshot: &Snapshot) -> io::Result<()> {
        self.terminal.draw(|frame| drawing.draw(frame, snapshot))?;
        BELOW.store(self.terminal.get_frame().area().bottom(), Ordering::Relaxed);
        self.drawn = Some(snapshot.clone());
        Ok(())
    }

    /// Draws again if the size has changed. Returns whether the operator has pressed a key that
    /// ends the view. It does not wait.
    ///
    /// # Errors
    /// If the terminal cannot be read or written to.
    pub fn is_ended(&mut self, drawing: Drawing<'_>) -> io::Result<bool> {
        let (mut is_ended, mut is_resized) = (false, false);
        while event::poll(Duration::ZERO)? {
            match event::read()? {
                Event::Key(key) => {
                    let is_ctrl_c =
                        key.code == KeyCode::Char('c') && key.modifiers == KeyModifiers::CONTROL;
                    let is_press = key.kind != KeyEventKind::Release;
                    is_ended |= is_press && (is_ctrl_c || key.code == KeyCode::Char('q'));
                }
                Event::Resize(..) => is_resized = true,
                _ => {}
            }
        }
        if let (true, Some(snapshot)) = (is_resized, self.drawn.take()) {
            self.draw(drawing, &snapshot)?;
        }
        Ok(is_ended)
    }
}

impl Drop for LiveTerminal {
    fn drop(&mut self) {
        // The message of a panic is below.
        if !std::thread::panicking() {
            // Clearing leaves the cursor where it is. What cannot be removed stays on the screen.
            let start = self.terminal.get_frame().area().as_position();
            let _ = self.terminal.set_cursor_position(start);
            let _ = self.terminal.clear();
        }
        restore();
    }
}

/// Restores the terminal before the message of a panic is written, and writes that below what was
/// drawn.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IS_OPEN.load(Ordering::Relaxed) {
                let below = BELOW.load(Ordering::Relaxed).saturating_sub(1);
                let _ = execute!(io::stdout(), MoveTo(0, below), Print("\r\n"));
                restore();
            }
            previous(info);
        }));
    });
}

/// Turns echo and signals on again, and shows the cursor. If that fails, nothing else can be done.
fn restore() {
    if IS_OPEN.swap(false, Ordering::Relaxed) {
        let _ = disable_raw_mode();
        let _ = execute!(io::stdout(), Show);
        let _ = io::stdout().flush();
    }
}
