//! Opening a program's output streams in the keeper: straight to a file, or through a pump that rolls.

use std::{
    io::{self, Write as _},
    process::Stdio,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    logs::LogSink,
    rolling::{RollingAppender, open},
    wire::StartFailure,
};

/// How long a pump may take to write the rest of a finished program's output. A disk may hang, and a program may have
/// handed its pipe to a stranger: neither keeps its end from being reported.
const PUMP_DEADLINE: Duration = Duration::from_secs(10);

/// One output stream of a program about to start.
pub(super) struct Output {
    stdio: Stdio,
    pump: Option<Pump>,
}

/// The thread behind a rolling log.
pub(super) struct Pump {
    done: Receiver<()>,
}

impl Output {
    /// Opens the log and writes the header, if there is one.
    pub(super) fn open(sink: &LogSink, header: Option<&str>) -> Result<Self, StartFailure> {
        Self::try_open(sink, header.unwrap_or_default())
            .map_err(|error| StartFailure::Log { path: sink.path.clone(), error: error.to_string() })
    }

    fn try_open(sink: &LogSink, header: &str) -> io::Result<Self> {
        let Some(rolling) = sink.rolling.clone() else {
            let mut file = open(&sink.path, sink.mode)?;
            file.write_all(header.as_bytes())?;
            return Ok(Self { stdio: file.into(), pump: None });
        };
        let mut appender = RollingAppender::open(sink, rolling, Box::new(Timestamp::now))?;
        appender.append(header.as_bytes());
        let (reader, writer) = io::pipe()?;
        let (tell_done, done) = channel();
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            appender.drain(reader);
            appender.finish();
            // The keeper may have stopped waiting.
            let _ = tell_done.send(());
        })?;
        Ok(Self { stdio: writer.into(), pump: Some(Pump { done }) })
    }

    /// What the program gets, and what is to be waited for after its end.
    pub(super) fn into_parts(self) -> (Stdio, Option<Pump>) {
        (self.stdio, self.pump)
    }
}

impl Pump {
    /// Waits until the last output is written, at most [`PUMP_DEADLINE`].
    pub(super) fn finish(self) {
        // Both ways to fail, time-out and panic, leave nothing to wait for.
        let _ = self.done.recv_timeout(PUMP_DEADLINE);
    }
}
