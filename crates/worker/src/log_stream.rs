//! Reading the output of a process over the wire, and following it while it is written.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use tanist_proto::convert::endpoint::{LogOwner, LogRequest, LogStart, LogStream};
use tanist_proto::limits::MAX_LOG_CHUNK_BYTES;
use tanist_proto::v1;

use crate::live::Live;
use crate::place::Place;
use crate::runner::logs::LogFiles;
use crate::runner::{RunnerError, blocking};

/// How often a file that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How often a piece is tried to be read.
const TRIES: u32 = 10;

/// Pause between two of them: about as long as it takes to put a part aside.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Chunks that wait for a slow reader; 256 KiB.
const CHUNKS_AHEAD: usize = 4;

/// What goes out.
pub(crate) type Chunks = ReceiverStream<Result<v1::LogChunk, Status>>;

/// Where output is found.
#[derive(Debug, Clone)]
pub(crate) struct Logs {
    /// The directories.
    pub(crate) place: Arc<Place>,
    /// What may still write.
    pub(crate) live: Live,
    /// The worker is about to end.
    pub(crate) stopping: CancellationToken,
}

/// One reading. Positions are counted from the first byte there was when it began; of a log that rolls and keeps only
/// some parts, earlier ones are gone then.
struct Reading {
    logs: Logs,
    request: LogRequest,
    /// What the last look has found.
    found: Option<Arc<LogFiles>>,
    /// Bytes of parts that are gone since the reading began.
    dropped: u64,
    /// The next byte wanted.
    offset: u64,
    chunks: mpsc::Sender<Result<v1::LogChunk, Status>>,
}

impl Logs {
    /// Begins a reading.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is no such output, and nothing runs that could write it.
    pub(crate) async fn read(&self, request: LogRequest) -> Result<Chunks, Status> {
        let (chunks, outgoing) = mpsc::channel(CHUNKS_AHEAD);
        let mut reading = Reading { logs: self.clone(), request, found: None, dropped: 0, offset: 0, chunks };
        let is_live = self.live.end_of(&reading.request.process).is_some();
        let total = reading.look().await.map_err(|error| failed(&error))?;
        if reading.found.is_none() && !is_live {
            return Err(Status::not_found(format!(
                "no {} of {}",
                reading.name(),
                owner_text(&reading.request.process)
            )));
        }
        reading.offset = match reading.request.start {
            LogStart::Offset(offset) => offset,
            LogStart::LastBytes(bytes) => total.saturating_sub(bytes),
        };
        tokio::spawn(reading.run());
        Ok(ReceiverStream::new(outgoing))
    }
}

impl Reading {
    async fn run(mut self) {
        if let Err(error) = self.send_all().await {
            tracing::warn!(%error, process = %owner_text(&self.request.process), "output cannot be read");
            // A reader that has left needs no answer.
            let _ = self.chunks.send(Err(failed(&error))).await;
        }
    }

    /// Sends what there is and, when following, what comes, until the process has ended.
    async fn send_all(&mut self) -> Result<(), RunnerError> {
        let mut first = true;
        loop {
            // Asked before looking: what it wrote before its end is there then.
            let end = if self.request.follow { self.logs.live.end_of(&self.request.process) } else { None };
            let (data, total) = self.next_piece().await?;
            let piece = data.len() as u64;
            if piece > 0 || first {
                first = false;
                let chunk = v1::LogChunk { offset: self.offset, total_bytes: total, data: data.into() };
                if self.chunks.send(Ok(chunk)).await.is_err() {
                    return Ok(());
                }
                self.offset += piece;
            }
            if piece > 0 {
                continue;
            }
            let Some(end) = end else { return Ok(()) };
            tokio::select! {
                biased;
                // Nobody reads any more, or nobody will write any more: no use to wait.
                () = self.chunks.closed() => return Ok(()),
                () = self.logs.stopping.cancelled() => return Ok(()),
                () = end.cancelled() => {}
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Looks what there is, and returns how many bytes have been written so far.
    async fn look(&mut self) -> Result<u64, RunnerError> {
        let (place, owner, name) = (Arc::clone(&self.logs.place), self.request.process.clone(), self.name());
        let found = blocking("read logs in", self.logs.place.work.root(), move || {
            place.log_dir(&owner).map(|dir| LogFiles::find(&dir, name)).transpose()
        });
        let Some(files) = found.await?.filter(|files| !files.is_empty()) else { return Ok(0) };
        if let Some(earlier) = &self.found {
            self.dropped += files.dropped_since(earlier);
        }
        let total = self.dropped + files.total_len();
        // What is gone cannot be sent.
        self.offset = self.offset.max(self.dropped);
        self.found = Some(Arc::new(files));
        Ok(total)
    }

    /// What is there from the wanted byte on, at most one chunk, and how many bytes have been written so far. A part
    /// that is rolled away between looking and reading is looked for again.
    async fn next_piece(&mut self) -> Result<(Vec<u8>, u64), RunnerError> {
        let mut tries = 1;
        loop {
            match self.try_next_piece().await {
                Err(_) if tries < TRIES => sleep(TRY_AGAIN_AFTER).await,
                outcome => return outcome,
            }
            tries += 1;
        }
    }

    async fn try_next_piece(&mut self) -> Result<(Vec<u8>, u64), RunnerError> {
        let total = self.look().await?;
        let Some(files) = self.found.clone() else { return Ok((Vec::new(), total)) };
        let offset = self.offset - self.dropped;
        let root = self.logs.place.work.root();
        let data = blocking("read logs in", root, move || files.read(offset, MAX_LOG_CHUNK_BYTES as u64)).await?;
        Ok((data, total))
    }

    fn name(&self) -> &'static str {
        match self.request.stream {
            LogStream::Stdout => "stdout",
            LogStream::Stderr => "stderr",
        }
    }
}

fn owner_text(owner: &LogOwner) -> String {
    match owner {
        LogOwner::Driver(driver) => format!("driver {driver}"),
        LogOwner::Executor(executor) => format!("executor {executor}"),
    }
}

fn failed(error: &RunnerError) -> Status {
    Status::internal(error.to_string())
}
