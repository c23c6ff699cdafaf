//! The keeper's ear: what the worker asks of a program, and until when it may run if nothing more is heard.
//!
//! A worker can stand still while its program runs on: stopped by a signal, swapped out, waiting for a dead disk. So it
//! names beforehand until when the program may run, puts that off while all is well, and the keeper keeps to it. A keeper
//! that stood still itself hears everything that has waited before it acts.

use std::{
    io,
    os::fd::AsFd as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read},
    process::{Pid, Signal, kill_process_group},
};

use super::{
    descendants::kill_descendants,
    host::boottime_ms,
    keeper::report,
    wire::{Control, Limit, Report},
};

/// The clock is looked at this often, because waiting takes no notice of a suspended host. SIGKILL that has not helped is
/// sent again as often.
const LOOK_EVERY_MS: u64 = 1000;

/// Room for what is read at once.
const READ_BYTES: usize = 4096;

/// What comes next on the control pipe.
enum Heard {
    Line(String),
    /// Nothing was there in time.
    Nothing,
    /// The worker is gone or has let go.
    End,
}

/// The reading end of the control pipe: standard input, read by nobody else.
pub(super) struct Ear {
    unread: Vec<u8>,
}

impl Ear {
    pub(super) fn new() -> Self {
        Self { unread: Vec::new() }
    }

    /// The first line: the order. Waits for it.
    pub(super) fn order(&mut self) -> io::Result<String> {
        loop {
            match self.hear(None)? {
                Heard::Line(line) => return Ok(line),
                Heard::Nothing => {}
                Heard::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// The next line, if it comes within so many milliseconds; none = however long it takes.
    fn hear(&mut self, within_ms: Option<u64>) -> io::Result<Heard> {
        let stdin = io::stdin();
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(Heard::Line(String::from_utf8_lossy(&line).into_owned()));
            }
            let wait = within_ms.map(|ms| Timespec::try_from(Duration::from_millis(ms)));
            let wait = wait.transpose().map_err(io::Error::other)?;
            match poll(&mut [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)], wait.as_ref()) {
                Ok(0) | Err(Errno::INTR) => return Ok(Heard::Nothing),
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            let mut bytes = [0; READ_BYTES];
            match read(&stdin, &mut bytes) {
                Ok(0) => return Ok(Heard::End),
                Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// How far a program has come, for both threads of its keeper.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// It has ended and is reaped.
    pub(super) ended: Arc<AtomicBool>,
    /// It was told to end because its limit had passed.
    pub(super) at_limit: Arc<AtomicBool>,
}

/// What the worker asks of a program is done to it here.
pub(super) struct Warden {
    main: Pid,
    progress: Progress,
    limit: Option<Limit>,
    terminated: bool,
    killed: bool,
}

impl Warden {
    pub(super) fn new(main: Pid, progress: Progress, limit: Option<Limit>) -> Self {
        Self { main, progress, limit, terminated: false, killed: false }
    }

    /// Obeys the worker until it is gone, and then leaves nothing alive.
    pub(super) fn watch(mut self, mut ear: Ear) {
        loop {
            match ear.hear(self.wait_ms(boottime_ms())) {
                Ok(Heard::Line(line)) => self.obey(&line),
                Ok(Heard::Nothing) => self.look_at_limit(boottime_ms()),
                Ok(Heard::End) | Err(_) => break,
            }
        }
        self.kill();
    }

    fn obey(&mut self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Control::Terminate) => self.terminate(),
            Ok(Control::Kill) => {
                self.kill();
                report(&Report::Killing);
            }
            // What was told to end for its limit is not taken back.
            Ok(Control::Limit(_)) if self.progress.at_limit.load(Ordering::Acquire) => {}
            Ok(Control::Limit(limit)) => self.limit = Some(limit),
            // Nothing that a worker says.
            Err(_) => {}
        }
    }

    /// How long there is nothing to be done, unless something is heard.
    fn wait_ms(&self, now: u64) -> Option<u64> {
        let limit = self.limit?;
        let next = match (self.killed, self.terminated) {
            (true, _) => return Some(LOOK_EVERY_MS),
            (false, true) => limit.kill_at,
            (false, false) => limit.terminate_at.min(limit.kill_at),
        };
        Some(next.saturating_sub(now).min(LOOK_EVERY_MS))
    }

    fn look_at_limit(&mut self, now: u64) {
        let Some(limit) = self.limit.filter(|limit| limit.has_passed(now)) else { return };
        self.progress.at_limit.store(true, Ordering::Release);
        if now >= limit.kill_at {
            self.kill();
        } else {
            self.terminate();
        }
    }

    /// Once: to many programs a second SIGTERM says that there is no time for an orderly end.
    fn terminate(&mut self) {
        if !std::mem::replace(&mut self.terminated, true) {
            self.signal_group(Signal::TERM);
        }
    }

    fn kill(&mut self) {
        (self.terminated, self.killed) = (true, true);
        self.signal_group(Signal::KILL);
        // A program may leave its own group, though not our descent.
        kill_descendants();
    }

    /// After the main program's end its group number may belong to somebody else and is left alone; the main thread is
    /// clearing up the rest by then anyway.
    fn signal_group(&self, signal: Signal) {
        if !self.progress.ended.load(Ordering::Acquire) {
            // No such group: it is just ending.
            let _ = kill_process_group(self.main, signal);
        }
    }
}
