//! Reading the output of a process from its worker, over breaks.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use tanist_client::logs::{LogOwner, LogPiece, LogRequest, LogStart, LogStream};
use tanist_client::{ClientError, LogTail, MasterList, Masters, SubmissionClient};
use tanist_core::ids::{Attempt, DriverId};
use tanist_core::model::{DriverState, LeaderInfo};
use tanist_core::msg::DriverStatus;
use tanist_proto::v1;
use tanist_proto::v1::worker_endpoint_server::{WorkerEndpoint, WorkerEndpointServer};

use support::master::{FakeMaster, Store};
use support::{Process, soon};

type Chunk = Result<v1::LogChunk, Status>;
type Stream = tokio_stream::Iter<std::vec::IntoIter<Chunk>>;

/// What one call is answered with.
type Answer = Result<Vec<Chunk>, Status>;

/// A worker whose streams follow a script; it notes what was asked.
#[derive(Clone, Default)]
struct Worker {
    streams: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<LogRequest>>>,
}

#[tonic::async_trait]
impl WorkerEndpoint for Worker {
    type ReadLogStream = Stream;

    async fn read_log(&self, request: Request<v1::ReadLogRequest>) -> Result<Response<Stream>, Status> {
        self.asked.lock().unwrap().push(LogRequest::try_from(request.into_inner())?);
        let stream = self.streams.lock().unwrap().pop_front().unwrap_or_else(|| Ok(Vec::new()))?;
        Ok(Response::new(tokio_stream::iter(stream)))
    }

    async fn master_changed(&self, request: Request<v1::LeaderInfo>) -> Result<Response<v1::MasterChangedAck>, Status> {
        LeaderInfo::try_from(request.into_inner())?;
        Err(Status::unimplemented("not in the script"))
    }

    async fn ping(&self, _: Request<v1::PingRequest>) -> Result<Response<v1::PingReply>, Status> {
        Err(Status::unimplemented("not in the script"))
    }
}

impl Worker {
    async fn start(&self, process: &Process) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap().into_std().unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let service = WorkerEndpointServer::new(self.clone());
        process.run(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        address
    }

    fn plays(&self, streams: impl IntoIterator<Item = Answer>) {
        self.streams.lock().unwrap().extend(streams);
    }
}

/// These pieces, each at its place; then the end, or a break.
fn pieces(from: u64, texts: &[&str], last: Option<Chunk>) -> Vec<Chunk> {
    let mut offset = from;
    let chunk = |text: &&str| {
        let chunk =
            v1::LogChunk { offset, total_bytes: offset + text.len() as u64, data: text.as_bytes().to_vec().into() };
        offset = chunk.total_bytes;
        Ok(chunk)
    };
    texts.iter().map(chunk).collect::<Vec<_>>().into_iter().chain(last).collect()
}

fn broken() -> Chunk {
    Err(Status::unavailable("the worker went away"))
}

fn tail(worker: String, start: LogStart) -> LogTail {
    let process = LogOwner::Driver(DriverId::new("driver-1").unwrap());
    LogTail::new(worker, LogRequest { process, stream: LogStream::Stdout, start, follow: true })
}

async fn all(tail: &mut LogTail) -> Result<Vec<LogPiece>, ClientError> {
    let mut pieces = Vec::new();
    while let Some(piece) = soon("a piece", tail.next()).await? {
        pieces.push(piece);
    }
    Ok(pieces)
}

#[tokio::test]
async fn a_reading_goes_on_where_it_broke() {
    let (worker, process) = (Worker::default(), Process::new());
    worker.plays([
        Ok(pieces(6, &["", "one "], Some(broken()))),
        Err(Status::unavailable("starting")),
        Ok(vec![broken()]),
        Ok(pieces(10, &["two", "three"], None)),
    ]);
    let mut tail = tail(worker.start(&process).await, LogStart::LastBytes(4));
    let read = all(&mut tail).await.unwrap();
    let text: Vec<u8> = read.iter().flat_map(|piece| piece.data.clone()).collect();
    assert_eq!(String::from_utf8(text).unwrap(), "one twothree");
    assert_eq!(read.last().unwrap(), &LogPiece { offset: 13, total: 18, data: b"three".to_vec() });
    let starts: Vec<LogStart> = worker.asked.lock().unwrap().iter().map(|request| request.start).collect();
    assert_eq!(starts, [LogStart::LastBytes(4), LogStart::Offset(10), LogStart::Offset(10), LogStart::Offset(10)]);
}

