//! A driver's output on our own, while it runs and wherever it is moved to.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use tanist_client::logs::{LogOwner, LogRequest, LogStart, LogStream};
use tanist_client::{ClientError, LogTail};
use tanist_core::ids::DriverId;
use tanist_core::msg::DriverStatus;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Pause before an output is looked for again that is not there yet, or whose program is being started again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long the last output of an ended driver is waited for.
const DRAIN: Duration = Duration::from_secs(10);

/// Copies both outputs of a driver, from every worker it comes to.
pub(super) struct Follower {
    driver: DriverId,
    worker: Option<String>,
    ended: CancellationToken,
    copies: Vec<JoinHandle<()>>,
}

impl Follower {
    /// Of this driver, from its first byte on.
    pub(super) fn new(driver: DriverId) -> Self {
        Self { driver, worker: None, ended: CancellationToken::new(), copies: Vec::new() }
    }

    /// Learns where the driver is.
    pub(super) fn see(&mut self, status: &DriverStatus) {
        let Some(worker) = status.worker_address.as_ref() else { return };
        if self.worker.as_ref() == Some(worker) {
            return;
        }
        self.worker = Some(worker.clone());
        // What a lost worker still had to say is gone with it.
        self.copies.drain(..).for_each(|copy| copy.abort());
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let (driver, worker, ended) = (self.driver.clone(), worker.clone(), self.ended.clone());
            self.copies.push(tokio::spawn(copy(driver, worker, stream, ended)));
        }
    }

    /// Copies what is left after the driver has ended.
    pub(super) async fn finish(self) {
        self.ended.cancel();
        for copy in self.copies {
            if timeout(DRAIN, copy).await.is_err() {
                tracing::warn!(driver = %self.driver, "output of the driver is not complete: its worker does not send the rest");
            }
        }
    }
}

/// Reads on where a reading ended, until one that began after the driver's end has ended.
async fn copy(driver: DriverId, worker: String, stream: LogStream, ended: CancellationToken) {
    let mut read = 0;
    loop {
        let was_over = ended.is_cancelled();
        let process = LogOwner::Driver(driver.clone());
        let request = LogRequest { process, stream, start: LogStart::Offset(read), follow: true };
        // Whether this worker is still the one to ask, the driver's status tells sooner than any time-out.
        let tail = LogTail::new(worker.clone(), request).without_patience();
        let outcome = match stream {
            LogStream::Stdout => drain(tail, io::stdout(), &mut read).await,
            LogStream::Stderr => drain(tail, io::stderr(), &mut read).await,
        };
        match outcome {
            Ok(true) if !was_over => {}
            Ok(_) => return,
            // Not there yet, or its worker is gone: the driver's status tells which.
            Err(error) if was_over => return tracing::debug!(%driver, %error, "no more output"),
            Err(error) => tracing::debug!(%driver, %error, "no output yet"),
        }
        tokio::select! {
            biased;
            () = ended.cancelled() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

/// Copies one reading to its end; false = our own stream is closed.
async fn drain(mut tail: LogTail, mut to: impl Write, read: &mut u64) -> Result<bool, ClientError> {
    while let Some(piece) = tail.next().await? {
        *read = piece.offset + piece.data.len() as u64;
        if let Err(error) = to.write_all(&piece.data).and_then(|()| to.flush()) {
            if error.kind() != ErrorKind::BrokenPipe {
                tracing::warn!(%error, "output of the driver cannot be shown");
            }
            return Ok(false);
        }
    }
    Ok(true)
}
