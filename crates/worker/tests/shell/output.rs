//! Reading output from the worker (`ReadLog`).

use std::num::NonZeroU64;

use tanist_core::ids::DriverId;
use tanist_core::model::ExecutorState;
use tanist_proto::convert::endpoint::{LogOwner, LogRequest, LogStart, LogStream};
use tanist_proto::v1;
use tanist_proto::v1::worker_endpoint_client::WorkerEndpointClient;
use tanist_worker::runner::logs::{RollWhen, Rolling};
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::fake_master::{FakeMaster, command, executor, script};
use crate::rig::{PATIENCE, TestWorker, until};

fn of_driver(id: &str, start: LogStart, follow: bool) -> LogRequest {
    LogRequest { process: LogOwner::Driver(DriverId::new(id).unwrap()), stream: LogStream::Stdout, start, follow }
}

async fn client(worker: &TestWorker) -> WorkerEndpointClient<Channel> {
    WorkerEndpointClient::connect(format!("http://{}", worker.handle.address())).await.unwrap()
}

async fn open(worker: &TestWorker, request: &LogRequest) -> Result<Streaming<v1::LogChunk>, Status> {
    client(worker).await.read_log(v1::ReadLogRequest::from(request)).await.map(tonic::Response::into_inner)
}

async fn next(stream: &mut Streaming<v1::LogChunk>) -> Option<v1::LogChunk> {
    timeout(PATIENCE, stream.message()).await.unwrap().unwrap()
}

/// All that comes, which must be without a gap.
async fn rest(stream: &mut Streaming<v1::LogChunk>) -> String {
    let (mut text, mut at) = (Vec::new(), None);
    while let Some(chunk) = next(stream).await {
        assert!(at.is_none_or(|at| at == chunk.offset), "{at:?} {}", chunk.offset);
        at = Some(chunk.offset + chunk.data.len() as u64);
        text.extend(chunk.data);
    }
    String::from_utf8(text).unwrap()
}

async fn read(worker: &TestWorker, request: &LogRequest) -> String {
    rest(&mut open(worker, request).await.unwrap()).await
}

#[tokio::test]
async fn output_is_followed_until_the_process_has_ended() {
    let (_master, worker, mut session) = TestWorker::with_a_master().await;
    let waiting = "echo one; while [ ! -e go ]; do sleep 0.05; done; echo two; echo three >&2";
    session.launch_driver("driver-1", script(waiting)).await;
    session.driver_started("driver-1").await;
    let mut followed = open(&worker, &of_driver("driver-1", LogStart::Offset(0), true)).await.unwrap();
    let mut first = String::new();
    while first.len() < 4 {
        first.push_str(std::str::from_utf8(&next(&mut followed).await.unwrap().data).unwrap());
    }
    assert_eq!(first, "one\n");
    assert_eq!(read(&worker, &of_driver("driver-1", LogStart::Offset(1), false)).await, "ne\n", "not followed");
    std::fs::write(worker.work().join("driver-1/go"), "").unwrap();
    assert_eq!(rest(&mut followed).await, "two\n");
    session.outcome("driver-1").await;
    for (start, text) in [
        (LogStart::LastBytes(4), "two\n"),
        (LogStart::LastBytes(1000), "one\ntwo\n"),
        (LogStart::Offset(4), "two\n"),
        (LogStart::Offset(1000), ""),
    ] {
        assert_eq!(read(&worker, &of_driver("driver-1", start, false)).await, text);
        assert_eq!(read(&worker, &of_driver("driver-1", start, true)).await, text, "it has ended");
    }
    let stderr = LogRequest { stream: LogStream::Stderr, ..of_driver("driver-1", LogStart::LastBytes(6), false) };
    assert_eq!(read(&worker, &stderr).await, "three\n");
}

#[tokio::test]
async fn output_that_is_not_there_or_not_ours_is_not_found() {
    let mut master = FakeMaster::start(1).await;
    let worker = TestWorker::start(&[&master]).await;
    let (_session, _) = master.registered().await;
    let code = async |request: LogRequest| open(&worker, &request).await.unwrap_err().code();
    assert_eq!(code(of_driver("driver-1", LogStart::Offset(0), true)).await, Code::NotFound);

    // A link that leads out of the work directory, as the directory or as the file.
    let outside = worker.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("stdout"), "secret").unwrap();
    std::os::unix::fs::symlink(&outside, worker.work().join("driver-2")).unwrap();
    std::fs::create_dir(worker.work().join("driver-3")).unwrap();
    std::os::unix::fs::symlink(outside.join("stdout"), worker.work().join("driver-3/stdout")).unwrap();
    for id in ["driver-2", "driver-3", ".tanist"] {
        assert_eq!(code(of_driver(id, LogStart::Offset(0), false)).await, Code::NotFound, "{id}");
    }
    let mut bad = v1::ReadLogRequest::from(&of_driver("x", LogStart::Offset(0), false));
    for id in ["../outside", "..", "", "a/b"] {
        bad.process = Some(v1::read_log_request::Process::DriverId(id.to_owned()));
        let status = client(&worker).await.read_log(bad.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{id:?}: {status}");
    }
}

#[tokio::test]
async fn log_01_rolled_output_is_one_text() {
    let mut master = FakeMaster::start(1).await;
    let worker = TestWorker::start_with(&[&master], |options| {
        let when = RollWhen::Size(NonZeroU64::new(1000).unwrap());
        options.rolling = Some(Rolling { when, max_files: None, compress: true });
    })
    .await;
    let (mut session, _) = master.registered().await;
    let lines = "i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done";
    session.launch_executor("app-1", 0, command("sh", &["-c", lines])).await;
    let of = executor("app-1", 0);
    assert_eq!(session.executor_state(&of).await.0, ExecutorState::Running);
    let request = LogRequest {
        process: LogOwner::Executor(of.clone()),
        stream: LogStream::Stdout,
        start: LogStart::Offset(0),
        follow: true,
    };
    let whole = (0..1000).map(|i| format!("line {i}")).collect::<Vec<_>>().join("\n") + "\n";
    let text = read(&worker, &request).await;
    assert!(text == whole, "{} bytes instead of {}", text.len(), whole.len());
    assert_eq!(session.executor_state(&of).await.0, ExecutorState::Exited);
    let files = || std::fs::read_dir(worker.work().join("app-1/0")).unwrap().count();
    until("it has rolled", || files() > 5).await;
}