#[tokio::test]
async fn what_does_not_exist_or_never_comes_is_said() {
    let (worker, process) = (Worker::default(), Process::new());
    let address = worker.start(&process).await;
    worker.plays([Err(Status::not_found("no file"))]);
    let error = all(&mut tail(address.clone(), LogStart::Offset(0))).await.unwrap_err().to_string();
    assert_eq!(error, format!("output of driver driver-1 cannot be read from worker {address}: it has no such output"));

    worker.plays(std::iter::repeat_n(Ok(vec![broken()]), 6));
    let error = all(&mut tail(address, LogStart::Offset(0))).await.unwrap_err().to_string();
    assert!(error.ends_with("the worker went away"), "not asked for ever: {error}");
}

/// A leader that answers the next questions after the driver so, and a client of it.
async fn cluster(statuses: &[(DriverState, &str)]) -> (FakeMaster, SubmissionClient) {
    let master = FakeMaster::start(&Store::default()).await;
    master.lead(1);
    let reply = |(state, address): &(DriverState, &str)| {
        Some(DriverStatus {
            driver: DriverId::new("driver-1").unwrap(),
            state: *state,
            attempt: Attempt(1),
            worker: None,
            worker_address: Some((*address).to_owned()),
            exit_code: None,
            message: None,
        })
    };
    master.script().statuses = statuses.iter().map(reply).collect();
    let client = SubmissionClient::new(Masters::new(MasterList::parse("--master", &master.address).unwrap()));
    (master, client)
}

/// What following the driver's standard output brings, and how it ends.
async fn followed(client: &SubmissionClient) -> (String, Result<(), ClientError>) {
    let driver = DriverId::new("driver-1").unwrap();
    let mut tail = client.follow(&driver, LogStream::Stdout, LogStart::Offset(0)).await.unwrap();
    let mut text = Vec::new();
    let end = loop {
        match soon("a piece", tail.next()).await {
            Ok(Some(piece)) => text.extend(piece.data),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    (String::from_utf8(text).unwrap(), end)
}

/// Far below the time for which a worker is looked for, far above what one look takes.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The worker dies after `one `; the cluster says that the driver still runs there, then that it does so no more.
#[tokio::test]
async fn a_driver_that_ended_with_its_worker_is_not_waited_for() {
    let (worker, mut process) = (Worker::default(), Process::new());
    worker.plays([Ok(pieces(0, &["one "], Some(broken())))]);
    let address = worker.start(&process).await;
    let statuses = [DriverState::Running, DriverState::Running, DriverState::Error].map(|state| (state, &*address));
    let (master, client) = cluster(&statuses).await;
    let driver = DriverId::new("driver-1").unwrap();
    let mut tail = client.follow(&driver, LogStream::Stdout, LogStart::Offset(0)).await.unwrap();
    assert_eq!(soon("a piece", tail.next()).await.unwrap().unwrap().data, b"one ");
    process.kill();
    let began = Instant::now();
    let error = soon("the end", tail.next()).await.unwrap_err();
    assert!(matches!(error, ClientError::Log { .. }), "{error:?}");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert!(master.script().statuses.is_empty(), "the cluster was asked at each break");
}

#[tokio::test]
async fn a_driver_that_was_moved_is_followed_at_once() {
    let (first, second, process) = (Worker::default(), Worker::default(), Process::new());
    first.plays([Ok(pieces(0, &["one "], Some(broken())))]);
    second.plays([Ok(pieces(0, &["two "], None)), Ok(pieces(4, &["three"], None))]);
    let (from, to) = (first.start(&process).await, second.start(&process).await);
    let (running, finished) = (DriverState::Running, DriverState::Finished);
    let (_master, client) = cluster(&[(running, &from), (running, &to), (finished, &to)]).await;
    let began = Instant::now();
    let (text, end) = followed(&client).await;
    end.unwrap();
    assert_eq!(text, "one two three");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    let starts: Vec<LogStart> = second.asked.lock().unwrap().iter().map(|request| request.start).collect();
    assert_eq!(starts, [LogStart::Offset(0), LogStart::Offset(4)], "anew on another worker, then from where it stood");
}

#[tokio::test]
async fn a_worker_that_comes_back_is_read_on_from_where_it_broke() {
    let (worker, process) = (Worker::default(), Process::new());
    worker.plays([
        Ok(pieces(0, &["one "], Some(broken()))),
        Err(Status::unavailable("starting")),
        Ok(pieces(4, &["two"], None)),
    ]);
    let address = worker.start(&process).await;
    let (running, finished) = (DriverState::Running, DriverState::Finished);
    let (_master, client) = cluster(&[running, running, running, finished].map(|state| (state, &*address))).await;
    let (text, end) = followed(&client).await;
    end.unwrap();
    assert_eq!(text, "one two");
    let starts: Vec<LogStart> = worker.asked.lock().unwrap().iter().map(|request| request.start).collect();
    let (zero, four, seven) = (LogStart::Offset(0), LogStart::Offset(4), LogStart::Offset(7));
    assert_eq!(starts, [zero, four, four, seven]);
}
