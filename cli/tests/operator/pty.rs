//! A terminal: a pseudo-terminal in which a command runs, what its screen shows, and keys.

use std::io::{Read, Write};
use std::process::Child;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pts, Pty, open};
use rustix::termios::{LocalModes, tcgetattr};

/// How programs ask where the cursor is.
const CURSOR_POSITION: &[u8] = b"\x1b[6n";
/// Between two looks at what the command has written.
const POLL: Duration = Duration::from_millis(20);
/// Only a command that hangs takes so long.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A terminal with a command in it.
pub struct Terminal {
    pty: Arc<Pty>,
    pts: Pts,
    child: Child,
    parser: vt100::Parser,
    written: Receiver<Vec<u8>>,
    reader: JoinHandle<()>,
}

/// What a command leaves behind.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    /// What the screen shows.
    pub screen: String,
    pub has_cursor: bool,
    /// Whether keys are echoed, lines are edited, and Ctrl-C is a signal.
    pub is_cooked: bool,
}

impl Terminal {
    /// Runs the command in a terminal of this size.
    pub fn run(mut command: Command, (rows, columns): (u16, u16)) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let child = command.spawn_borrowed(&pts).unwrap();
        let pty = Arc::new(pty);
        let (send, written) = mpsc::channel();
        let master = Arc::clone(&pty);
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It fails once the last process has closed the terminal.
            while let Ok(count) = (&*master).read(&mut bytes) {
                if count == 0 || send.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            pty,
            pts,
            child,
            parser: vt100::Parser::new(rows, columns, 0),
            written,
            reader,
        }
    }

    /// Waits until the screen shows this text.
    pub fn wait_for(&mut self, text: &str) {
        let started_at = Instant::now();
        while !self.screen().contains(text) {
            assert!(
                started_at.elapsed() < TIMEOUT,
                "{text:?} is not on the screen:\n{}",
                self.screen()
            );
            self.read();
        }
    }

    pub fn screen(&self) -> String {
        self.parser.screen().contents()
    }

    pub fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Changes the size. What is on the screen is gone, so that it must be drawn again.
    pub fn resize(&mut self, (rows, columns): (u16, u16)) {
        self.parser = vt100::Parser::new(rows, columns, 0);
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    /// Waits until the command has ended.
    pub fn wait(mut self) -> Ended {
        let started_at = Instant::now();
        let status = loop {
            self.read();
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if started_at.elapsed() >= TIMEOUT {
                self.child.kill().unwrap();
                panic!("the command does not end:\n{}", self.screen());
            }
        };
        let modes = tcgetattr(&self.pts).unwrap().local_modes;
        let cooked = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        // The reader ends when nothing has the terminal open any more, and it has read everything.
        drop(self.pts);
        self.reader.join().unwrap();
        for bytes in self.written.try_iter() {
            self.parser.process(&bytes);
        }
        Ended {
            code: status.code(),
            screen: self.parser.screen().contents(),
            has_cursor: !self.parser.screen().hide_cursor(),
            is_cooked: modes.contains(cooked),
        }
    }

    /// Shows what the command has written, and responds as a terminal does.
    fn read(&mut self) {
        let first = self.written.recv_timeout(POLL).ok();
        for bytes in first.into_iter().chain(self.written.try_iter()) {
            self.parser.process(&bytes);
            let mut windows = bytes.windows(CURSOR_POSITION.len());
            if windows.any(|window| window == CURSOR_POSITION) {
                let (row, column) = self.parser.screen().cursor_position();
                let response = format!("\x1b[{};{}R", row + 1, column + 1);
                (&*self.pty).write_all(response.as_bytes()).unwrap();
            }
        }
    }
}
