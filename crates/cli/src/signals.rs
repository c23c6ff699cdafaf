//! Being asked to end: signals, and the end of a parent process.

use std::io::{self, Read as _};
use std::thread;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::exit::Failure;

/// Bytes read at a time from a parent that is not expected to say anything.
const PARENT_BUFFER: usize = 64;

/// What asks a process to end in order.
#[derive(Debug)]
pub(crate) struct EndRequests {
    interrupt: Signal,
    terminate: Signal,
    parent: Option<oneshot::Receiver<()>>,
}

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndRequest {
    /// SIGINT, which is Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// The parent process is gone.
    ParentGone,
}

impl EndRequest {
    /// The shell's exit code for a process that ends because of it: 128 + the number of the signal.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::ParentGone => 129,
        }
    }
}

impl EndRequests {
    /// Listens from now on; the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// If the handlers cannot be set.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        Ok(Self { interrupt, terminate, parent: None })
    }

    /// Takes the end of standard input for the end of the parent, which holds its other end and never writes.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn die_with_parent(mut self) -> Result<Self, Failure> {
        let (tell, gone) = oneshot::channel();
        // A thread of its own: a blocking read of the runtime would keep the process from ending.
        let watch = move || {
            let mut buffer = [0; PARENT_BUFFER];
            let mut stdin = io::stdin().lock();
            while stdin.read(&mut buffer).is_ok_and(|read| read > 0) {}
            // Nobody waits any more: the process is ending anyway.
            let _ = tell.send(());
        };
        thread::Builder::new().name("parent".to_owned()).spawn(watch).context("watching the parent process")?;
        self.parent = Some(gone);
        Ok(self)
    }

    /// Waits for the next request. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> EndRequest {
        let parent = async {
            match &mut self.parent {
                Some(gone) => drop(gone.await),
                None => std::future::pending().await,
            }
        };
        let request = tokio::select! {
            biased;
            // The most urgent first: without its parent a process has nobody to answer to.
            () = parent => EndRequest::ParentGone,
            Some(()) = self.interrupt.recv() => EndRequest::Interrupt,
            Some(()) = self.terminate.recv() => EndRequest::Terminate,
        };
        if request == EndRequest::ParentGone {
            self.parent = None;
        }
        request
    }
}
