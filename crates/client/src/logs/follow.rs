//! The output of a driver while it runs and wherever it is moved to: where to read on when its worker falls silent.

use std::time::{Duration, Instant};

use tanist_core::ids::DriverId;
use tanist_core::msg::DriverStatus;

use super::{LogOwner, LogPiece, LogRequest, LogStart, LogStream, LogTail};
use crate::error::ClientError;
use crate::submit::SubmissionClient;

/// Pause before a worker is asked again at which the cluster says the driver still is. The cluster notices a killed
/// worker within a fraction of a second.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How long a worker may fail to answer while the cluster says that the driver is there.
const UNREACHABLE_DEADLINE: Duration = Duration::from_secs(15);

/// One output of one driver. Every end or break of a reading is put to the cluster, which knows sooner than any
/// time-out whether the driver is still there.
#[derive(Debug)]
pub struct DriverTail {
    cluster: SubmissionClient,
    driver: DriverId,
    stream: LogStream,
    worker: String,
    tail: LogTail,
    /// First byte that has not been read yet, once one is known.
    start: LogStart,
    failing_since: Option<Instant>,
    /// The driver had ended before the present reading began: what it brings is all there is.
    was_over: bool,
}

/// What the cluster's word means for a reading that ended or broke.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    /// The driver is where it was, or waits for a place.
    Again,
    /// It is, or last was, on this worker.
    GoTo(String),
    /// It has ended, or is forgotten.
    Over,
}

impl DriverTail {
    pub(crate) fn new(
        cluster: SubmissionClient,
        (driver, worker): (DriverId, String),
        stream: LogStream,
        start: LogStart,
    ) -> Self {
        let tail = reading(&driver, &worker, stream, start);
        Self { cluster, driver, stream, worker, tail, start, failing_since: None, was_over: false }
    }

    /// The next piece; none = the driver has ended and all of it was read.
    ///
    /// # Errors
    /// If the driver has ended and its worker does not give the rest, if its worker cannot be reached for 15 s although
    /// the cluster says that the driver is there, or if the cluster cannot be asked.
    pub async fn next(&mut self) -> Result<Option<LogPiece>, ClientError> {
        loop {
            let failure = match self.tail.next().await {
                Ok(Some(piece)) => {
                    self.start = LogStart::Offset(piece.offset.saturating_add(piece.data.len() as u64));
                    self.failing_since = None;
                    return Ok(Some(piece));
                }
                Ok(None) if self.was_over => return Ok(None),
                Ok(None) => {
                    self.failing_since = None;
                    None
                }
                Err(error) => Some(error),
            };
            let status = self.cluster.status(&self.driver).await?.status;
            match (after(status.as_ref(), &self.worker), failure) {
                (Next::GoTo(worker), _) => self.go_to(worker),
                (Next::Over, Some(error)) => return Err(error),
                // Once more: something may have been written between the end of the reading and that of the driver.
                (Next::Over, None) => self.was_over = true,
                (Next::Again, failure) => self.pause(failure).await?,
            }
            self.tail = reading(&self.driver, &self.worker, self.stream, self.start);
        }
    }

    /// On another worker the output begins anew: what the lost one still had to say is gone with it.
    fn go_to(&mut self, worker: String) {
        tracing::debug!(driver = %self.driver, from = self.worker, to = worker, "driver has moved");
        self.worker = worker;
        self.start = LogStart::Offset(0);
        self.failing_since = None;
    }

    async fn pause(&mut self, failure: Option<ClientError>) -> Result<(), ClientError> {
        if let Some(error) = failure {
            if self.failing_since.get_or_insert_with(Instant::now).elapsed() > UNREACHABLE_DEADLINE {
                return Err(error);
            }
            tracing::debug!(driver = %self.driver, %error, "output is looked for again");
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        Ok(())
    }
}

/// A reading that leaves every break to its caller.
fn reading(driver: &DriverId, worker: &str, stream: LogStream, start: LogStart) -> LogTail {
    let process = LogOwner::Driver(driver.clone());
    LogTail::new(worker.to_owned(), LogRequest { process, stream, start, follow: true }).without_patience()
}

/// Where to read on after a reading from this worker. A driver that ended elsewhere has its last output there.
fn after(status: Option<&DriverStatus>, worker: &str) -> Next {
    let Some(status) = status else { return Next::Over };
    match &status.worker_address {
        Some(address) if address != worker => Next::GoTo(address.clone()),
        _ if status.state.is_final() => Next::Over,
        _ => Next::Again,
    }
}

#[cfg(test)]
mod tests {
    use tanist_core::ids::Attempt;
    use tanist_core::model::DriverState;

    use super::*;

    #[test]
    fn the_cluster_s_word_decides_where_to_read_on() {
        let status = |state, address: Option<&str>| DriverStatus {
            driver: DriverId::new("driver-1").unwrap(),
            state,
            attempt: Attempt(2),
            worker: None,
            worker_address: address.map(str::to_owned),
            exit_code: None,
            message: None,
        };
        let elsewhere = || Next::GoTo("w2:1".to_owned());
        let table = [
            (DriverState::Running, Some("w1:1"), Next::Again),
            (DriverState::Unknown, Some("w1:1"), Next::Again),
            (DriverState::Relaunching, None, Next::Again),
            (DriverState::Running, Some("w2:1"), elsewhere()),
            (DriverState::Finished, Some("w2:1"), elsewhere()),
            (DriverState::Finished, Some("w1:1"), Next::Over),
            (DriverState::Error, None, Next::Over),
            (DriverState::Killed, Some("w1:1"), Next::Over),
        ];
        for (state, address, wanted) in table {
            assert_eq!(after(Some(&status(state, address)), "w1:1"), wanted, "{state} {address:?}");
        }
        assert_eq!(after(None, "w1:1"), Next::Over, "forgotten");
    }
}
