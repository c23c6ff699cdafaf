//! What a driver or executor writes, read from the worker that runs or ran it.

mod follow;

use std::time::Duration;

use tokio::time::timeout;
use tonic::{Code, Streaming};

pub use follow::DriverTail;
pub use tanist_proto::convert::endpoint::{LogOwner, LogRequest, LogStart, LogStream};
use tanist_proto::limits::MAX_MESSAGE_BYTES;
use tanist_proto::v1;
use tanist_proto::v1::worker_endpoint_client::WorkerEndpointClient;

use crate::error::ClientError;
use crate::net::{CONNECT_DEADLINE, channel, is_passing, status_reason};
use crate::retry;

/// How long a worker that is gone in the middle of a reading is looked for.
const RESUME_DEADLINE: Duration = Duration::from_secs(15);

/// How often in a row a stream may break without having brought anything before the reading fails.
const EMPTY_STREAMS: u32 = 5;

/// A piece of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPiece {
    /// Where its first byte stands in the output, counted from the first byte ever.
    pub offset: u64,
    /// Bytes written so far, this piece included.
    pub total: u64,
    /// At most 64 KiB.
    pub data: Vec<u8>,
}

/// One output of one process, read piece by piece. A connection that breaks is opened again where the reading stood.
#[derive(Debug)]
pub struct LogTail {
    worker: String,
    request: LogRequest,
    open: Option<Streaming<v1::LogChunk>>,
    broken: u32,
    /// How long the worker is looked for.
    patience: Duration,
}

impl LogTail {
    /// A reading of `request` from the worker at `host:port`. Nothing is asked before the first piece is.
    pub fn new(worker: String, request: LogRequest) -> Self {
        Self { worker, request, open: None, broken: 0, patience: RESUME_DEADLINE }
    }

    /// The same for a caller who decides on its own, at every break, whether this worker is still the one to ask.
    #[must_use]
    pub fn without_patience(self) -> Self {
        Self { patience: Duration::ZERO, broken: EMPTY_STREAMS, ..self }
    }

    /// The next piece; none = the end: of what is written, or, when following, of the process.
    pub async fn next(&mut self) -> Result<Option<LogPiece>, ClientError> {
        loop {
            if self.open.is_none() {
                self.open = Some(self.connect().await?);
            }
            let Some(stream) = &mut self.open else { continue };
            match stream.message().await {
                Ok(None) => return Ok(None),
                Ok(Some(chunk)) => {
                    let read = chunk.offset.saturating_add(chunk.data.len() as u64);
                    self.request.start = LogStart::Offset(read);
                    if !chunk.data.is_empty() {
                        self.broken = if self.patience.is_zero() { EMPTY_STREAMS } else { 0 };
                        let (offset, total, data) = (chunk.offset, chunk.total_bytes, chunk.data.into());
                        return Ok(Some(LogPiece { offset, total, data }));
                    }
                }
                Err(status) if is_passing(status.code()) && self.broken < EMPTY_STREAMS => {
                    tracing::debug!(worker = self.worker, %status, "log stream broke");
                    self.broken += 1;
                    self.open = None;
                }
                Err(status) => return Err(self.failed(&status_reason(&status))),
            }
        }
    }

    async fn connect(&self) -> Result<Streaming<v1::LogChunk>, ClientError> {
        let client = WorkerEndpointClient::new(channel(&self.worker)?).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let open = || async {
            let mut client = client.clone();
            match timeout(CONNECT_DEADLINE, client.read_log(v1::ReadLogRequest::from(&self.request))).await {
                Ok(Ok(stream)) => Ok(stream.into_inner()),
                Ok(Err(status)) if status.code() == Code::NotFound => {
                    Err(backoff::Error::permanent(self.failed("it has no such output")))
                }
                Ok(Err(status)) if is_passing(status.code()) => {
                    Err(backoff::Error::transient(self.failed(&status_reason(&status))))
                }
                Ok(Err(status)) => Err(backoff::Error::permanent(self.failed(&status_reason(&status)))),
                Err(_) => {
                    Err(backoff::Error::transient(self.failed(&format!("no answer within {CONNECT_DEADLINE:?}"))))
                }
            }
        };
        retry::until(self.patience, open).await
    }

    fn failed(&self, reason: &str) -> ClientError {
        let process = match &self.request.process {
            LogOwner::Driver(driver) => format!("driver {driver}"),
            LogOwner::Executor(executor) => format!("executor {executor}"),
        };
        ClientError::Log { process, address: self.worker.clone(), reason: reason.to_owned() }
    }
}
